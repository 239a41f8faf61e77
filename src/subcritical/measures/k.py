"""The multiplication factor k: how much more the improver of this generation gains than the one before.

Causal: both improvers start from the same states with the same budget, so headroom and luck of the
start cancel. The ratio of successive gains of one run does not do that; see `gain_ratio`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from subcritical.measures._score import cannot, check_level
from subcritical.schema import Measurement
from subcritical.stats import bootstrap_ratio, fieller_ratio

STARTS_MIN = 6
STARTS_MAX = 10_000
Method = Literal["fieller", "bootstrap"]
_METHODS = {
    "fieller": "ratio of mean gains from paired starts, Fieller 1954",
    "bootstrap": "ratio of mean gains from paired starts, expanded percentile bootstrap over starts",
}


def k(
    gains: Sequence[float],
    gains_before: Sequence[float],
    *,
    level: float = 0.95,
    method: Method = "fieller",
    generation: int = 0,
    seed: int = 1,
) -> Measurement:
    """Causal multiplication factor from paired starts.

    Args:
        gains: Held-out gain of the improver of generation g from each start, equal budgets.
        gains_before: Gain of the improver of generation g - 1 from the *same* starts, in order.
        level: Two-sided coverage, in (0, 1).
        method: `fieller` (exact under normality, can be a half line) or `bootstrap` (seeded).
        generation: g, recorded in the measurement.
        seed: Of the bootstrap.

    Returns:
        `k`, a factor. An unbounded end means that the older improver's gain may be zero. None with
        the reason where fewer than six starts are given, a gain is not finite, the older improver
        gains nothing on average, or every value is compatible.

    Raises:
        InputError: The two sequences differ in length, or `level` is out of range.

    k depends on the budget and on how poor the starts are: print both beside it. One start's
    standard deviation is about the gain itself, hence the minimum of six.
    """
    check_level(level)
    words = _METHODS[method]
    n = len(gains)
    why = _unusable(gains, gains_before)
    if why:
        return cannot("k", why, unit="factor", method=words, level=level, n=n)
    estimate = math.fsum(gains) / math.fsum(gains_before)
    if method == "fieller":
        interval = fieller_ratio(gains, gains_before, level=level)
    else:
        interval = bootstrap_ratio(gains, gains_before, level=level, seed=seed)
    if interval is None:
        why = "the older improver's gain cannot be told from zero: every k is compatible"
        return cannot("k", why, unit="factor", method=words, level=level, n=n)
    return Measurement(
        name="k",
        estimate=estimate,
        low=interval.low,
        high=interval.high,
        level=level,
        unit="factor",
        method=words,
        n=n,
        why="" if interval.low is not None and interval.high is not None else "unbounded: the older gain may be zero",
        generation=generation,
    )


def _unusable(gains: Sequence[float], gains_before: Sequence[float]) -> str:
    n = len(gains)
    if n < STARTS_MIN or len(gains_before) < STARTS_MIN:
        return f"{min(n, len(gains_before))} paired starts, at least {STARTS_MIN} are needed"
    if n > STARTS_MAX:
        return f"{n} paired starts, at most {STARTS_MAX} are read"
    if not all(math.isfinite(g) for g in (*gains, *gains_before)):
        return "a gain is not finite"
    if len(gains_before) == n and math.fsum(gains_before) <= 0:
        return "the older improver gains nothing on average: there is nothing to multiply"
    return ""


def no_k(why: str, *, level: float = 0.95) -> Measurement:
    """`k` of a system whose improver has no versions, or was not run from common starts.

    Args:
        why: The reason, for people.
        level: Recorded only.
    """
    return cannot("k", why, unit="factor", method=_METHODS["fieller"], level=level)
