"""What we promised to watch and cannot see."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from subcritical.detectors._stream import PerRun, remember, worth_saying
from subcritical.detectors.protocol import DetectorSettings
from subcritical.schema import Approval, Event, Finding, Heartbeat, Proposal, Score, Severity, Split

SECOND = 1_000_000_000
WAITING_MAX = 16


class BlindSettings(DetectorSettings, frozen=True, kw_only=True):
    """Thresholds.

    `silence_s`: longest time between two events, and between two heartbeats, that is no finding.
    `held_out_missing`: accepted versions in a row without a held-out score from which it is `high`.
    `proposals_unscored`: proposals in a row without a trusted score from which it is said.
    """

    silence_s: float = 60.0
    held_out_missing: int = 3
    proposals_unscored: int = 25
    held_out: bool = True


class BlindState(msgspec.Struct):
    """Per run: last signs of life and versions that wait for their held-out score."""

    first_ns: int | None = None
    last_ns: int = 0
    last_seq: int = 0
    beat_ns: int | None = None
    beats: int = 0
    beatless_said: bool = False
    waiting: dict[str, int] = {}
    measured: dict[str, bool] = {}
    missing: int = 0
    unscored: int = 0
    said: dict[str, int] = {}


class Blind(PerRun[BlindState, BlindSettings]):
    """Gaps in time, dropped events, missing heartbeats and missing held-out scores.

    It works on the times and numbers in events, so silence that lasts is only seen when the next
    event comes; the tripwire on silence covers the time until then.
    """

    id = "blind"
    docs = "detectors/blind.md"
    Settings: ClassVar[type[BlindSettings]] = BlindSettings

    def new(self) -> BlindState:
        """Nothing seen."""
        return BlindState()

    def starved(self, state: BlindState) -> str:
        """Only an end was seen."""
        return "" if state.beats > 1 or state.last_seq > 1 else "nothing but the end of the run was seen"

    def observe(self, state: BlindState, event: Event) -> list[Finding]:
        """Look at the time and kind of each event."""
        findings = self._order(state, event)
        data = event.data
        if isinstance(data, Heartbeat):
            findings += self._beat(state, event, data)
        elif isinstance(data, Proposal):
            findings += self._proposal(state, event)
        elif isinstance(data, Approval):
            findings += self._approval(state, event, data)
        elif isinstance(data, Score):
            findings += self._score(state, event, data)
        findings += self._heartbeats(state, event)
        return findings

    def _order(self, state: BlindState, event: Event) -> list[Finding]:
        findings: list[Finding] = []
        if state.first_ns is None:
            state.first_ns = state.last_ns = event.time_ns
        elif event.seq <= state.last_seq:
            findings += self._say(state, event, Severity.MEDIUM, "order", "Events are doubled or out of order")
        gap = (event.time_ns - state.last_ns) / SECOND
        if gap > self.settings.silence_s:
            findings += self._say(
                state, event, Severity.MEDIUM, "silence", f"No event for {gap:.1f} s", since=state.last_seq
            )
        elif gap < -1.0:
            findings += self._say(
                state, event, Severity.LOW, "time", f"Time runs backwards by {-gap:.1f} s", since=state.last_seq
            )
        state.last_ns = max(state.last_ns, event.time_ns)
        state.last_seq = max(state.last_seq, event.seq)
        return findings

    def _beat(self, state: BlindState, event: Event, data: Heartbeat) -> list[Finding]:
        state.beats += 1
        state.beat_ns = event.time_ns
        state.beatless_said = False
        findings: list[Finding] = []
        if data.dropped > 0:
            findings += self._say(
                state,
                event,
                Severity.HIGH,
                "dropped",
                f"{data.dropped} event(s) were lost before they were recorded",
            )
        if data.end:
            findings += self._overdue(state, event)
            state.waiting.clear()
        return findings

    def _heartbeats(self, state: BlindState, event: Event) -> list[Finding]:
        """Heartbeats that stopped, or never came, while other events went on."""
        since = state.beat_ns if state.beat_ns is not None else state.first_ns
        passed = (event.time_ns - (since or 0)) / SECOND
        if passed <= self.settings.silence_s or state.beatless_said:
            return []
        state.beatless_said = True
        return self._say(state, event, Severity.MEDIUM, "heartbeat", f"No heartbeat for {passed:.1f} s")

    def _proposal(self, state: BlindState, event: Event) -> list[Finding]:
        state.unscored += 1
        if state.unscored < self.settings.proposals_unscored or state.unscored % self.settings.proposals_unscored:
            return []
        what = f"{state.unscored} proposals in a row without a trusted score"
        return self._say(state, event, Severity.LOW, "unscored", what)

    def _approval(self, state: BlindState, event: Event, data: Approval) -> list[Finding]:
        if data.verdict == "refused":
            state.unscored = max(0, state.unscored - 1)  # refused before it was scored, as it should be
        if data.verdict != "accepted" or not self.settings.held_out:
            return []
        # The one before must have been measured by now: held-out runs right after acceptance.
        findings = self._overdue(state, event)
        if not state.measured.get(data.tree[:200]):
            remember(state.waiting, data.tree[:200], event.seq, WAITING_MAX)
        return findings

    def _score(self, state: BlindState, event: Event, data: Score) -> list[Finding]:
        if data.split is Split.PUBLIC:
            state.unscored = 0
        if data.split is not Split.HELD_OUT:
            return []
        tree = data.tree[:200]
        if data.status == "ok" and data.value is not None:
            remember(state.measured, tree, value=True)
            state.waiting.pop(tree, None)
            state.missing = 0
            return []
        if tree in state.waiting:
            state.waiting.pop(tree)
            return self._missing(state, event, f"ended as {data.status}")
        return []

    def _overdue(self, state: BlindState, event: Event) -> list[Finding]:
        findings: list[Finding] = []
        for _ in range(len(state.waiting)):
            state.waiting.pop(next(iter(state.waiting)))
            findings += self._missing(state, event, "was not made")
        return findings

    def _missing(self, state: BlindState, event: Event, how: str) -> list[Finding]:
        state.missing += 1
        severity = Severity.HIGH if state.missing >= self.settings.held_out_missing else Severity.MEDIUM
        what = f"The held-out evaluation of an accepted version {how} ({state.missing} in a row)"
        return self._say(state, event, severity, f"held_out {severity.value}", what)

    def _say(
        self, state: BlindState, event: Event, severity: Severity, kind: str, what: str, *, since: int | None = None
    ) -> list[Finding]:
        count = state.said.get(kind, 0) + 1
        state.said[kind] = count
        if not worth_saying(count):
            return []
        return [
            self.finding(
                event,
                severity,
                f"Blind: {kind.split(' ', maxsplit=1)[0]}",
                f"{what}. Nothing can be said about what was not seen.",
                confidence=1.0,
                since=since,
                facts={"kind": kind, "count": count},
            )
        ]
