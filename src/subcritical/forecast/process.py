"""A noisy generation process: log2 efficiency follows log2 cumulative work with returns r and random-walk errors.

The same returns equation as the takeoff model, calibrated on one measured loop and carried on in that loop's own
units. What it adds is the uncertainty about r, and how often r is above 1: then, *if* the loop's efficiency were all
fed back as work, each doubling would come sooner than the last.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError
from subcritical.stats import increments_ratio

Floats = NDArray[np.float64]
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
DRAWS = 10_000
AHEAD_MAX = 1000


class ProcessForecast(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles of log2 efficiency at each of the next steps of work, and what is known of r.

    `work` is the cumulative work at each step: the last one plus the median step so far, again and again.
    """

    points: int
    r: float
    r_low: float
    r_high: float
    r_above_one: float
    work: tuple[float, ...]
    levels: tuple[float, ...]
    doublings: tuple[tuple[float, ...], ...]


def simulate_process(r: float, noise: float, work: Floats, generator: np.random.Generator) -> Floats:
    """Log2 efficiency along cumulative work, starting at 0.

    Args:
        r: Doublings of efficiency per doubling of work.
        noise: Standard deviation of the error per root of a doubling of work, >= 0.
        work: Shape (n,), positive, strictly increasing.
        generator: Seeded by the caller.

    Raises:
        InputError: Work does not grow, or noise is negative.
    """
    if not (work.ndim == 1 and (work > 0).all() and (np.diff(work) > 0).all() and noise >= 0):
        raise InputError("work must be positive and grow from step to step, and noise must not be negative")
    dx = np.diff(np.log2(work))
    steps = r * dx + noise * np.sqrt(dx) * generator.standard_normal(dx.size)
    return np.concatenate([[0.0], np.cumsum(steps)])


def forecast_process(work: Floats, y: Floats, *, ahead: int = 10, seed: int = 1) -> ProcessForecast:
    """Carry a measured loop on.

    Args:
        work: Shape (n,), cumulative, positive, strictly increasing, n >= 4.
        y: Shape (n,), log2 efficiency.
        ahead: Steps, in [1, 1000].
        seed: Of the 10,000 draws.

    Returns:
        Quantiles over the posterior of r and of the noise (flat priors on r and log noise, so r is a shifted t), and
        over the noise to come.

    Raises:
        InputError: Too few points, work that does not grow, or a value out of range.
    """
    if not 1 <= ahead <= AHEAD_MAX:
        raise InputError(f"{ahead} steps ahead; give between 1 and {AHEAD_MAX}")
    if not (work > 0).all():
        raise InputError("cumulative work must be positive")
    x = np.log2(work)
    r, interval = increments_ratio(x, y)
    dx, dy = np.diff(x), np.diff(y)
    rest = (dy - r * dx) / np.sqrt(dx)
    free = dx.size - 1
    generator = np.random.default_rng(seed)
    noise = np.sqrt(float(rest @ rest) / generator.chisquare(free, DRAWS))
    drawn = r + noise / np.sqrt(float(dx.sum())) * generator.standard_normal(DRAWS)
    future = work[-1] + float(np.median(np.diff(work))) * np.arange(1, ahead + 1)
    step = np.diff(np.log2(np.concatenate([[work[-1]], future])))
    errors = generator.standard_normal((DRAWS, ahead)) * np.sqrt(step) * noise[:, None]
    course = y[-1] + np.cumsum(drawn[:, None] * step + errors, axis=1)
    return ProcessForecast(
        points=int(work.size),
        r=r,
        r_low=float(interval.low or 0.0),
        r_high=float(interval.high or 0.0),
        r_above_one=float((drawn > 1).mean()),
        work=tuple(float(one) for one in future),
        levels=LEVELS,
        doublings=tuple(tuple(float(v) for v in row) for row in np.quantile(course, LEVELS, axis=0)),
    )
