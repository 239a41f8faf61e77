"""Numeric kernels: arrays in, numbers out. No events, no clock, no disk."""
