"""Local linear trend with unknown variances: a grid of them, weighted by likelihood, instead of one guess.

Level and slope drift as a continuous-time integrated random walk, so rounds need not be evenly spaced. The
uncertainty about the variances stays in the answer: a plugged-in estimate makes intervals too narrow.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from subcritical.errors import InputError
from subcritical.stats.intervals import Interval

Floats = NDArray[np.float64]
POINTS_MIN = 5
POINTS_MAX = 100_000
_KNOWN = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Factors on known variances: nobody's standard errors hold everything."""

_UNKNOWN = (0.05, 0.15, 0.4, 0.8, 1.2, 2.0)
"""Shares of the innovation variance of a plain random walk that noise may be, where noise is not known."""

_LEVEL = (0.0, 0.02, 0.1, 0.4, 1.0)
_SLOPE = (0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0)
_NO_DRIFT = 0.4
"""Prior share of 'this variance is zero': without it a steady history would get an interval five times too wide."""

_DIFFUSE = 1e4


class Trend(NamedTuple):
    """Posterior of the last level and slope: a mixture over the grid, columns of shape (grid,).

    level, slope in the unit of y and per unit of time; p00, p01, p11 their covariance; noise the variance
    factor or variance of an observation; q_level, q_slope drifts per unit of time.
    """

    weight: Floats
    level: Floats
    slope: Floats
    p00: Floats
    p01: Floats
    p11: Floats
    q_level: Floats
    q_slope: Floats

    def slope_interval(self, level: float) -> tuple[float, Interval]:
        """Posterior mean of the slope and its interval."""
        return _summary(self.weight, self.slope, self.p11, level)

    def level_interval(self, level: float) -> tuple[float, Interval]:
        """Posterior mean of the level and its interval."""
        return _summary(self.weight, self.level, self.p00, level)


def local_trend(t: Floats, y: Floats, se: Floats | None) -> Trend:
    """Fit the grid.

    Args:
        t: Shape (n,), times, strictly increasing, any unit.
        y: Shape (n,), values.
        se: Standard errors in the unit of y, > 0; None where they are not known.

    Raises:
        InputError: Fewer than five points, shapes differ, times do not increase, or a value is not finite.

    Source: Durbin & Koopman 2012, chapters 2-4. Cost: O(n x 180).
    """
    _check(t, y, se)
    dt = np.diff(t)
    mean_dt = float(dt.mean())
    spread = float(np.var(np.diff(y) / np.sqrt(dt / mean_dt)))
    reference = spread if spread > 0 else max(float(np.mean(se**2)) if se is not None else 0.0, 1e-12)
    factors = _KNOWN if se is not None else _UNKNOWN
    grid = np.array(list(itertools.product(factors, _LEVEL, _SLOPE)))
    noise = grid[:, 0] if se is not None else grid[:, 0] * reference
    base = se**2 if se is not None else np.ones_like(y)
    q_level = grid[:, 1] * reference / mean_dt
    # One unit of slope drift over the whole history bends it as far as one reference step per round would.
    q_slope = grid[:, 2] * reference / mean_dt**3
    prior = _prior(grid[:, 1], len(_LEVEL)) + _prior(grid[:, 2], len(_SLOPE))
    return _filter(t, y, base, noise, q_level, q_slope, prior)


def _prior(drift: Floats, values: int) -> Floats:
    """Log prior of one drift: a lump at zero, the rest spread evenly over the grid."""
    return np.log(np.where(drift == 0.0, _NO_DRIFT, (1 - _NO_DRIFT) / (values - 1)))


def _check(t: Floats, y: Floats, se: Floats | None) -> None:
    if t.shape != y.shape or t.ndim != 1 or (se is not None and se.shape != t.shape):
        raise InputError(f"times {t.shape} and values {y.shape} must be one column each, of one length")
    if not POINTS_MIN <= t.size <= POINTS_MAX:
        raise InputError(f"{t.size} points; between {POINTS_MIN} and {POINTS_MAX} are needed")
    if not (np.isfinite(t).all() and np.isfinite(y).all() and (np.diff(t) > 0).all()):
        raise InputError("times must increase and all values must be finite")
    if se is not None and not (np.isfinite(se).all() and (se > 0).all()):
        raise InputError("standard errors must be finite and positive")


