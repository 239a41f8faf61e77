"""subcritical: detect, measure and contain recursive self-improvement in AI systems."""

__version__ = "0.1.0"
