"""Run the detectors over new events; a detector that crashes is a finding, and the others go on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from subcritical.detectors import Detector
from subcritical.schema import Event, Evidence, Finding, Severity, decode_record, encode_record, visible

CRASHED = "detector crashed"
"""Title of the finding about a crash."""
_MOST_KEYS = 4096
_MOST_KEPT = 32_768
_MOST_FINDINGS = 256
_FINDING_BYTES_MAX = 1 << 20


class Detection:
    """The detectors of one run with their states."""

    def __init__(self, detectors: Sequence[Detector], *, forgets: bool = False) -> None:
        """Start each of `detectors` without history.

        Args:
            detectors: The detectors.
            forgets: What happens where a detector has more states than memory should hold. Of a run of ours that is
                a crash; of a log of many systems the states that were made first are dropped, and `forgotten` tells
                how many: a detector may then miss what lies far apart.
        """
        self._detectors = tuple(detectors)
        self._states: dict[str, dict[bytes, Any]] = {detector.id: {} for detector in self._detectors}
        self._crashes: dict[str, int] = {}
        self._forgets = forgets
        self.forgotten = 0

    def run(self, events: Sequence[Event]) -> list[Finding]:
        """Findings of all detectors on `events`, which follow what they saw before."""
        findings: list[Finding] = []
        if not events:
            return findings
        for detector in self._detectors:
            try:
                findings += self._one(detector, events)
            except Exception as error:  # noqa: BLE001 - a crashed detector is blind, and blindness is a finding
                findings += self.crashed(detector, events, error)
        return findings

    def replay(self, events: Iterable[Event], recorded: Sequence[Finding], size: int) -> list[Finding]:
        """Rebuild the states from an earlier process's events, in runs of `size`; findings it never recorded.

        A crash between an event and its finding would otherwise lose the finding for good.
        """
        known = {_identity(finding) for finding in recorded}
        missing: list[Finding] = []
        run: list[Event] = []
        for event in events:
            run.append(event)
            if len(run) >= size:
                missing += self.run(run)
                run = []
        missing += self.run(run)
        return [finding for finding in missing if _identity(finding) not in known]

    def crashed(self, detector: Detector, events: Sequence[Event], error: Exception) -> list[Finding]:
        """The finding that says so: high, because whatever the detector watches for may have happened unseen.

        One for every run of events that was not judged. A cap on them would be the way to blind it for good.
        """
        count = self._crashes[detector.id] = self._crashes.get(detector.id, 0) + 1
        why = f"{type(error).__name__}: {visible(str(error), 500)}; these events were not judged by it"
        return [
            Finding(
                detector=detector.id,
                version=detector.version,
                severity=Severity.HIGH,
                confidence=1.0,
                title=CRASHED,
                why=why,
                evidence=(Evidence(first_seq=events[0].seq, last_seq=events[-1].seq),),
                generation=events[-1].generation,
                facts={"crashes": count, "blind_to": " ".join(detector.techniques)},
            )
        ]

    def _one(self, detector: Detector, events: Sequence[Event]) -> list[Finding]:
        states = self._states[detector.id]
        if not self._forgets:
            _make_states(detector, states, events)
        found = detector.batch(states, events)
        if len(states) > _MOST_KEPT:
            for key in list(islice(states, len(states) - _MOST_KEPT * 3 // 4)):
                del states[key]
                self.forgotten += 1
        if len(found) > _MOST_FINDINGS:
            raise _TooManyError(f"{len(found)} findings on {len(events)} events")
        return [_readable(finding) for finding in found]


def _make_states(detector: Detector, states: dict[bytes, Any], events: Sequence[Event]) -> None:
    for event in events:
        key = detector.key(event)
        if key not in states:
            if len(states) >= _MOST_KEYS:
                raise _TooManyError(f"more than {_MOST_KEYS} separate states")
            states[key] = detector.new()


class _TooManyError(Exception):
    """A detector left its bounds."""


def _readable(finding: Finding) -> Finding:
    """The finding as a reader of the journal gets it: what cannot be recorded is no finding but a crash."""
    data = encode_record(finding)
    if len(data) > _FINDING_BYTES_MAX:
        raise _TooManyError(f"a finding of {len(data)} bytes")
    record = decode_record(data)
    if not isinstance(record, Finding):
        raise TypeError(f"{type(record).__name__} is no finding")
    return record


def _identity(finding: Finding) -> tuple[object, ...]:
    places = tuple((evidence.first_seq, evidence.last_seq) for evidence in finding.evidence)
    return finding.detector, finding.version, finding.technique, finding.title, places
