"""Tasks on real data for the built-in guests: a seed workspace, an evaluator and splits, written to disk.

The files that are shipped beside each builder (`solution.py`, `evaluate.py`) are data to the
supervisor: they are copied, and run in sandboxes only.
"""

from subcritical.loop.tasks._layout import Task
from subcritical.loop.tasks.digits import make_digits
from subcritical.loop.tasks.mixture import make_mixture
from subcritical.loop.tasks.optimisers import make_optimisers

__all__ = ["Task", "make_digits", "make_mixture", "make_optimisers"]
