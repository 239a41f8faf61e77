"""Facts a gate decides on, already verified by whoever read them: what was measured, by whom, and how it was kept."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from subcritical.policy.gate import Elicitation, Independence

Capability = Literal["indicator", "safeguard"]


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What wants autonomy: a name, the SHA-256 of its bytes, and its effective compute where known."""

    name: str
    digest: str
    effective_compute: float | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence.

    `low` and `high` bound the metric at `confidence`; None is unbounded. `passed` belongs to a safeguard.
    `in_log`, `signers` (distinct owners whose signatures held) and `independence` (the highest class of which
    enough of them are) are found out by the reader, never taken from the evidence's own words.
    """

    name: str
    predicate_type: str
    subject_digest: str
    metric: str = ""
    safeguard: str = ""
    passed: bool | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.0
    n: int = 0
    measured: str = ""
    effective_compute: float | None = None
    elicitation: Elicitation = "none"
    sandbagging_check: bool = False
    in_log: bool = False
    signers: tuple[tuple[str, Independence], ...] = ()

    def bounds(self) -> tuple[float, float]:
        """The interval; anything that is no number, or is upside down, bounds nothing."""
        low = -math.inf if self.low is None or math.isnan(self.low) else self.low
        high = math.inf if self.high is None or math.isnan(self.high) else self.high
        return (low, high) if low <= high else (-math.inf, math.inf)


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A person's verified approval of a level, and of those below it, for one subject by one gate, until a day."""

    owner: str
    gate: str
    subject_digest: str
    autonomy: int
    expires: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision rests on. `events` are names such as `critical-incident` that invalidate a gate."""

    subject: Subject
    today: str
    evidence: tuple[Evidence, ...] = ()
    approvals: tuple[Approval, ...] = ()
    events: tuple[str, ...] = ()
