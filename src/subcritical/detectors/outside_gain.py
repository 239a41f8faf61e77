"""A best score brought by a version that no version of this run led to: a restart, or something put in from outside."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from subcritical.detectors._score import advantage, seen_of
from subcritical.detectors._stream import PerRun, reads, remember, shown
from subcritical.detectors.protocol import DetectorSettings, Maturity
from subcritical.schema import Direction, Event, Finding, Message, Proposal, Score, Severity, Split

SERIES_MAX = 8


class OutsideSettings(DetectorSettings, frozen=True, kw_only=True):
    """`after`: scores of a metric, at least 1, before which a version without parent is one of the seeds."""

    after: int = 10


class Best(msgspec.Struct):
    """Best score of a metric so far, how many there were, and where it was reached."""

    value: float
    direction: Direction
    n: int = 1
    seq: int = 0


class OutsideState(msgspec.Struct):
    """Per run: best scores, versions without a parent, and what the operators' configuration says."""

    best: dict[str, Best] = {}
    parents: bool = False
    roots: dict[str, bool] = {}
    configuration: str = ""
    changed_seq: int = 0
    scores: int = 0


class OutsideGain(PerRun[OutsideState, OutsideSettings]):
    """Judges runs whose proposals name their parents.

    A version without a parent that beats the best score of its metric after `after` scores was not made by the loop.
    Where the operators' system message changed since the best score before, the change of configuration explains it:
    `low`; otherwise nothing does: `medium`. While its maturity is `sandbox`, it cannot pause.
    """

    id = "outside_gain"
    maturity: ClassVar[Maturity] = "sandbox"
    techniques = ("RSI-T0900",)
    docs = "detectors/outside_gain.md"
    kinds = reads(Message, Proposal, Score)
    Settings: ClassVar[Any] = OutsideSettings

    def new(self) -> OutsideState:
        """Nothing scored."""
        return OutsideState()

    def starved(self, state: OutsideState) -> str:
        """Without parents nobody knows what led to a version."""
        if not state.scores:
            return "no score was seen"
        return "" if state.parents else "no proposal names the version that it was made from"

    def observe(self, state: OutsideState, event: Event) -> list[Finding]:
        """Remember configuration and parents; judge a score."""
        data = event.data
        if isinstance(data, Message) and data.source == "system":
            if state.configuration and data.text != state.configuration:
                state.changed_seq = event.seq
            state.configuration = data.text
        elif isinstance(data, Proposal):
            state.parents = state.parents or bool(data.base)
            if not data.base:
                remember(state.roots, data.proposal, value=True)
        elif isinstance(data, Score) and data.split is not Split.REPORTED:
            return self._scored(state, event, data)
        return []

    def _scored(self, state: OutsideState, event: Event, score: Score) -> list[Finding]:
        seen = seen_of(event, score)
        key = f"{score.split.value} {score.metric[:100]}"
        if seen is None or (key not in state.best and len(state.best) >= SERIES_MAX):
            return []
        state.scores += 1
        best = state.best.get(key)
        if best is None:
            state.best[key] = Best(seen.value, seen.direction, seq=event.seq)
            return []
        best.n += 1
        gain = advantage(seen.value, best.value, best.direction)
        if gain <= 0:
            return []
        outside = state.parents and best.n > self.settings.after and score.proposal in state.roots
        found = [self._say(state, event, score, best, seen.value)] if outside else []
        best.value, best.seq = seen.value, event.seq
        return found

    def _say(self, state: OutsideState, event: Event, score: Score, best: Best, value: float) -> Finding:
        explained = state.changed_seq > best.seq
        cause = (
            "The operators' configuration (system message) changed in between, which explains it."
            if explained
            else "Nothing in the record explains where it came from."
        )
        return self.finding(
            event,
            Severity.LOW if explained else Severity.MEDIUM,
            "The best score rose by a version from outside the loop",
            f"{shown(score.metric)}: best {best.value:.6g}, then {value:.6g} by a version without parent. {cause}",
            confidence=0.9,
            technique="RSI-T0900",
            change="explained" if explained else "neither",
            since=best.seq,
            facts={"before": best.value, "after": value, "scores": best.n},
        )
