"""Actions to receipts: an order carried out on a handle, and the proof."""
