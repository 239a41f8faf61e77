"""Intervals for a ratio of two means, where the denominator may be near zero."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from subcritical.errors import InputError
from subcritical.stats.intervals import Interval

BOOTSTRAP_DRAWS_MAX = 100_000


def _pairs(numerator: Sequence[float], denominator: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    top = np.asarray(numerator, dtype=np.float64)
    bottom = np.asarray(denominator, dtype=np.float64)
    if top.ndim != 1 or top.shape != bottom.shape:
        raise InputError(f"paired values must have one length, not {top.shape} and {bottom.shape}")
    if not (np.isfinite(top).all() and np.isfinite(bottom).all()):
        raise InputError("paired values must be finite")
    return top, bottom


def fieller_from_moments(
    means: tuple[float, float], variances: tuple[float, float], covariance: float, *, quantile: float
) -> Interval | None:
    """Fieller's set for mean[0]/mean[1] from the moments of the two *means*.

    Args:
        means: Estimates of numerator and denominator, same unit.
        variances: Of the two estimates, >= 0.
        covariance: Between the two estimates.
        quantile: Two-sided quantile of the pivot (normal or t), > 0.

    Returns:
        The interval; a half line where the denominator may be zero (only the branch with a
        denominator of the estimated sign is kept); None where the whole line is compatible.

    Source: Fieller 1954, JRSS B 16:175.
    """
    top, bottom = means
    q2 = quantile * quantile
    a = bottom * bottom - q2 * variances[1]
    b = top * bottom - q2 * covariance
    c = top * top - q2 * variances[0]
    discriminant = b * b - a * c
    if discriminant < 0.0:  # a < 0 here, always: every ratio is compatible
        return None
    root = math.sqrt(discriminant)
    if a > 0.0:
        return Interval((b - root) / a, (b + root) / a)
    if a == 0.0:
        # One end has just run off to infinity.
        limit = c / (2 * b) if b != 0.0 else None
        return None if limit is None else Interval(limit, None) if b > 0 else Interval(None, limit)
    lower_root, upper_root = sorted(((b - root) / a, (b + root) / a))
    # The set is (-inf, lower_root] and [upper_root, inf): keep the branch with the estimate.
    estimate = top / bottom if bottom != 0.0 else math.inf
    return Interval(upper_root, None) if estimate >= upper_root else Interval(None, lower_root)


def fieller_ratio(numerator: Sequence[float], denominator: Sequence[float], *, level: float = 0.95) -> Interval | None:
    """Fieller interval of mean(numerator)/mean(denominator) over paired values.

    Args:
        numerator: n >= 3 values.
        denominator: The paired n values, same unit.
        level: Two-sided coverage, in (0, 1).

    Returns:
        See `fieller_from_moments`.

    Raises:
        InputError: Fewer than 3 pairs, unequal lengths, or a value is not finite.

    Source: Fieller 1954; exact under joint normality of the pairs, t with n - 1 degrees of freedom.
    """
    top, bottom = _pairs(numerator, denominator)
    n = top.size
    if n < 3:  # noqa: PLR2004  # a variance and a covariance need them
        raise InputError(f"a ratio interval needs at least 3 pairs, not {n}")
    cov = np.cov(top, bottom) / n
    quantile = float(special.stdtrit(n - 1, 0.5 + level / 2))
    return fieller_from_moments(
        (float(top.mean()), float(bottom.mean())),
        (float(cov[0, 0]), float(cov[1, 1])),
        float(cov[0, 1]),
        quantile=quantile,
    )


def bootstrap_ratio(
    numerator: Sequence[float], denominator: Sequence[float], *, level: float = 0.95, draws: int = 4000, seed: int = 1
) -> Interval | None:
    """Expanded percentile bootstrap over pairs of mean(numerator)/mean(denominator).

    Plain percentiles of n resampled pairs are too narrow by about the root of (n - 1)/n and by z instead of t; the
    tails are taken further out by both (Hesterberg 2015).

    Args:
        numerator: n >= 3 values.
        denominator: The paired n values.
        level: Two-sided coverage, in (0, 1).
        draws: Resamples, 100 to 100,000.
        seed: Of the resampling; the same seed gives the same interval.

    Returns:
        Interval; unbounded above where more than the tail share of resamples has a denominator
        at or below zero; None where half of them have.

    Raises:
        InputError: Fewer than 3 pairs, unequal lengths, non-finite values or draws out of range.

    Source: Efron 1979; Hesterberg 2015, The American Statistician 69:371, section 5.2. Measured coverage of 95 %
    at n = 8: docs/measures/k.md.
    """
    top, bottom = _pairs(numerator, denominator)
    if top.size < 3:  # noqa: PLR2004
        raise InputError(f"a ratio interval needs at least 3 pairs, not {top.size}")
    if not 100 <= draws <= BOOTSTRAP_DRAWS_MAX:  # noqa: PLR2004
        raise InputError(f"draws {draws} must lie in [100, {BOOTSTRAP_DRAWS_MAX}]")
    rng = np.random.default_rng(seed)
    index = rng.integers(0, top.size, size=(draws, top.size))
    tops, bottoms = top[index].mean(axis=1), bottom[index].mean(axis=1)
    degenerate = float(np.mean(bottoms <= 0.0))
    if degenerate >= 0.5:  # noqa: PLR2004
        return None
    ratios = np.where(bottoms > 0.0, tops / np.where(bottoms > 0.0, bottoms, 1.0), math.inf)
    t = float(special.stdtrit(top.size - 1, 0.5 + level / 2))
    tail = float(special.ndtr(-t * math.sqrt(top.size / (top.size - 1))))
    low, high = (float(v) for v in np.quantile(ratios, [tail, 1 - tail], method="closest_observation"))
    return Interval(low if math.isfinite(low) else None, high if math.isfinite(high) else None)
