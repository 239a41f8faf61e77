"""A watch over a published log from outside, which hashes all of it and remembers what it saw."""
