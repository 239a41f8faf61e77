"""r: doublings of efficiency for each doubling of cumulative research input."""

from __future__ import annotations

import numpy as np

from subcritical.errors import InputError
from subcritical.measures._score import cannot, check_level
from subcritical.measures.history import History
from subcritical.schema import Measurement
from subcritical.stats import increments_ratio

_METHOD = "sum of increments over sum of increments of input, errors a random walk in the input"


def returns(history: History, *, coverage: float = 0.95) -> Measurement:
    """Returns to research of a history whose points carry their cumulative input.

    Args:
        history: On the log2 scale; every point with `work` > 0, growing.
        coverage: Of the interval, in (0, 1).

    Returns:
        `r`, doublings per doubling; None with the reason where the scale or the input is missing. Input by proxy
        (number of versions, hours) gives the r of the proxy.

    Source: Jones 1995; Eth & Davidson 2025 for what r decides; the estimator is in `stats.increments`.
    """
    check_level(coverage)
    unit, n = "doublings/doubling", len(history.points)
    work = [point.work for point in history.points]
    if history.chosen != "log2":
        why = f"returns need the log2 scale, this history is on {history.chosen}"
        return cannot("r", why, unit=unit, method=_METHOD, level=coverage, n=n)
    if any(one is None or one <= 0 for one in work):
        why = "no cumulative input: add a column `work` of positive, growing numbers"
        return cannot("r", why, unit=unit, method=_METHOD, level=coverage, n=n)
    columns = history.columns()
    try:
        r, interval = increments_ratio(np.log2([float(one or 1) for one in work]), columns.y, level=coverage)
    except InputError as error:
        return cannot("r", str(error), unit=unit, method=_METHOD, level=coverage, n=n)
    return Measurement(
        name="r",
        estimate=r,
        low=interval.low,
        high=interval.high,
        level=coverage,
        unit=unit,
        method=_METHOD,
        n=n,
    )
