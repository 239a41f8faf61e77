"""Events to findings. One file per detector; found by entry point, never by import side effect."""
