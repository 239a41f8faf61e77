"""Is the next point where the last ones said? For histories too short, or of unknown noise, for a likelihood ratio."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from subcritical.errors import InputError

Floats = NDArray[np.float64]
FIRST = 5
WINDOW = 6


def ahead_of_line(t: Floats, y: Floats, *, window: int = WINDOW, first: int = FIRST) -> Floats:
    """One-sided p value of each point being above the line through the `window` points before it.

    Args:
        t: Shape (n,), increasing.
        y: Shape (n,).
        window: Points the line is fitted to, at least `first`.
        first: Points before the first test, >= 3.

    Returns:
        Shape (n,); NaN where no test is made. A jump stays in the windows of the points after it, so what
        follows a small p value is judged against a line that the jump has bent.

    Raises:
        InputError: Shapes differ, times do not increase, or a value is not finite.

    Source: prediction interval of simple regression, Student's t with (points - 2) degrees of freedom. The noise is
    estimated from those few points: eight points that happen to lie on a line make the ninth look far away.
    """
    if t.shape != y.shape or t.ndim != 1 or not (np.isfinite(t).all() and np.isfinite(y).all()):
        raise InputError(f"times {t.shape} and values {y.shape} must be one column each, all finite")
    if not (np.diff(t) > 0).all() or not 3 <= first <= window:  # noqa: PLR2004 - a line and one degree of freedom
        raise InputError(f"times must increase, and 3 <= first {first} <= window {window}")
    found = np.full(t.size, np.nan)
    for now in range(first, t.size):
        x, z = t[max(0, now - window) : now], y[max(0, now - window) : now]
        centred = x - x.mean()
        spread = float(centred @ centred)
        slope = float(centred @ z) / spread
        rest = z - z.mean() - slope * centred
        free = x.size - 2
        variance = float(rest @ rest) / free
        ahead = float(y[now] - z.mean() - slope * (t[now] - x.mean()))
        error = np.sqrt(variance * (1 + 1 / x.size + (t[now] - x.mean()) ** 2 / spread))
        found[now] = float(special.stdtr(free, -ahead / error)) if error > 0 else float(ahead <= 0)
    return found
