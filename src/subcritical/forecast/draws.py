"""Draws of a model's four quantities. Each execution reads the same draws, so they can be compared one by one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError
from subcritical.forecast.model import Range, TakeoffModel

Floats = NDArray[np.float64]
SIMS_MAX = 100_000_000


class Draws(NamedTuple):
    """Columns of shape (n,): speed-up, r0, p, and doublings to the ceiling (not rounded)."""

    speed_up: Floats
    returns: Floats
    parallelisation: Floats
    ceiling: Floats

    def part(self, rows: slice) -> Draws:
        """Some of the rows."""
        return Draws(*(column[rows] for column in self))


def draw(model: TakeoffModel, n: int, generator: np.random.Generator) -> Draws:
    """`n` independent draws.

    Args:
        model: A checked model.
        n: In [1, 100,000,000].
        generator: Seeded by the caller.

    Raises:
        InputError: n is out of range.
    """
    if not 1 <= n <= SIMS_MAX:
        raise InputError(f"{n} simulations: give between 1 and {SIMS_MAX:,}")

    def column(one: Range) -> Floats:
        if one.scale == "log":
            return np.exp(generator.uniform(np.log(one.low), np.log(one.high), n))
        return generator.uniform(one.low, one.high, n)

    speed_up, returns, parallelisation = column(model.speed_up), column(model.returns), column(model.parallelisation)
    return Draws(speed_up, returns, parallelisation, column(model.ceiling_years) * model.doublings_per_year)
