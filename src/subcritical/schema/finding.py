"""Findings: what a detector says, with its evidence."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class Severity(StrEnum):
    """How much it matters. Only `high` and above may pause a run."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info to 4 for critical."""
        return list(Severity).index(self)

    @property
    def may_pause(self) -> bool:
        """Whether a finding of this severity may pause a run."""
        return self.rank >= Severity.HIGH.rank


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """An exact range of events, both ends included, and what to look at in it."""

    first_seq: int
    last_seq: int
    note: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True, tag="finding", tag_field="record"):
    """A detector's statement.

    `technique` is an id of the taxonomy (`RSI-T0300`) or None for score measures and `blind`.
    `confidence` is in [0, 1]. `change` is set where an artifact changed. `facts` are the numbers
    behind the statement, so that a reader can check it. The pipeline fills `id`, `seq`, `time_ns`
    and `run`; a detector leaves them at their defaults.
    """

    detector: str
    version: int
    severity: Severity
    confidence: float
    title: str
    why: str
    evidence: tuple[Evidence, ...]
    technique: str | None = None
    change: Literal["authorised", "explained", "neither"] | None = None
    generation: int = 0
    facts: dict[str, float | int | str | bool | None] = {}
    id: str = ""
    seq: int = 0
    time_ns: int = 0
    run: str = ""
