"""What is kept of each agent while its events pass: a few numbers, for a bounded number of agents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from subcritical.matching.agent_events import Head

AGENTS_MAX = 100_000
"""Agents remembered; about 200 bytes each."""
_RATE_WEIGHT = 0.05
_SCORE_KEPT = 0.999
_SCORE_OF_A_FINDING = 3.0
ALARM = 5.0
"""A score above this is an alarm: two findings within some hundred events."""


class AgentState:
    """Numbers of one agent.

    Attributes:
        events: How many were seen.
        tool_calls: How many of them were calls of tools.
        findings: Rules found, each counted once an event.
        last: Time of the last event, seconds.
        rate_hz: Events a second, smoothed exponentially with weight 0.05 for the newest.
    """

    __slots__ = ("_at", "_scored", "events", "findings", "last", "rate_hz", "tool_calls")

    def __init__(self) -> None:
        """Nothing seen."""
        self.events = 0
        self.tool_calls = 0
        self.findings = 0
        self.last = 0.0
        self.rate_hz = 0.0
        self._scored = 0.0
        self._at = 0  # the event after which the score was written down; it decays when it is asked for

    @property
    def score(self) -> float:
        """Findings times 3, decaying by 0.1 % an event."""
        return self._scored * _SCORE_KEPT ** (self.events - self._at)

    def found(self, rules: int) -> None:
        """Rules found in the event counted last."""
        self.findings += rules
        self._scored, self._at = self.score + _SCORE_OF_A_FINDING * rules, self.events


class Agents:
    """Two generations: where the younger is full, the older is forgotten and the younger takes its place.

    So the agents heard of last, at least half of the bound, are always known, and no order need be kept with each
    event. Whoever sends under many invented names can make an agent be forgotten that has been silent meanwhile:
    findings stay, only its numbers begin again. `forgotten` counts how often that may have happened.
    """

    def __init__(self, most: int = AGENTS_MAX) -> None:
        """Remember at most this many, >= 2."""
        self._half = max(1, most // 2)
        self._young: dict[str, AgentState] = {}
        self._old: dict[str, AgentState] = {}
        self.forgotten = 0

    def __len__(self) -> int:
        """How many are known now."""
        return len(self._young) + len(self._old)

    def get(self, agent: str) -> AgentState | None:
        """What is known of an agent."""
        return self._young.get(agent) or self._old.get(agent)

    def alarmed(self) -> list[str]:
        """Known agents whose score is above `ALARM`, by name."""
        return sorted(name for part in (self._young, self._old) for name, one in part.items() if one.score > ALARM)

    def add(self, events: Iterable[Head | str], found: Mapping[int, Sequence[int]]) -> None:
        """Count events in their order.

        Args:
            events: The events; a string stands for a line that is none, and is passed over.
            found: Rules found, by index of the event.
        """
        known = self._young.get
        for index, event in enumerate(events):
            if isinstance(event, str):
                continue
            state = known(event.agent_id)
            if state is None:
                state = self._remembered(event.agent_id)
                known = self._young.get
            state.events += 1
            if event.kind == "tool_call":
                state.tool_calls += 1
            time = event.ts
            gap = time - state.last
            if gap > 0.0:
                state.rate_hz += _RATE_WEIGHT * (1.0 / gap - state.rate_hz)
                state.last = time
            if index in found:
                state.found(len(found[index]))

    def _remembered(self, agent: str) -> AgentState:
        if len(self._young) >= self._half:
            self.forgotten += len(self._old)
            self._old, self._young = self._young, {}
        state = self._old.pop(agent, None) or AgentState()
        self._young[agent] = state
        return state
