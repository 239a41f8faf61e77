"""One function per user verb; both front doors call only this."""
