"""The harness for a system that improves itself."""
