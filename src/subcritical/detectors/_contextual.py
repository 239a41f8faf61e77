"""Content rules, and what only the course of a run shows: orders, notices and processes named before an act."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import msgspec

from subcritical.detectors._acts import Act, acts_of
from subcritical.detectors._operators import asks
from subcritical.detectors._rule_based import RuleBased, RuleState
from subcritical.detectors._stream import remember, shown, worth_saying
from subcritical.detectors._widened import begun_with, groups
from subcritical.schema import Event, Finding, Message, Severity, ToolCall, ToolResult

_PIDS_MAX = 64
_LINES_MAX = 200
_LINE_CHARS = 400
_PID = re.compile(r"(?<![\w.:/-])\d{2,7}(?![\w.:/-])")
_NUMBER = r"(?:[0-9]{2}|[\xd9\xdb\xdf\xe0\xe1\xea\xef\xf0])"
"""Two digits, or the first byte of a digit that is not ASCII."""
_OPERATORS = frozenset({"user", "human", "operator"})


class ContextState(RuleState):
    """Per run, beside what a rule needs: processes that guard, an order or a notice that is not yet followed.

    Attributes:
        pids: Numbers of processes that a tool's answer named as guards.
        ordered: Where an operator's order to stop stands, 0 for none.
        noticed: Where an end was announced last, 0 for none.
        resolved: Where the system said what it is about to do, 0 for nothing.
    """

    pids: dict[str, int] = msgspec.field(default_factory=dict)
    ordered: int = 0
    noticed: int = 0
    resolved: int = 0


class Contextual(RuleBased):
    """Rules on single acts; a process that an answer named as a guard is known by its number afterwards."""

    guards: ClassVar[re.Pattern[str]]
    """What a line of a tool's answer names for the numbers in it to be those of guards."""
    allowed: ClassVar[re.Pattern[str]]
    """What an operator's clause must say for an act seen in its context to count as asked for."""

    def new(self) -> ContextState:
        """Nothing said and nothing seen."""
        return ContextState()

    def observe(self, state: RuleState, event: Event) -> list[Finding]:
        """Judge acts by the rules, by what stands before them, and by the processes that answers named."""
        found = super().observe(state, event)
        if isinstance(state, ContextState):
            self.learn(state, event)
            found += self.in_context(state, event)
            found += self.guards_killed(state, event)
        return found

    @abstractmethod
    def in_context(self, state: ContextState, event: Event) -> Iterator[Finding]:
        """What only the course of the run shows."""

    def learn(self, state: ContextState, event: Event) -> None:
        """Remember the numbers of processes that guard."""
        answer = answer_of(event)
        if not answer:
            return
        for line in answer.splitlines()[:_LINES_MAX]:
            if self.guards.search(line[:_LINE_CHARS]):
                for pid in _PID.findall(line[:_LINE_CHARS])[:4]:
                    remember(state.pids, pid, event.seq, _PIDS_MAX)

    def guards_killed(self, state: ContextState, event: Event) -> Iterator[Finding]:
        """Signals to a process that an answer named as a guard."""
        for act in calls_of(event) if state.pids else ():
            killed = state.pids.keys() & set(act.arguments.split()) if act.program == "kill" else frozenset[str]()
            if killed:
                since = min(state.pids[pid] for pid in killed)
                yield from self.seen(state, event, "guard-signalled", act, since, "A process that guards was signalled")

    def seen(self, state: ContextState, event: Event, rule: str, act: Act, since: int, title: str) -> Iterator[Finding]:
        """A finding on an act in the light of what stands at `since`."""
        name = f"{self.id}-{rule}"
        state.counts[name] = state.counts.get(name, 0) + 1
        if not worth_saying(state.counts[name]):
            return
        asked = asks(state.asked, self.allowed)
        what = act.text if act.kind in {"run", "call"} else f"{act.kind} {act.path}"
        yield self.finding(
            event,
            Severity.LOW if asked else Severity.MEDIUM,
            title,
            f"Seen in the light of event {since}: {shown(what)}",
            confidence=0.4,
            since=since,
            change="authorised" if asked else "neither",
            facts={"rule": name, "level": str(Severity.MEDIUM), "times": state.counts[name]},
        )


def naming(guards: re.Pattern[str]) -> tuple[str, ...]:
    """What an answer must hold for a line of it to name a guard and a number."""
    named = "|".join(group for groups_ in groups(begun_with(guards.pattern)) for group in groups_)
    return (rf"(?:{named})[^\n]*{_NUMBER}", rf"{_NUMBER}[^\n]*(?:{named})")


def answer_of(event: Event) -> str:
    """What a tool gave back in an event."""
    data = event.data
    if isinstance(data, ToolResult):
        return data.text
    return data.text if isinstance(data, Message) and data.source.lower() == "tool" else ""


def order_of(event: Event) -> str:
    """What an operator said in an event; a system's prompt is no order."""
    data = event.data
    return data.text if isinstance(data, Message) and data.source.lower() in _OPERATORS else ""


def calls_of(event: Event) -> list[Act]:
    """Acts of a tool call."""
    return acts_of(event) if isinstance(event.data, ToolCall) else []
