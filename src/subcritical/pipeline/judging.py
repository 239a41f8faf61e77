"""Detectors and rules behind one lock each: records in, findings and requests out."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from subcritical.detectors import Detector
from subcritical.pipeline.detection import Detection
from subcritical.schema import Event, Finding, Order, Record, visible
from subcritical.tripwires import Request, Tripwires


class Judging:
    """What a run's detectors and rules say. `observe` and `tick` from any thread; `detect` from one at a time."""

    def __init__(self, detectors: Sequence[Detector], tripwires: Tripwires) -> None:
        """Judge with `detectors` and `tripwires`."""
        self._detection = Detection(detectors)
        self._tripwires = tripwires
        self._lock = threading.RLock()

    def detect(self, events: Sequence[Event]) -> list[Finding]:
        """Findings on events that are on disk."""
        return self._detection.run(events)

    def observe(self, records: Sequence[Record]) -> list[Request]:
        """What the rules want; an engine that crashes wants a pause."""
        try:
            with self._lock:
                return self._tripwires.observe(records)
        except Exception as error:  # noqa: BLE001 - unknown is unsafe: without rules the run must not go on
            return [_engine_crashed(error)]

    def tick(self, now_ns: int, *, paused: bool) -> list[Request]:
        """What silence wants at `now_ns`; an engine that crashes wants a pause."""
        try:
            with self._lock:
                return self._tripwires.tick(now_ns, paused=paused)
        except Exception as error:  # noqa: BLE001 - unknown is unsafe: without rules the run must not go on
            return [_engine_crashed(error)]

    def take_up(self, history: Sequence[Record], size: int) -> tuple[list[Finding], list[Request]]:
        """What an earlier process of this run did not get to: findings not recorded, requests not acted on."""
        events = [record for record in history if isinstance(record, Event)]
        recorded = [record for record in history if isinstance(record, Finding)]
        findings = self._detection.replay(events, recorded, size)
        with self._lock:
            return findings, self._tripwires.recover(history)


def _engine_crashed(error: Exception) -> Request:
    reason = f"the tripwires crashed: {type(error).__name__}: {visible(str(error), 300)}"
    return Request(rule="engine", order=Order.PAUSE, reason=reason)
