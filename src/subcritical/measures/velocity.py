"""How fast a history rises now, and how long a doubling takes."""

from __future__ import annotations

from subcritical.errors import InputError
from subcritical.measures._score import cannot, check_level
from subcritical.measures.history import History
from subcritical.schema import Measurement
from subcritical.stats import Trend, bootstrap_slope, local_trend

_METHOD = "last slope of a local linear trend, variances mixed over a grid (Durbin & Koopman 2012)"


def fitted(history: History) -> Trend | str:
    """The trend of a history, or why there is none."""
    columns = history.columns().by_time()
    try:
        return local_trend(columns.t, columns.y, columns.se)
    except InputError as error:
        return str(error)


def level(history: History, *, coverage: float = 0.95) -> Measurement:
    """Where the history stands now, on its scale.

    Args:
        history: Any.
        coverage: Of the interval, in (0, 1).

    Returns:
        `level`; None with the reason where there are fewer than five times.
    """
    check_level(coverage)
    trend = fitted(history)
    method = "last level of a local linear trend, variances mixed over a grid (Durbin & Koopman 2012)"
    n = len(history.points)
    if isinstance(trend, str):
        return cannot("level", trend, unit=history.unit, method=method, level=coverage, n=n)
    mean, interval = trend.level_interval(coverage)
    return Measurement(
        name="level",
        estimate=mean,
        low=interval.low,
        high=interval.high,
        level=coverage,
        unit=history.unit,
        method=method,
        n=n,
    )


def velocity(history: History, *, coverage: float = 0.95) -> Measurement:
    """Rise per unit of time at the end of the history.

    Args:
        history: Any; at least five different times.
        coverage: Of the interval, in (0, 1).

    Returns:
        `velocity`, in the history's unit per unit of time; None with the reason where it cannot be measured.
        The interval is conservative where the slope truly is constant.
    """
    check_level(coverage)
    unit = f"{history.unit}/{history.per}"
    trend = fitted(history)
    n = len(history.points)
    if isinstance(trend, str):
        return cannot("velocity", trend, unit=unit, method=_METHOD, level=coverage, n=n)
    mean, interval = trend.slope_interval(coverage)
    return Measurement(
        name="velocity",
        estimate=mean,
        low=interval.low,
        high=interval.high,
        level=coverage,
        unit=unit,
        method=_METHOD,
        n=n,
    )


def doubling_time(history: History, *, coverage: float = 0.95) -> Measurement:
    """Time for one doubling at the present velocity; unbounded where that may be zero.

    Args:
        history: On the log2 scale; another scale has no doublings.
        coverage: Of the interval, in (0, 1).

    Returns:
        `doubling_time`, asymmetric, `high` None for infinity; None with the reason where the scale is another
        one or the velocity may only be zero or falling.
    """
    return _inverse("doubling_time", history, velocity(history, coverage=coverage))


def average_doubling_time(history: History, *, coverage: float = 0.95) -> Measurement:
    """Time for one doubling along the straight line through the whole history; otherwise as `doubling_time`."""
    return _inverse("average_doubling_time", history, average_velocity(history, coverage=coverage))


def _inverse(name: str, history: History, speed: Measurement) -> Measurement:
    unit, method = history.per, f"inverse of {speed.name} and of its interval"
    why = ""
    if history.chosen != "log2":
        why = f"a doubling needs the log2 scale, this history is on {history.chosen}"
    elif speed.estimate is None:
        why = speed.why
    elif speed.estimate <= 0 or (speed.high or 0.0) <= 0:
        why = "the history does not rise: no doubling lies ahead"
    if why or speed.estimate is None or speed.high is None:
        return cannot(name, why, unit=unit, method=method, level=speed.level, n=speed.n)
    bounded = speed.low is not None and speed.low > 0
    return Measurement(
        name=name,
        estimate=1 / speed.estimate,
        low=1 / speed.high,
        high=1 / speed.low if bounded and speed.low else None,
        level=speed.level,
        unit=unit,
        method=method,
        n=speed.n,
        why="" if bounded else "unbounded: the velocity may be zero",
    )


def average_velocity(history: History, *, coverage: float = 0.95) -> Measurement:
    """Rise per unit of time over the whole history: a straight line through all of it.

    Args:
        history: Any; at least five points.
        coverage: Of the interval, in (0, 1).

    Returns:
        `average_velocity`, with a percentile bootstrap over points (pairs), which holds where the noise is not
        the same everywhere; it says nothing about whether a line is the right shape.

    Source: Efron & Tibshirani 1993, chapter 9 (pairs).
    """
    check_level(coverage)
    columns = history.columns()
    unit, method = f"{history.unit}/{history.per}", "least squares line, percentile bootstrap over points, 4000 draws"
    try:
        slope, interval = bootstrap_slope(columns.t, columns.y, level=coverage)
    except InputError as error:
        return cannot("average_velocity", str(error), unit=unit, method=method, level=coverage, n=columns.t.size)
    return Measurement(
        name="average_velocity",
        estimate=slope,
        low=interval.low,
        high=interval.high,
        level=coverage,
        unit=unit,
        method=method,
        n=columns.t.size,
    )
