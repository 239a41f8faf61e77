"""Plain ratio of successive gains. It mixes the improver's quality with the headroom left: it is not k."""

from __future__ import annotations

from collections.abc import Sequence

from subcritical.measures._score import cannot, check_level, noisy
from subcritical.schema import Measurement, Score, Split
from subcritical.stats import fieller_from_moments, normal_quantile

VERSIONS_MIN = 3


def gain_ratio(scores: Sequence[Score], *, level: float = 0.95) -> Measurement:
    """Gain of the later half of the accepted versions over the gain of the earlier half.

    Args:
        scores: Trusted held-out scores of the seed version and of the accepted versions, in order.
        level: Two-sided coverage, in (0, 1).

    Returns:
        `gain_ratio`, a factor with Fieller's interval, possibly a half line; None with a reason
        where the interval is the whole line or there are fewer than three usable scores. The
        middle score enters both gains, which the covariance accounts for; that all versions are
        scored on the same items is *not* used, so the interval is wider than it had to be.

    Raises:
        InputError: `level` is out of range.
    """
    check_level(level)
    name, method = "gain_ratio", "ratio of held-out gains of two halves, Fieller 1954"
    usable = [p for p in (noisy(s) for s in scores if s.split is Split.HELD_OUT) if p is not None]
    if len(usable) < VERSIONS_MIN:
        why = f"{len(usable)} held-out scores with known noise, {VERSIONS_MIN} are needed"
        return cannot(name, why, unit="factor", method=method, level=level, n=len(usable))
    (s0, e0), (s1, e1), (s2, e2) = usable[0], usable[(len(usable) - 1) // 2], usable[-1]
    if s1 == s0:
        why = "no gain in the earlier half: a ratio to it has no meaning"
        return cannot(name, why, unit="factor", method=method, level=level, n=len(usable))
    interval = fieller_from_moments(
        (s2 - s1, s1 - s0),
        (e2**2 + e1**2, e1**2 + e0**2),
        -(e1**2),
        quantile=normal_quantile(0.5 + level / 2),
    )
    if interval is None:
        why = "the gain of the earlier half is within its noise: every ratio is compatible"
        return cannot(name, why, unit="factor", method=method, level=level, n=len(usable))
    return Measurement(
        name=name,
        estimate=(s2 - s1) / (s1 - s0),
        low=interval.low,
        high=interval.high,
        level=level,
        unit="factor",
        method=method,
        n=len(usable),
        why="" if interval.low is not None and interval.high is not None else "unbounded: the earlier gain may be zero",
    )
