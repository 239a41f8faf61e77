"""What several detectors work out of one event is worked out once while they look at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from subcritical.schema import ArtifactChange, Event, Message, ModelCall, Proposal, ToolCall, ToolResult

ValueT = TypeVar("ValueT")
EVENTS_MAX = 1024
WEIGHT_MAX = 16 << 20


class Once(Generic[ValueT]):
    """A function with its values of the last events; all are dropped when they are too many or too large."""

    def __init__(self, work: Callable[[Event], ValueT], weigh: Callable[[ValueT], int]) -> None:
        """Start without values."""
        self._work, self._weigh = work, weigh
        self._weight = 0
        self._by_id: dict[int, tuple[Event, ValueT]] = {}

    def forget(self) -> None:
        """Drop every value."""
        self._by_id, self._weight = {}, 0

    def __call__(self, event: Event) -> ValueT:
        """The value of an event, kept or new."""
        found = self._by_id.get(id(event))
        # The event is kept with its value, so that nobody else gets its address meanwhile.
        if found is not None and found[0] is event:
            return found[1]
        value = self._work(event)
        self._put(event, value)
        return value

    def _put(self, event: Event, value: ValueT) -> None:
        weight = self._weigh(value) + _size(event)
        if weight > WEIGHT_MAX:
            return
        if len(self._by_id) >= EVENTS_MAX or self._weight + weight > WEIGHT_MAX:
            self.forget()
        self._by_id[id(event)] = (event, value)
        self._weight += weight


def _size(event: Event) -> int:
    """About how many characters an event holds: it is kept alive."""
    data = event.data
    if isinstance(data, ToolCall):
        return len(data.arguments)
    if isinstance(data, ToolResult | Message):
        return len(data.text)
    if isinstance(data, ModelCall):
        return len(data.text) + len(data.reasoning)
    if isinstance(data, ArtifactChange):
        return len(data.diff)
    return sum(len(change.diff) for change in data.changes) if isinstance(data, Proposal) else 0


def once(weigh: Callable[[ValueT], int]) -> Callable[[Callable[[Event], ValueT]], Once[ValueT]]:
    """Make a pure function of an event remember what it gave for the last events.

    Args:
        weigh: About how many characters a value holds; those of its event are added. What is above `WEIGHT_MAX` is
            not kept.

    The value is shared: whoever gets it must not change it.
    """
    return lambda work: Once(work, weigh)
