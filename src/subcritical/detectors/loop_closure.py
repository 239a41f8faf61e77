"""Score, change of itself, score again: how often that circle was closed, how fast, and whether people kept up."""

from __future__ import annotations

from statistics import median
from typing import Any, ClassVar

import msgspec

from subcritical.detectors._stream import PerRun, reads, worth_saying
from subcritical.detectors.protocol import DetectorSettings, Maturity
from subcritical.schema import Approval, ArtifactChange, Event, Finding, Proposal, Review, Score, Severity
from subcritical.stats import OrderBets

_SECOND = 1_000_000_000
_TIMES_MAX = 64


class LoopSettings(DetectorSettings, frozen=True, kw_only=True):
    """When a loop is said to speed up unwatched.

    Attributes:
        alpha: Chance, in (0, 0.5), that a whole run whose cycles do not change is said to speed up.
        unreviewed: Closed cycles of which a change was kept that people may leave unseen, 0 or more.
    """

    alpha: float = 0.05
    unreviewed: int = 3


class LoopState(msgspec.Struct):
    """Per run: where in the circle it is, when cycles closed, and when people looked.

    `kept`: a change since the last score stays. `verdicts`: the run says which of its proposals do.
    """

    scored: bool = False
    changed: bool = False
    kept: bool = False
    verdicts: bool = False
    cycles: int = 0
    since_review: int = 0
    kept_since_review: int = 0
    warned: bool = False
    began_seq: int = 0
    closed_ns: int = 0
    periods: list[float] = []
    review_ns: int = 0
    review_gaps: list[float] = []
    bets: OrderBets = msgspec.field(default_factory=OrderBets)
    seen: int = 0


class LoopClosure(PerRun[LoopState, LoopSettings]):
    """Counts closed cycles and measures the oversight ratio: time of a cycle over time between recorded reviews.

    The count is `low`: a declared loop does just this. Cycles that become faster, of which people left more than
    `unreviewed` unseen that changed the system, are `medium`: bets on the ranks of the cycle times (see `OrderBets`)
    whose capital has passed 1/`alpha`. It is said once between two reviews, and with the count.
    """

    id = "loop_closure"
    version = 2
    maturity: ClassVar[Maturity] = "sandbox"
    techniques = ("RSI-T0900",)
    docs = "detectors/loop_closure.md"
    kinds = reads(Review, Approval, ArtifactChange, Proposal, Score)
    Settings: ClassVar[Any] = LoopSettings

    def new(self) -> LoopState:
        """Nothing scored, nothing changed."""
        return LoopState()

    def starved(self, state: LoopState) -> str:
        """Without scores there is no circle to close."""
        return "" if state.seen else "no score was seen"

    def observe(self, state: LoopState, event: Event) -> list[Finding]:
        """Advance by one event."""
        data = event.data
        if isinstance(data, Review):
            if state.review_ns and event.time_ns > state.review_ns:
                _keep(state.review_gaps, (event.time_ns - state.review_ns) / _SECOND)
            state.review_ns, state.since_review, state.kept_since_review, state.warned = event.time_ns, 0, 0, False
        elif isinstance(data, Approval | ArtifactChange | Proposal):
            _change(state, data)
        elif isinstance(data, Score):
            state.seen += 1
            closed, kept = state.scored and state.changed, state.kept
            state.scored, state.changed, state.kept = True, False, False
            if not state.began_seq:
                state.began_seq = event.seq
            if closed:
                return self._closed(state, event, kept=kept)
        return []

    def _closed(self, state: LoopState, event: Event, *, kept: bool) -> list[Finding]:
        state.cycles += 1
        state.since_review += 1
        state.kept_since_review += kept
        # Unknown times are 0, and time that runs backwards says nothing about a period.
        if state.closed_ns and event.time_ns > state.closed_ns:
            period = (event.time_ns - state.closed_ns) / _SECOND
            _keep(state.periods, period)
            state.bets.see(period)
        state.closed_ns = event.time_ns
        p = state.bets.p if state.bets.p <= self.settings.alpha else None
        urgent = p is not None and state.kept_since_review > self.settings.unreviewed
        news = urgent and not state.warned
        state.warned = state.warned or urgent
        return [self._say(state, event, p, urgent=urgent)] if news or worth_saying(state.cycles) else []

    def _say(self, state: LoopState, event: Event, p: float | None, *, urgent: bool) -> Finding:
        period = median(state.periods) if state.periods else None
        between = median(state.review_gaps) if state.review_gaps else None
        ratio = period / between if period is not None and between else None
        said = [f"{state.cycles} cycles of score, change, score closed, {state.since_review} since the last review."]
        said += [f"A cycle takes {period:.3g} s (median)."] if period is not None else ["Cycle times are unknown."]
        said += [f"Reviews are {between:.3g} s apart: oversight ratio {ratio:.3g}."] if ratio is not None else []
        said += [f"Later cycles are faster than earlier ones (p {p:.2g})."] if p is not None else []
        return self.finding(
            event,
            Severity.MEDIUM if urgent else Severity.LOW,
            "The improvement loop speeds up, and nobody looked" if urgent else "An improvement loop closes",
            " ".join(said),
            confidence=1.0 if p is None else 1.0 - p,
            technique="RSI-T0900",
            since=state.began_seq,
            facts={
                "cycles": state.cycles,
                "since_review": state.since_review,
                "kept_since_review": state.kept_since_review,
                "period_s": period,
                "between_reviews_s": between,
                "oversight_ratio": ratio,
                "faster_p": p,
            },
        )


def _change(state: LoopState, data: Approval | ArtifactChange | Proposal) -> None:
    """A proposal is a change; one that is kept is accepted or applied, or made where nothing says what became of it."""
    if isinstance(data, Approval):
        state.verdicts = True
        if data.verdict != "accepted":
            return
    state.changed = state.scored
    state.kept = state.kept or (state.scored and not (isinstance(data, Proposal) and state.verdicts))


def _keep(values: list[float], value: float) -> None:
    values.append(value)
    del values[:-_TIMES_MAX]
