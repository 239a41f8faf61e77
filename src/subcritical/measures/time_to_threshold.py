"""When a threshold is first reached: a distribution, with the chance of never within reach."""

from __future__ import annotations

import math

import numpy as np

from subcritical.measures._score import cannot, check_level
from subcritical.measures.history import History
from subcritical.measures.velocity import fitted
from subcritical.schema import Measurement
from subcritical.stats import time_to_level

PATHS = 4000
STEPS = 400
REACH = 4.0
"""How far ahead is looked, in lengths of the history so far."""


def time_to_threshold(history: History, threshold: float, *, coverage: float = 0.9, seed: int = 1) -> Measurement:
    """Time from the last point until the level first reaches a threshold.

    Args:
        history: At least five different times.
        threshold: On the history's scale, better upwards (a rate on the logit scale is given as its logit).
        coverage: Of the interval, in (0, 1).
        seed: Of the simulation.

    Returns:
        `time_to_threshold`: median and interval of the predictive distribution, in the unit of time; `high` None
        where that end lies beyond four lengths of the history. Estimate None with the reason where the median
        does.
    """
    check_level(coverage)
    method = f"simulated from the local linear trend's mixture, {PATHS} paths, {REACH:g} history lengths ahead"
    n = len(history.points)
    trend = fitted(history)
    if isinstance(trend, str):
        return cannot("time_to_threshold", trend, unit=history.per, method=method, level=coverage, n=n)
    times = history.columns().t
    step = REACH * float(times.max() - times.min()) / STEPS
    found = time_to_level(trend, threshold, step=step, steps=STEPS, paths=PATHS, seed=seed)
    low, middle, high = (float(np.quantile(found, 0.5 + side * coverage / 2, method="lower")) for side in (-1, 0, 1))
    never = float(np.isinf(found).mean())
    if math.isinf(middle):
        why = f"{never:.0%} of the paths do not reach it within {step * STEPS:.3g} {history.per}s"
        return cannot("time_to_threshold", why, unit=history.per, method=method, level=coverage, n=n)
    return Measurement(
        name="time_to_threshold",
        estimate=middle,
        low=low,
        high=None if math.isinf(high) else high,
        level=coverage,
        unit=history.per,
        method=method,
        n=n,
        why=f"{never:.0%} of the paths do not reach it within {step * STEPS:.3g} {history.per}s" if never else "",
    )
