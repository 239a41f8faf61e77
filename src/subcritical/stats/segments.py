"""Offline segmentation of a whole history: at which rounds do level or slope change? For audits, not for alarms."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError

Floats = NDArray[np.float64]
POINTS_MAX = 5_000
SEGMENT_MIN = 3
_PARAMETERS = 3
"""What a further segment costs: its level, its slope, and where it begins."""


def segments(t: Floats, y: Floats, se: Floats, *, penalty: float | None = None) -> list[int]:
    """First rounds of all segments but the first, each with a line of its own.

    Args:
        t: Shape (n,), increasing, n >= 6.
        y: Shape (n,).
        se: Standard errors, > 0; scale them where the noise is larger than they say.
        penalty: Cost of a further segment; default 3 parameters times ln n.

    Raises:
        InputError: Shapes differ, too few points, or an error is not positive.

    Source: Killick, Fearnhead & Eckley 2012, JASA 107:1590 (PELT); penalty of Schwarz 1978. Lines per segment, so
    a steady drift is no change. Cost: O(n^2) at worst, with pruning about O(n).
    """
    if not t.shape == y.shape == se.shape or t.ndim != 1 or not 2 * SEGMENT_MIN <= t.size <= POINTS_MAX:
        shapes = f"times {t.shape}, values {y.shape} and errors {se.shape}"
        raise InputError(f"{shapes} must be one column each, of 6 to {POINTS_MAX} rows")
    if not ((se > 0).all() and np.isfinite(y).all() and (np.diff(t) > 0).all()):
        raise InputError("times must increase, values be finite and errors positive")
    cost = _Cost(t, y, se)
    price = _PARAMETERS * math.log(t.size) if penalty is None else penalty
    best = np.full(t.size + 1, np.inf)
    best[0] = -price
    last = np.zeros(t.size + 1, dtype=np.intp)
    open_ = np.array([0], dtype=np.intp)
    for end in range(SEGMENT_MIN, t.size + 1):
        usable = open_[open_ <= end - SEGMENT_MIN]
        totals = best[usable] + cost(usable, end) + price
        chosen = int(totals.argmin())
        best[end], last[end] = totals[chosen], usable[chosen]
        # A start that is already worse than the best by more than a new segment costs never recovers.
        kept = usable[totals - price <= best[end]]
        waiting = open_[open_ > end - SEGMENT_MIN]
        open_ = np.concatenate([kept, waiting, np.array([end], dtype=np.intp)])
    found, end = [], t.size
    while last[end] > 0:
        end = int(last[end])
        found.append(end)
    return found[::-1]


class _Cost:
    """Weighted residual sum of squares of a line over rows [start, end), from cumulated sums."""

    def __init__(self, t: Floats, y: Floats, se: Floats) -> None:
        x = t - t.mean()
        w = se**-2
        columns = np.stack([w, w * x, w * x * x, w * y, w * x * y, w * y * y], axis=1)
        self._sums = np.concatenate([np.zeros((1, 6)), np.cumsum(columns, axis=0)])

    def __call__(self, starts: NDArray[np.intp], end: int) -> Floats:
        s0, s1, s2, t0, t1, yy = (self._sums[end] - self._sums[starts]).T
        determinant = np.maximum(s0 * s2 - s1 * s1, 1e-12)
        explained = (s2 * t0 * t0 - 2 * s1 * t0 * t1 + s0 * t1 * t1) / determinant
        residual: Floats = np.maximum(yy - explained, 0.0)
        return residual
