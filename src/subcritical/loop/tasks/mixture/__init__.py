"""Task `mixture`: tune settings and the weights of training sources of unequal quality."""

from subcritical.loop.tasks.mixture._build import make_mixture

__all__ = ["make_mixture"]
