"""Ability of a system from items of known difficulty."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError
from subcritical.stats.intervals import Interval, normal_quantile

Floats = NDArray[np.float64]
_STEPS = 60
_PRIOR_VARIANCE = 25.0
"""Of ability, logits squared: keeps an all-right or all-wrong answer sheet finite, hardly moves any other."""


def rasch_ability(
    right: NDArray[np.bool_],
    difficulty: Floats,
    *,
    discrimination: Floats | None = None,
    dispersion: float = 1.0,
    level: float = 0.95,
) -> tuple[float, Interval]:
    """Ability in logits with item difficulties held fixed (Rasch; 2PL where discriminations are given).

    Args:
        right: Shape (items,), whether each item was solved.
        difficulty: Shape (items,), logits.
        discrimination: Shape (items,), > 0; None for all 1.
        dispersion: Overdispersion of repeated evaluations, >= 1; widens the interval.
        level: Coverage, in (0, 1).

    Returns:
        Posterior mode under a wide normal prior, and a Laplace interval. With all items solved the interval's
        upper end says little more than the prior: add harder items.

    Raises:
        InputError: Shapes differ, nothing was asked, or a value is out of range.

    Source: Rasch 1960; Birnbaum 1968. Cost: O(items).
    """
    a = np.ones_like(difficulty) if discrimination is None else discrimination
    if right.shape != difficulty.shape or right.ndim != 1 or not right.size or a.shape != difficulty.shape:
        raise InputError(f"answers {right.shape} and difficulties {difficulty.shape} must be one column each")
    if not (np.isfinite(difficulty).all() and (a > 0).all() and dispersion >= 1):
        raise InputError("difficulties must be finite, discriminations positive and the dispersion at least 1")
    theta, curvature = 0.0, 1.0
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-(a * (theta - difficulty)).clip(-30, 30)))
        slope = float((a * (right - p)).sum()) / dispersion - theta / _PRIOR_VARIANCE
        curvature = float((a * a * p * (1 - p)).sum()) / dispersion + 1 / _PRIOR_VARIANCE
        theta += min(max(slope / curvature, -2.0), 2.0)
    half = normal_quantile(0.5 + level / 2) / math.sqrt(curvature)
    return theta, Interval(theta - half, theta + half)
