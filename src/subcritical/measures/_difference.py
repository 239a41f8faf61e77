"""Difference of two scores of independent items, with its interval."""

from __future__ import annotations

import math

from subcritical.measures._score import cannot, check_level, counts, noisy
from subcritical.schema import Measurement, Score
from subcritical.stats import difference_interval, normal_quantile


def difference(name: str, first: Score, second: Score, *, level: float) -> Measurement:
    """First minus second with better upwards; unit: that of the score."""
    check_level(level)
    one, two = counts(first), counts(second)
    if one is not None and two is not None:
        interval = difference_interval(one, two, level=level)
        return Measurement(
            name=name,
            estimate=one[0] / one[1] - two[0] / two[1],
            low=interval.low,
            high=interval.high,
            level=level,
            unit="share",
            method="Newcombe 1998, independent items",
            n=one[1] + two[1],
        )
    left, right = noisy(first), noisy(second)
    method = "difference of two scores with standard errors"
    if left is None or right is None:
        which = "first" if left is None else "second"
        why = f"the {which} score ({first.status if left is None else second.status}) has no value with known noise"
        return cannot(name, why, unit="score", method=method, level=level)
    gap, error = left[0] - right[0], math.hypot(left[1], right[1])
    half = normal_quantile(0.5 + level / 2) * error
    return Measurement(
        name=name,
        estimate=gap,
        low=gap - half,
        high=gap + half,
        level=level,
        unit="score",
        method=method,
        n=2,
    )
