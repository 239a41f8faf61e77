"""Oversight ratio: time of one improvement cycle over time between recorded reviews. Far below 1: nobody keeps up."""

from __future__ import annotations

from subcritical.errors import InputError
from subcritical.measures._score import cannot, check_level
from subcritical.schema import Measurement
from subcritical.stats import clopper_pearson

_METHOD = "reviews per cycle over the same time; exact interval of the two counts' ratio (conditional binomial)"


def oversight_ratio(cycles: int, reviews: int, *, coverage: float = 0.95) -> Measurement:
    """Mean cycle time over mean time between reviews: over one stretch of time, reviews over cycles.

    Args:
        cycles: Accepted self-changes in the stretch, >= 0.
        reviews: Recorded reviews by people in it, >= 0.
        coverage: Of the interval, in (0, 1).

    Returns:
        `oversight_ratio`, reviews per cycle; `high` None where no cycle bounds it. None with the reason where
        nothing happened. A recorded review proves a record, not that somebody read.

    Raises:
        InputError: A count is negative.

    Source: two Poisson rates compared by their conditional binomial (Przyborowski & Wilenski 1940).
    """
    check_level(coverage)
    if cycles < 0 or reviews < 0:
        raise InputError(f"{cycles} cycles and {reviews} reviews must not be negative")
    n = cycles + reviews
    if not cycles:
        why = "no change was accepted: there was nothing to oversee"
        return cannot("oversight_ratio", why, unit="reviews/cycle", method=_METHOD, level=coverage, n=n)
    share = clopper_pearson(reviews, n, level=coverage)
    low, high = float(share.low or 0.0), float(share.high or 0.0)
    return Measurement(
        name="oversight_ratio",
        estimate=reviews / cycles,
        low=low / (1 - low),
        high=high / (1 - high) if high < 1 else None,
        level=coverage,
        unit="reviews/cycle",
        method=_METHOD,
        n=n,
        why="no review was recorded" if not reviews else "",
    )
