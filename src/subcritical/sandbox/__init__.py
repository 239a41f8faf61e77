"""Runs untrusted programs and says what it does and does not cover."""
