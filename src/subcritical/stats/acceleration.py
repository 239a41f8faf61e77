"""Has progress sped up? A hinge with an unknown break, tested as what it is: the best of many.

The ratio of two slopes at a break chosen afterwards is large by chance in 4 to 46 % of straight histories, and
in all of them when looked at again with every new model. sup-F asks how often chance gives a hinge that good.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from subcritical.errors import InputError
from subcritical.stats.intervals import Interval
from subcritical.stats.ratio import fieller_from_moments

Floats = NDArray[np.float64]
POINTS_MIN = 8
POINTS_MAX = 5_000
EDGE = 3
BREAKS = 8
_FLAT = 1e-9
"""A hinge this close to a line is one."""

THRESHOLD = 3.3
"""z of the sequential form: calibrated for 5 % false alarms in three years, see docs/measures/acceleration.md."""


class Hinge(NamedTuple):
    """Best single break of a line.

    statistic: sup-F; p: by parametric bootstrap of the straight line. at: the break, in the unit of t.
    before, after: slopes. ratio: after / before, with an interval *given the break*; None where the slope
    before may be zero.
    """

    statistic: float
    p: float
    at: float
    before: float
    after: float
    ratio: float | None
    interval: Interval | None


def _lines(t: Floats) -> tuple[Floats, Floats, Floats]:
    """Orthonormal basis of lines, the breaks, and the hinges with their line parts taken out, unit length."""
    plain = np.stack([np.ones_like(t), t - t.mean()], axis=1)
    basis, _ = np.linalg.qr(plain)
    breaks = np.unique(t[EDGE - 1 : t.size - EDGE + 1])
    hinges = np.maximum(0.0, t[:, None] - breaks[None, :])
    hinges = hinges - basis @ (basis.T @ hinges)
    length = np.sqrt((hinges**2).sum(axis=0))
    usable = length > _FLAT * float(np.ptp(t))
    return basis, breaks[usable], hinges[:, usable] / length[usable]


def _statistics(basis: Floats, hinges: Floats, y: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """sup-F of each row of y, shape (rows, n), and which break gave it."""
    residual = y - (y @ basis) @ basis.T
    whole = (residual**2).sum(axis=1)
    explained = (residual @ hinges) ** 2
    best = explained.argmax(axis=1)
    gained = explained[np.arange(y.shape[0]), best]
    left = np.maximum(whole - gained, 1e-300)
    return gained / (left / (y.shape[1] - 4)), best


def hinge(t: Floats, y: Floats, *, draws: int = 1000, seed: int = 1, level: float = 0.95) -> Hinge:
    """sup-F test of one change of slope at an unknown time.

    Args:
        t: Shape (n,), times, not decreasing, n >= 8.
        y: Shape (n,), values on a scale where steady progress is a line (log2 of a horizon, logits).
        draws: Bootstrap draws, >= 100.
        seed: Of the bootstrap.
        level: Of the ratio's interval.

    Raises:
        InputError: Too few points or unusable values.

    Source: Andrews 1993, Econometrica 61:821 (sup-F); Hansen 1996 (simulated p values). Cost: O(draws x n^2).
    """
    _check(t, y)
    basis, breaks, hinges = _lines(t)
    observed, which = _statistics(basis, hinges, y[None, :])
    fitted = basis @ (basis.T @ y)
    sd = float(np.sqrt(((y - fitted) ** 2).sum() / (y.size - 2)))
    generator = np.random.default_rng(seed)
    null = generator.standard_normal((max(draws, 100), y.size)) * max(sd, 1e-12)
    simulated, _ = _statistics(basis, hinges, null)
    p = (1 + int((simulated >= observed[0]).sum())) / (1 + simulated.size)
    at = float(breaks[which[0]])
    design = np.stack([np.ones_like(t), t, np.maximum(0.0, t - at)], axis=1)
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    before, change = float(coefficients[1]), float(coefficients[2])
    ratio, interval = _ratio(design, y, coefficients, level)
    return Hinge(float(observed[0]), p, at, before, before + change, ratio, interval)


def _ratio(design: Floats, y: Floats, coefficients: Floats, level: float) -> tuple[float | None, Interval | None]:
    """(c1 + c2)/c1 by Fieller, the break taken as known."""
    free = y.size - 3
    rest = y - design @ coefficients
    covariance = np.linalg.pinv(design.T @ design) * float(rest @ rest) / free
    before, after = float(coefficients[1]), float(coefficients[1] + coefficients[2])
    v_before = float(covariance[1, 1])
    v_after = float(covariance[1, 1] + covariance[2, 2] + 2 * covariance[1, 2])
    both = float(covariance[1, 1] + covariance[1, 2])
    quantile = float(special.stdtrit(free, (1 + level) / 2))
    interval = fieller_from_moments((after, before), (v_after, v_before), both, quantile=quantile)
    return (after / before if before else None), interval


def sequential_hinge(t: Floats, y: Floats, cutoff: float, *, first: int = 3) -> Floats:
    """Largest z of an upward change of slope after `cutoff`, looked at anew with every point.

    Args:
        t: Shape (n,), times, not decreasing; at least 8 of them up to `cutoff`.
        y: Shape (n,), values.
        cutoff: Breaks are looked for after it, at eight evenly spaced times.
        first: Points after the cutoff before the first look.

    Returns:
        Shape (looks,), one z for each point from the `first` after the cutoff on. Compare with `THRESHOLD`.

    Raises:
        InputError: Too few points before the cutoff, or unusable values.

    The residual standard deviation is estimated once, before the cutoff, so an alarm later is no alarm about
    noise. Source: generalised likelihood ratio, Willsky & Jones 1976, in the form used for model releases.
    """
    _check(t, y)
    early = int((t <= cutoff).sum())
    if early < POINTS_MIN:
        raise InputError(f"{early} points up to the cutoff; at least {POINTS_MIN} are needed")
    sd = _residual_sd(t[:early], y[:early])
    found = []
    for last in range(early + first, t.size + 1):
        x, values = t[:last], y[:last]
        plain = np.stack([np.ones_like(x), x - x.mean()], axis=1)
        basis, _ = np.linalg.qr(plain)
        breaks = cutoff + (float(x[-1]) - cutoff) * np.arange(BREAKS) / BREAKS
        hinges = np.maximum(0.0, x[:, None] - breaks[None, :])
        hinges = hinges - basis @ (basis.T @ hinges)
        length = np.sqrt((hinges**2).sum(axis=0))
        usable = length > _FLAT
        found.append(float((values @ hinges[:, usable] / length[usable]).max(initial=0.0)) / sd)
    return np.array(found)


def _residual_sd(t: Floats, y: Floats) -> float:
    plain = np.stack([np.ones_like(t), t], axis=1)
    coefficients, *_ = np.linalg.lstsq(plain, y, rcond=None)
    rest = y - plain @ coefficients
    return max(float(np.sqrt(rest @ rest / (t.size - 2))), 1e-12)


def _check(t: Floats, y: Floats) -> None:
    if t.shape != y.shape or t.ndim != 1:
        raise InputError(f"times {t.shape} and values {y.shape} must be one column each, of one length")
    if not POINTS_MIN <= t.size <= POINTS_MAX:
        raise InputError(f"{t.size} points; between {POINTS_MIN} and {POINTS_MAX} are needed")
    if not (np.isfinite(t).all() and np.isfinite(y).all() and (np.diff(t) >= 0).all()):
        raise InputError("times must not decrease and all values must be finite")
    if np.unique(t).size < POINTS_MIN:
        raise InputError(f"{np.unique(t).size} different times; at least {POINTS_MIN} are needed")
