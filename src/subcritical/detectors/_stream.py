"""The part all detectors of ours share: one state per run, one observation per event."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from subcritical.detectors._glance import GLANCE, Need
from subcritical.detectors.protocol import DetectorSettings, Maturity
from subcritical.schema import Event, Evidence, Finding, Heartbeat, Severity, visible

StateT = TypeVar("StateT", bound=msgspec.Struct)
SettingsT = TypeVar("SettingsT", bound=DetectorSettings)
ValueT = TypeVar("ValueT")

KEY_BYTES_MAX = 256
SHOWN_MAX = 160
RECENT_MAX = 64
"""Versions a detector remembers while it waits for their other scores."""


def shown(text: str, limit: int = SHOWN_MAX) -> str:
    """Hostile text made fit for a record: control, bidirectional and surrogate characters written out, capped."""
    return visible(text[: limit + 1], limit)


def remember(mapping: dict[str, ValueT], key: str, value: ValueT, limit: int = RECENT_MAX) -> None:
    """Set an entry and forget the oldest ones beyond `limit`."""
    mapping.pop(key, None)
    mapping[key] = value
    while len(mapping) > limit:
        del mapping[next(iter(mapping))]


def worth_saying(count: int) -> bool:
    """Whether the count-th finding of one kind is said: 1, 2, 4, 8, ... A repetition is news ever more rarely."""
    return count > 0 and count & (count - 1) == 0


def reads(*kinds: type) -> frozenset[type]:
    """Kinds of events that a detector looks at, and the heartbeat, at whose end it says what it could not judge."""
    return frozenset({*kinds, Heartbeat})


class PerRun(ABC, Generic[StateT, SettingsT]):
    """A detector that keeps one state per run and looks at one event at a time.

    Batch-split invariance follows: nothing but the state is carried from event to event.
    """

    id: ClassVar[str]
    version: ClassVar[int] = 1
    maturity: ClassVar[Maturity] = "trial"
    techniques: ClassVar[tuple[str, ...]] = ()
    docs: ClassVar[str]
    Settings: ClassVar[Any]
    kinds: ClassVar[frozenset[type]] = frozenset()
    """Kinds of events that matter at all, from `reads`; empty where every kind does."""
    need: ClassVar[Need | None] = None
    """What makes an event matter; None where every event does."""

    def __init__(self, settings: SettingsT | None = None) -> None:
        """Use `settings`, or the defaults of the class."""
        self.settings: SettingsT = self.Settings() if settings is None else settings
        self._number = None if self.need is None else GLANCE.register(self.need)

    def key(self, event: Event) -> bytes:
        """One stream per run."""
        return event.run.encode("utf-8", "surrogatepass")[:KEY_BYTES_MAX]

    @abstractmethod
    def new(self) -> StateT:
        """An empty state."""

    @abstractmethod
    def observe(self, state: StateT, event: Event) -> list[Finding]:
        """Look at one event."""

    @abstractmethod
    def starved(self, state: StateT) -> str:
        """Why nothing could be judged in this run, or an empty text."""

    def idle(self, state: StateT) -> bool:  # noqa: ARG002 - most detectors wait for nothing
        """Whether nothing that went before makes an event matter that does not meet the need."""
        return True

    def passed(self, state: StateT, event: Event) -> None:
        """Count an event that does not matter, where it shows that there was something to judge."""

    def batch(self, states: dict[bytes, Any], events: Sequence[Event]) -> list[Finding]:
        """See `Detector.batch`."""
        findings: list[Finding] = []
        kinds, number = self.kinds, self._number
        for event in events:
            if kinds and type(event.data) not in kinds:
                continue
            key = self.key(event)
            state = states.get(key)
            if state is None:
                state = states[key] = self.new()
            if number is not None and not GLANCE.meets(event, number) and self.idle(state):
                self.passed(state, event)
                continue
            findings.extend(self.observe(state, event))
            if isinstance(event.data, Heartbeat) and event.data.end:
                why = self.starved(state)
                if why:
                    findings.append(self._blind(event, why))
        return findings

    def _blind(self, event: Event, why: str) -> Finding:
        # "Saw nothing wrong" and "saw nothing" must never read the same.
        return self.finding(
            event, Severity.INFO, f"{self.id}: cannot measure", why, confidence=1.0, facts={"blind": True}
        )

    def finding(
        self,
        event: Event,
        severity: Severity,
        title: str,
        why: str,
        *,
        confidence: float,
        technique: str | None = None,
        change: Any = None,
        since: int | None = None,
        facts: dict[str, float | int | str | bool | None] | None = None,
    ) -> Finding:
        """A finding at `event`, with evidence from seq `since` (default: this event alone) to it.

        What a detector says while its maturity is `sandbox` is at most medium, so that it cannot pause.
        """
        if self.maturity == "sandbox" and severity.may_pause:
            severity = Severity.MEDIUM
        first = event.seq if since is None else min(since, event.seq)
        return Finding(
            detector=self.id,
            version=self.version,
            severity=severity,
            confidence=confidence,
            title=title,
            why=why,
            evidence=(Evidence(first_seq=first, last_seq=event.seq),),
            technique=technique,
            change=change,
            generation=event.generation,
            facts=facts or {},
        )
