"""The only door for a self-modification."""
