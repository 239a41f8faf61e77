"""The verdict of an evaluator, as it crosses the private descriptor."""

from __future__ import annotations

import msgspec

from subcritical.schema.event import Direction


class Metric(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number and its noise: `n` items with `successes`, or a standard error `se`."""

    value: float
    n: int | None = None
    successes: int | None = None
    se: float | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an evaluator says about one candidate on one split."""

    metrics: dict[str, Metric]
    primary: str
    direction: Direction = "up"
