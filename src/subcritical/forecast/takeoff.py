"""A takeoff forecast: how often each compression happens, what kind of course it is, and what decides it."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from subcritical.forecast.doublings import Course, Outcome, simulate
from subcritical.forecast.draws import Draws, draw
from subcritical.forecast.model import TakeoffModel
from subcritical.stats import wilson

Floats = NDArray[np.float64]
CHUNK = 1 << 18
"""Draws in memory at once."""

FAN_DRAWS = 20_000
FAN_MONTHS = 49
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_QUANTITIES = ("speed_up", "returns", "parallelisation", "ceiling")


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A share of all draws with its Monte Carlo interval: nothing about the model being right."""

    name: str
    share: float
    low: float
    high: float


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """The first compression's share in the lowest and in the highest third of one quantity."""

    quantity: str
    lowest_third: float
    highest_third: float


class Fan(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles of doublings done at each month, from the first draws."""

    months: tuple[float, ...]
    levels: tuple[float, ...]
    doublings: tuple[tuple[float, ...], ...]
    draws: int


class Takeoff(msgspec.Struct, frozen=True, kw_only=True):
    """What a model says.

    `rising` is the share of draws with r0 > 1, and `rising_doublings` the median, among them, of how many
    doublings the pace keeps rising: X (1 - 1/r0), the answer to "what would have to be true for k to pass
    1", since in this model the pace multiplies by 2^(p (1 - 1/r)) per doubling.
    """

    sims: int
    seed: int
    compressions: tuple[Share, ...]
    outcomes: tuple[Share, ...]
    rising: float
    rising_doublings: float | None
    effects: tuple[Effect, ...]
    fan: Fan


def forecast_takeoff(model: TakeoffModel, *, sims: int, seed: int, compiled: bool | None = None) -> Takeoff:
    """Run a model.

    Args:
        model: Any; checked here.
        sims: Draws, in [1, 100,000,000].
        seed: Same seed, same answer, whatever the execution.
        compiled: See `simulate`.

    Raises:
        InputError: The model or `sims` is out of range.
    """
    model.check()
    generator = np.random.Generator(np.random.Philox(seed))
    tally = _Tally(len(model.compressions))
    fan: Fan | None = None
    for start in range(0, sims, CHUNK):
        draws = draw(model, min(CHUNK, sims - start), generator)
        course = simulate(model, draws, keep=FAN_DRAWS if fan is None else 0, compiled=compiled)
        tally.add(draws, course)
        fan = fan or _fan(model, draws, course)
    if fan is None:
        raise AssertionError("sims >= 1 was checked by draw")
    return tally.answer(model, sims=sims, seed=seed, fan=fan)


class _Tally:
    """Counts over chunks; thirds of a quantity are taken within each chunk."""

    def __init__(self, compressions: int) -> None:
        self._hits = np.zeros(compressions, dtype=np.int64)
        self._outcomes = np.zeros(len(Outcome), dtype=np.int64)
        self._rising = 0
        self._lengths: list[float] = []
        self._thirds = np.zeros((len(_QUANTITIES), 2, 2))

    def add(self, draws: Draws, course: Course) -> None:
        self._hits += course.hits.sum(axis=0)
        self._outcomes += np.bincount(course.outcomes(), minlength=len(Outcome))
        rising = draws.returns > 1
        self._rising += int(rising.sum())
        if rising.any():
            self._lengths.append(float(np.median(draws.ceiling[rising] * (1 - 1 / draws.returns[rising]))))
        if not course.hits.shape[1]:
            return
        first = course.hits[:, 0]
        for row, column in enumerate(draws):
            low, high = np.quantile(column, (1 / 3, 2 / 3))
            for side, chosen in enumerate((column <= low, column >= high)):
                self._thirds[row, side] += (float(first[chosen].sum()), float(chosen.sum()))

    def answer(self, model: TakeoffModel, *, sims: int, seed: int, fan: Fan) -> Takeoff:
        names = [compression_name(model, index) for index in range(len(model.compressions))]
        shares = self._thirds[:, :, 0] / np.maximum(self._thirds[:, :, 1], 1.0)
        return Takeoff(
            sims=sims,
            seed=seed,
            compressions=tuple(_share(name, int(hits), sims) for name, hits in zip(names, self._hits, strict=True)),
            outcomes=tuple(_share(one.name.lower(), int(self._outcomes[one]), sims) for one in Outcome),
            rising=self._rising / sims,
            rising_doublings=float(np.median(self._lengths)) if self._lengths else None,
            effects=tuple(
                Effect(quantity=name, lowest_third=float(shares[row, 0]), highest_third=float(shares[row, 1]))
                for row, name in enumerate(_QUANTITIES)
            ),
            fan=fan,
        )


def compression_name(model: TakeoffModel, index: int) -> str:
    """In words, with the doublings that are counted."""
    one = model.compressions[index]
    return f"at least {one.years:g} years in {one.months:g} months ({model.doublings(one)} doublings)"


def _share(name: str, count: int, n: int) -> Share:
    interval = wilson(count, n)
    return Share(name=name, share=count / n, low=float(interval.low or 0.0), high=float(interval.high or 0.0))


def _fan(model: TakeoffModel, draws: Draws, course: Course) -> Fan:
    months = np.linspace(0.0, model.horizon_months, FAN_MONTHS)
    times = course.times
    # A course that reached the ceiling, or used up r, stays where it is.
    done = np.stack([np.searchsorted(row, months, side="right") - 1 for row in times], axis=0)
    done = np.minimum(done, course.doublings[: times.shape[0], None])
    quantiles = np.quantile(done, LEVELS, axis=0)
    return Fan(
        months=tuple(float(month) for month in months),
        levels=LEVELS,
        doublings=tuple(tuple(float(value) for value in row) for row in quantiles),
        draws=int(min(FAN_DRAWS, draws.returns.size)),
    )
