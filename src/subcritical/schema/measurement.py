"""Measurements: a number with unit, interval and method. 'Cannot tell' is an answer."""

from __future__ import annotations

import msgspec


class Measurement(msgspec.Struct, frozen=True, kw_only=True, tag="measurement", tag_field="record"):
    """A number computed from events.

    `estimate` is None where nothing can be said, and `why` says why. `low`/`high` bound it at
    `level` (two-sided, e.g. 0.95); None means unbounded on that side. `n` is what it rests on.
    """

    name: str
    estimate: float | None
    low: float | None
    high: float | None
    level: float
    unit: str
    method: str
    n: int
    why: str = ""
    generation: int = 0
    seq: int = 0
    time_ns: int = 0
    run: str = ""
