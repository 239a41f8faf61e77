"""Detectors for which some events matter whatever they hold: what makes them matter is no word of a text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from subcritical.detectors._stream import PerRun, SettingsT, StateT
from subcritical.schema import Event, Finding, Heartbeat


class Besides(PerRun[StateT, SettingsT]):
    """A detector that looks at an event also where its need is not met, by a test of its own."""

    @abstractmethod
    def besides(self, event: Event) -> bool:
        """Whether an event matters although it may not meet the need."""

    def batch(self, states: dict[bytes, Any], events: Sequence[Event]) -> list[Finding]:
        """See `Detector.batch`."""
        findings: list[Finding] = []
        for matters, some in groupby(events, self._apart):
            if not matters:
                findings += super().batch(states, list(some))
                continue
            for event in some:
                key = self.key(event)
                state = states.get(key)
                if state is None:
                    state = states[key] = self.new()
                findings += self.observe(state, event)
        return findings

    def _apart(self, event: Event) -> bool:
        # The end of a run is left to the batch of all detectors, which says where nothing could be judged.
        return not isinstance(event.data, Heartbeat) and self.besides(event)
