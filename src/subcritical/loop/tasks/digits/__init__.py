"""Task `digits`: evolve a small program that names handwritten digits."""

from subcritical.loop.tasks.digits._build import make_digits

__all__ = ["make_digits"]
