"""A straight line through scattered points, with an interval that does not assume equal noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError
from subcritical.stats.intervals import Interval

Floats = NDArray[np.float64]
POINTS_MIN = 5
DRAWS = 4000


def bootstrap_slope(t: Floats, y: Floats, *, level: float = 0.95, seed: int = 1) -> tuple[float, Interval]:
    """Slope of least squares and a percentile interval over resampled points.

    Args:
        t: Shape (n,), n >= 5, at least three different times.
        y: Shape (n,).
        level: Coverage, in (0, 1).
        seed: Of the bootstrap.

    Raises:
        InputError: Too few points, or values that are not finite.

    Source: Efron & Tibshirani 1993, chapter 9 (pairs). Cost: O(4000 n).
    """
    if t.shape != y.shape or t.ndim != 1 or t.size < POINTS_MIN or np.unique(t).size < 3:  # noqa: PLR2004
        raise InputError(f"{t.size} points at {np.unique(t).size} times; at least {POINTS_MIN} at 3 are needed")
    if not (np.isfinite(t).all() and np.isfinite(y).all()):
        raise InputError("times and values must be finite")
    rows = np.random.default_rng(seed).integers(0, t.size, (DRAWS, t.size))
    x, z = t[rows], y[rows]
    dx = x - x.mean(axis=1, keepdims=True)
    spread = (dx**2).sum(axis=1)
    usable = spread > 0
    slopes = (dx * z).sum(axis=1)[usable] / spread[usable]
    centred = t - t.mean()
    low, high = np.quantile(slopes, ((1 - level) / 2, (1 + level) / 2))
    return float(centred @ y / (centred @ centred)), Interval(float(low), float(high))
