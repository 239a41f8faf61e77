"""Where a run ends, how it goes, and how it ended."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["finished", "tripped", "stopped", "failed"]


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Where the run ends: generations, public evaluations, and seconds (paused time not counted).

    `approvals_s` is how long a proposal waits for people; that time is not counted either.
    """

    generations: int
    evaluations: int
    wall_s: float
    approvals_s: float = 3600.0


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the run stands after a generation, for whoever shows it."""

    generation: int
    of: int
    accepted: int
    public: float | None
    verdict: str
    findings: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended. `why` is one sentence."""

    status: Status
    why: str
    generations: int
    accepted: int
