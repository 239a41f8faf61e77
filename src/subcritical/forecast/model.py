"""What a takeoff model assumes: ranges of four quantities, and which of the published variants is meant.

One returns equation: with x doublings of software done, dx/dt = v and d log2 v / dx = p (1 - 1/r(x)),
r(x) = r0 (1 - x/X). The pace rises while r > 1. Source: Davidson & Houlden 2025, written anew from the
paper; where the authors' program and paper differ, both are offered and the docs say which is which.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from subcritical.errors import InputError

DOUBLINGS_MAX = 2000
"""Doublings to the ceiling that are simulated at most; a larger model is refused, not cut."""

Scale = Literal["log", "linear"]
Retraining = Literal["none", "program", "paper"]


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quantity that is uniform between two ends, on the log or the linear scale."""

    low: float
    high: float
    scale: Scale = "log"


class Ramp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The speed-up does not come at once: it grows from `start` geometrically over `months`.

    `pace` is the first pace over the recent pace; after that it follows (1 + speed-up).
    """

    start: float = 0.1
    months: float = 60.0
    pace: float = 1.1


class Compression(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many years of recent progress within so many months.

    `doublings` overrides the count that follows from years and the software share.
    """

    years: float
    months: float
    doublings: int | None = None


PUBLISHED = (
    Compression(3, 12),
    Compression(3, 4, doublings=26),
    Compression(10, 12),
    Compression(10, 4),
    Compression(3, 4),
)
"""The four published cells, and the second one as it is labelled.

The published "3 years in 4 months" counts 26 doublings (ten times the pace for four months); at a
software share of one half, three years are 24.
"""


class TakeoffModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Assumptions of a forecast; every default is the published one.

    speed_up: first pace of software progress over the recent one, factor.
    returns: r0, doublings of software for each doubling of cumulative research input.
    parallelisation: p, doublings of the pace for each doubling of parallel labour.
    ceiling_years: distance to the ceiling, years of progress at the recent rate (software and compute).
    software_share: share of recent progress that was software, in (0, 1].
    doubling_months: recent doubling time of software, months.
    horizon_months: where a simulation ends.
    retraining: part of each gain is spent on training faster; `program` and `paper` differ.
    constant_returns: r stays at r0 until the ceiling.
    ramp: a speed-up that comes gradually; None: at once.
    """

    speed_up: Range = Range(2.0, 32.0)
    returns: Range = Range(0.4, 3.6)
    parallelisation: Range = Range(0.15, 0.6)
    ceiling_years: Range = Range(6.0, 16.0, "linear")
    software_share: float = 0.5
    doubling_months: float = 3.0
    horizon_months: float = 48.0
    retraining: Retraining = "none"
    constant_returns: bool = False
    ramp: Ramp | None = None
    compressions: tuple[Compression, ...] = PUBLISHED

    @property
    def doublings_per_year(self) -> float:
        """Software doublings that one year of recent progress (software and compute) is worth."""
        return 12.0 / self.doubling_months / self.software_share

    def doublings(self, compression: Compression) -> int:
        """Software doublings of a compression, rounded down."""
        if compression.doublings is not None:
            return compression.doublings
        return math.floor(compression.years * self.doublings_per_year + 1e-9)

    def check(self) -> TakeoffModel:
        """The model itself.

        Raises:
            InputError: A value is outside its range; says which and what is allowed.
        """
        for name in ("speed_up", "returns", "parallelisation", "ceiling_years"):
            _check_range(name, getattr(self, name))
        _check_number("software_share", self.software_share, high=1.0)
        _check_number("doubling_months", self.doubling_months)
        _check_number("horizon_months", self.horizon_months)
        if self.ramp is not None:
            for name in ("start", "months", "pace"):
                _check_number(f"ramp.{name}", getattr(self.ramp, name))
        most = self.ceiling_years.high * self.doublings_per_year
        if most > DOUBLINGS_MAX:
            raise InputError(
                f"ceiling_years up to {self.ceiling_years.high:g} are {most:.0f} doublings; "
                f"at most {DOUBLINGS_MAX} are simulated: lower the ceiling or raise software_share"
            )
        for one in self.compressions:
            _check_number("compressions.years", one.years)
            _check_number("compressions.months", one.months)
            if self.doublings(one) < 1:
                raise InputError(f"compressions: {one.years:g} years are less than one doubling; give more years")
        return self


def _check_number(name: str, value: float, *, high: float = 1e6) -> None:
    if not (math.isfinite(value) and 0.0 < value <= high):
        raise InputError(f"{name} is {value:g}; it must lie in (0, {high:g}]")


def _check_range(name: str, one: Range) -> None:
    _check_number(f"{name}.low", one.low)
    _check_number(f"{name}.high", one.high)
    if one.low > one.high:
        raise InputError(f"{name}: low {one.low:g} is above high {one.high:g}; swap them")


_GRADUAL = TakeoffModel(returns=Range(0.57, 5.1), ceiling_years=Range(9.0, 19.0, "linear"), ramp=Ramp())

PRESETS = {
    "davidson-houlden-2025": TakeoffModel(),
    "davidson-houlden-2025-retraining": TakeoffModel(retraining="program"),
    "davidson-houlden-2025-retraining-paper": TakeoffModel(retraining="paper"),
    "davidson-houlden-2025-gradual": _GRADUAL,
    "davidson-houlden-2025-constant-r": TakeoffModel(constant_returns=True),
}


def preset(name: str) -> TakeoffModel:
    """A shipped model.

    Raises:
        InputError: There is none of that name.
    """
    if name not in PRESETS:
        raise InputError(f"no preset {name!r}; there are: {', '.join(PRESETS)}")
    return PRESETS[name]