def _filter(
    t: Floats, y: Floats, base: Floats, noise: Floats, q_level: Floats, q_slope: Floats, prior: Floats
) -> Trend:
    """Kalman filter of every grid point at once; diffuse start, whose two first terms leave the likelihood."""
    size = noise.size
    scale = float(np.var(y)) + float((noise * base.mean()).mean())
    span = float(t[-1] - t[0])
    level, slope = np.full(size, y[0]), np.zeros(size)
    p00 = np.full(size, _DIFFUSE * scale)
    p01 = np.zeros(size)
    p11 = np.full(size, _DIFFUSE * scale / (span / t.size) ** 2)
    log_likelihood = prior.copy()
    for index in range(y.size):
        if index:
            d = float(t[index] - t[index - 1])
            level = level + d * slope
            p00 = p00 + 2 * d * p01 + d * d * p11 + q_level * d + q_slope * d**3 / 3
            p01 = p01 + d * p11 + q_slope * d * d / 2
            p11 = p11 + q_slope * d
        variance = p00 + noise * base[index]
        gap = y[index] - level
        if index >= 2:  # noqa: PLR2004 - level and slope are diffuse before
            log_likelihood -= 0.5 * (np.log(variance) + gap * gap / variance)
        k0, k1 = p00 / variance, p01 / variance
        level, slope = level + k0 * gap, slope + k1 * gap
        p11 = p11 - k1 * p01
        p01 = p01 * (1 - k0)
        p00 = p00 * (1 - k0)
    weight = np.exp(log_likelihood - log_likelihood.max())
    return Trend(weight / weight.sum(), level, slope, p00, p01, np.maximum(p11, 0.0), q_level, q_slope)


def _summary(weight: Floats, mean: Floats, variance: Floats, level: float) -> tuple[float, Interval]:
    if not 0.0 < level < 1.0:
        raise InputError(f"level {level} must lie in (0, 1)")
    sd = np.sqrt(np.maximum(variance, 1e-300))
    ends = [_quantile(weight, mean, sd, share) for share in ((1 - level) / 2, (1 + level) / 2)]
    return float(weight @ mean), Interval(*ends)


def _quantile(weight: Floats, mean: Floats, sd: Floats, share: float) -> float:
    low, high = float((mean - 12 * sd).min()), float((mean + 12 * sd).max())
    for _ in range(80):
        middle = (low + high) / 2
        below = float(weight @ special.ndtr((middle - mean) / sd))
        low, high = (middle, high) if below < share else (low, middle)
    return (low + high) / 2


def time_to_level(
    trend: Trend, threshold: float, *, step: float, steps: int, paths: int = 4000, seed: int = 1
) -> Floats:
    """Simulated times from now until the level first reaches a threshold; infinity where it does not within reach.

    Args:
        trend: From `local_trend`.
        threshold: In the unit of y.
        step: Time between two looks, > 0.
        steps: Looks, in [1, 100,000].
        paths: Simulations.
        seed: Of the simulation.

    Returns:
        Shape (paths,), sorted.
    """
    if not (step > 0 and 1 <= steps <= POINTS_MAX and paths > 0):
        raise InputError(f"step {step}, steps {steps} and paths {paths} must be positive")
    generator = np.random.default_rng(seed)
    chosen = generator.choice(trend.weight.size, size=paths, p=trend.weight)
    normal = generator.standard_normal((2, paths))
    root = np.sqrt(np.maximum(trend.p11, 0.0))[chosen]
    slope = trend.slope[chosen] + root * normal[0]
    # The level given the slope, so that the two keep their correlation.
    share = np.where(trend.p11 > 0, trend.p01 / np.where(trend.p11 > 0, trend.p11, 1.0), 0.0)[chosen]
    rest = np.maximum(trend.p00[chosen] - share**2 * trend.p11[chosen], 0.0)
    level = trend.level[chosen] + share * (slope - trend.slope[chosen]) + np.sqrt(rest) * normal[1]
    q_level, q_slope = trend.q_level[chosen], trend.q_slope[chosen]
    reached = np.where(level >= threshold, 0.0, math.inf)
    for look in range(1, steps + 1):
        bend = np.sqrt(q_slope * step) * generator.standard_normal(paths)
        rise = step * (slope + bend / 2) + np.sqrt(q_level * step) * generator.standard_normal(paths)
        level, slope = level + rise, slope + bend
        now = np.isinf(reached) & (level >= threshold)
        # Within a step the level is taken as rising evenly: no crossing is put off to the step's end.
        late = np.where(now, (level - threshold) / np.where(now, rise, 1.0), 0.0)
        reached = np.where(now, (look - late.clip(0.0, 1.0)) * step, reached)
        if np.isfinite(reached).all():
            break
    return np.sort(reached)
