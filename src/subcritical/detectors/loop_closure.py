"""Score, change of itself, score again: how often that circle was closed, how fast, and whether people kept up."""

from __future__ import annotations

from statistics import median
from typing import Any, ClassVar

import msgspec

from subcritical.detectors._stream import PerRun, worth_saying
from subcritical.detectors.protocol import DetectorSettings, Maturity
from subcritical.schema import Approval, ArtifactChange, Event, Finding, Proposal, Review, Score, Severity
from subcritical.stats import rank_sum_smaller, spending

_SECOND = 1_000_000_000
_TIMES_MAX = 64
_FIRST_LOOK = 16


class LoopSettings(DetectorSettings, frozen=True, kw_only=True):
    """`alpha`: chance, in (0, 0.5), that a whole run whose cycles do not change is said to speed up."""

    alpha: float = 0.05


class LoopState(msgspec.Struct):
    """Per run: where in the circle it is, when cycles closed, and when people looked."""

    scored: bool = False
    changed: bool = False
    cycles: int = 0
    since_review: int = 0
    began_seq: int = 0
    closed_ns: int = 0
    periods: list[float] = []
    review_ns: int = 0
    review_gaps: list[float] = []
    looks: int = 0
    seen: int = 0


class LoopClosure(PerRun[LoopState, LoopSettings]):
    """Counts closed cycles and measures the oversight ratio: time of a cycle over time between recorded reviews.

    The count is `low`: a declared loop does just this. Cycles that became faster while nobody looked since the last
    review are `medium`: the earlier half of the remembered cycle times against the later half, by the exact rank sum
    test (Mann and Whitney 1947), looked at whenever the number of cycles has doubled; the looks share `alpha`.
    """

    id = "loop_closure"
    maturity: ClassVar[Maturity] = "trial"
    techniques = ("RSI-T0900",)
    docs = "detectors/loop_closure.md"
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
            state.review_ns, state.since_review = event.time_ns, 0
        elif _changes(data):
            state.changed = state.scored
        elif isinstance(data, Score):
            state.seen += 1
            closed = state.scored and state.changed
            state.scored, state.changed = True, False
            if not state.began_seq:
                state.began_seq = event.seq
            if closed:
                return self._closed(state, event)
        return []

    def _closed(self, state: LoopState, event: Event) -> list[Finding]:
        state.cycles += 1
        state.since_review += 1
        # Unknown times are 0, and time that runs backwards says nothing about a period.
        if state.closed_ns and event.time_ns > state.closed_ns:
            _keep(state.periods, (event.time_ns - state.closed_ns) / _SECOND)
        state.closed_ns = event.time_ns
        if not worth_saying(state.cycles):
            return []
        return [self._say(state, event, p=self._faster(state))]

    def _faster(self, state: LoopState) -> float | None:
        """The p value of 'cycles became faster' where this look finds it, else None."""
        if len(state.periods) < _FIRST_LOOK - 1 or state.cycles < _FIRST_LOOK:
            return None
        state.looks += 1
        half = len(state.periods) // 2
        p = rank_sum_smaller(state.periods[-half:], state.periods[:half])
        return p if p <= spending(self.settings.alpha, state.looks) else None

    def _say(self, state: LoopState, event: Event, *, p: float | None) -> Finding:
        period = median(state.periods) if state.periods else None
        between = median(state.review_gaps) if state.review_gaps else None
        ratio = period / between if period is not None and between else None
        urgent = p is not None and state.since_review > 1
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
                "period_s": period,
                "between_reviews_s": between,
                "oversight_ratio": ratio,
                "faster_p": p,
            },
        )


def _changes(data: object) -> bool:
    """Whether the system changed itself: applied, or proposed and accepted as a version."""
    if isinstance(data, Approval):
        return data.verdict == "accepted"
    return isinstance(data, ArtifactChange | Proposal)


def _keep(values: list[float], value: float) -> None:
    values.append(value)
    del values[:-_TIMES_MAX]
