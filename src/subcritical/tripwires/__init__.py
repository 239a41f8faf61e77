"""Rules over findings, measurements and silence that request actions; they latch."""
