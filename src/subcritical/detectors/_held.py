"""Calls that did not matter, kept until somebody asks whether they show that there was an act to judge at all.

To take a call apart costs far more than to pass it over, and the answer is needed once, when a run ends.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from subcritical.detectors._acts import acts_of
from subcritical.schema import ArtifactChange, Event, Proposal, ToolCall

_HELD_MAX = 8
_ACTING = frozenset({ToolCall, ArtifactChange, Proposal})


class Held(msgspec.Struct):
    """The first calls of a run that were passed over; once an act was seen, none."""

    events: list[Event] = msgspec.field(default_factory=list)
    shown: bool = False

    def add(self, event: Event, acts: Callable[[Event], bool]) -> None:
        """Take in an event that did not matter.

        Args:
            event: Of any kind.
            acts: Whether an event shows an act.
        """
        if self.shown or type(event.data) not in _ACTING:
            return
        self.events.append(event)
        if len(self.events) > _HELD_MAX:
            self.any(acts)

    def any(self, acts: Callable[[Event], bool]) -> bool:
        """Whether one of them showed an act."""
        self.shown = self.shown or any(acts(event) for event in self.events)
        self.events = []
        return self.shown


def has_acts(event: Event) -> bool:
    """Whether an event shows an act."""
    return bool(acts_of(event))
