"""A person should have looked by now."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from subcritical.detectors._stream import PerRun, worth_saying
from subcritical.detectors.protocol import DetectorSettings
from subcritical.schema import Approval, Event, Finding, Review, Severity

SECOND = 1_000_000_000


class ReviewOverdueSettings(DetectorSettings, frozen=True, kw_only=True):
    """Expected review cycle: seconds, accepted versions, or both (whichever runs out first).

    `high_after` cycles without a review the finding is `high`.
    """

    cycle_s: float | None = None
    cycle_generations: int | None = None
    high_after: float = 3.0


class ReviewState(msgspec.Struct):
    """Per run: when the cycle began and what passed since."""

    begin_ns: int | None = None
    begin_seq: int = 0
    latest_ns: int = 0
    accepted: int = 0
    overdue: int = 0
    events: int = 0
    reviews: int = 0


class ReviewOverdue(PerRun[ReviewState, ReviewOverdueSettings]):
    """Counts time and accepted versions since the last recorded review, from events alone.

    It cannot speak while no event arrives; the tripwire on silence covers that.
    """

    id = "review_overdue"
    techniques = ("RSI-T0900",)
    docs = "detectors/review_overdue.md"
    Settings: ClassVar[type[ReviewOverdueSettings]] = ReviewOverdueSettings

    def new(self) -> ReviewState:
        """The first event begins the first cycle."""
        return ReviewState()

    def starved(self, state: ReviewState) -> str:
        """Without an expected cycle nothing can be overdue."""
        if self.settings.cycle_s is None and self.settings.cycle_generations is None:
            return "no review cycle is configured; reviews seen: " + str(state.reviews)
        return "" if state.events > 1 else "nothing but the end of the run was seen"

    def observe(self, state: ReviewState, event: Event) -> list[Finding]:
        """Advance by one event."""
        # Time that runs backwards (late or forged events) must not postpone a review.
        state.latest_ns = max(state.latest_ns, event.time_ns)
        state.events += 1
        if state.begin_ns is None:
            state.begin_ns, state.begin_seq = event.time_ns, event.seq
        if isinstance(event.data, Review):
            state.begin_ns, state.begin_seq = state.latest_ns, event.seq
            state.accepted = state.overdue = 0
            state.reviews += 1
            return []
        if isinstance(event.data, Approval) and event.data.verdict == "accepted":
            state.accepted += 1
        cycles = self._cycles(state)
        whole = int(min(cycles, 1e9))
        if whole <= state.overdue or cycles <= 1.0:
            return []
        news = any(worth_saying(n) for n in range(state.overdue + 1, min(whole, state.overdue + 4096) + 1))
        state.overdue = whole
        return [self._say(state, event, cycles)] if news else []

    def _cycles(self, state: ReviewState) -> float:
        """Cycles passed since the last review."""
        passed = 0.0
        if self.settings.cycle_s is not None and self.settings.cycle_s > 0 and state.begin_ns is not None:
            passed = (state.latest_ns - state.begin_ns) / SECOND / self.settings.cycle_s
        if self.settings.cycle_generations is not None and self.settings.cycle_generations > 0:
            passed = max(passed, state.accepted / self.settings.cycle_generations)
        return passed

    def _say(self, state: ReviewState, event: Event, cycles: float) -> Finding:
        seconds = (state.latest_ns - (state.begin_ns or 0)) / SECOND
        severity = Severity.HIGH if cycles >= self.settings.high_after else Severity.MEDIUM
        return self.finding(
            event,
            severity,
            "A review by a person is overdue",
            f"{cycles:.3g} review cycles have passed since the last recorded review "
            f"({seconds:.0f} s, {state.accepted} accepted versions).",
            confidence=1.0,
            technique="RSI-T0900",
            since=state.begin_seq,
            facts={"cycles": cycles, "seconds": seconds, "accepted": state.accepted, "reviews": state.reviews},
        )
