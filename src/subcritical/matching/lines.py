"""Streams of agent events, JSON Lines, against many content rules, in two ways that find the same, row by row.

`exact`: every line is decoded, and every text in it is matched. `prefiltered`: the raw chunk is scanned once with
expressions that cover every way of writing a match in JSON (`covering`), and only the lines it reports are decoded in
full and matched as in the exact way; of the others only the head is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from subcritical.errors import InputError
from subcritical.matching.agent_events import UNREADABLE, AgentEvent, Broken, Head, read_event
from subcritical.matching.agents import AGENTS_MAX, Agents
from subcritical.matching.choose import compile_matcher
from subcritical.matching.chunks import chunks
from subcritical.matching.patterns import Pattern
from subcritical.matching.raw_lines import RawLines

WAYS = ("exact", "prefiltered")
GROUP = 16
"""Events whose texts are scanned together; only where something is found are they looked at one by one."""
_NEWLINE, _OPEN, _CLOSE = b"\n{}"


class Row(msgspec.Struct, frozen=True, order=True, gc=False):
    """One rule found in one event.

    Attributes:
        line: Number of the line, from 1.
        rule: Id of the pattern.
        agent: The event's agent.
        seq: The event's number.
    """

    line: int
    rule: int
    agent: str
    seq: int


class Batch(msgspec.Struct, frozen=True):
    """What one chunk gave: how many events, the findings by line and rule, and the lines that are no events."""

    events: int
    rows: list[Row]
    broken: list[Broken]


class RuleStream:
    """Rules over streams, on request with a few numbers kept of each agent.

    Attributes:
        agents: What is known of the agents, over all files scanned; None where nothing is kept.
        way: The way in use: `exact` too where `prefiltered` was asked for and cannot be, because hyperscan is not
            installed or a rule may match the empty text or is too large for it.
    """

    def __init__(self, rules: Iterable[Pattern], *, way: str = "prefiltered", agents_max: int = AGENTS_MAX) -> None:
        """Compile the rules.

        Args:
            rules: What to look for; ids are told in the rows.
            way: One of `WAYS`.
            agents_max: Agents of which numbers are kept; 0 keeps none.

        Raises:
            InputError: No such way, or a rule is unusable.
        """
        if way not in WAYS:
            raise InputError(f"no way {way!r}: one of {', '.join(WAYS)}")
        patterns = list(rules)
        self._matcher = compile_matcher(patterns)
        self._raw = RawLines.of(patterns) if way == "prefiltered" else None
        self.way = "exact" if self._raw is None else way
        self.agents = Agents(agents_max) if agents_max else None
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(AgentEvent if self._raw is None else Head)

    def scan(self, path: Path) -> Iterator[Batch]:
        """Read a file of JSON Lines, chunk by chunk.

        Args:
            path: A regular file. Blank lines are passed over; lines longer than `chunks.LINE_MAX` and lines that are no
                events are reported as broken.

        Raises:
            SourceError: The file cannot be read.
        """
        line = 1
        for data in chunks(path):
            if data is None:
                yield Batch(0, [], [Broken(line, "longer than a line may be")])
                line += 1
            else:
                ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)
                yield self._batch(data, ends, line)
                line += len(ends)

    def _batch(self, data: bytes, ends: np.ndarray[Any, Any], first: int) -> Batch:
        events = self._decoded(data, ends)
        found = self._found(events) if self._raw is None else self._confirmed(self._raw, data, ends, events)
        none = {index: one for index, one in enumerate(events) if type(one) is str}
        broken = [Broken(first + index, one) for index, one in none.items() if one]
        rows = [
            Row(first + index, rule, events[index].agent_id, events[index].seq)
            for index, rules in found.items()
            for rule in rules
        ]
        if self.agents is not None:
            self.agents.add(events, found)
        return Batch(len(events) - len(none), rows, broken)

    def _decoded(self, data: bytes, ends: np.ndarray[Any, Any]) -> list[Any]:
        """An event for each line; for one that is none the reason, and "" for a blank one."""
        if _one_object_a_line(data, ends):
            try:
                events: list[Any] = self._decoder.decode_lines(data)
            except UNREADABLE:  # some line is broken: which, is found line by line
                events = []
            if len(events) == len(ends):
                return events
        decode = self._decoder.decode
        found: list[Any] = []
        for line in data.split(b"\n")[:-1]:
            if not line.strip():
                found.append("")
                continue
            try:
                found.append(decode(line))
            except UNREADABLE:
                found.append(read_event(line))
        return found

    def _found(self, events: Sequence[Any]) -> dict[int, list[int]]:
        """Rules found, by index of the line, where every line was decoded in full."""
        matcher = self._matcher
        found: dict[int, list[int]] = {}
        for begin in range(0, len(events), GROUP):
            group = [one.texts() if type(one) is not str else [] for one in events[begin : begin + GROUP]]
            if matcher.possible([text for texts in group for text in texts]):
                for index, texts in enumerate(group, begin):
                    rules = matcher.in_any(texts)
                    if rules:
                        found[index] = rules
        return found

    def _confirmed(
        self, raw: RawLines, data: bytes, ends: np.ndarray[Any, Any], events: list[Any]
    ) -> dict[int, list[int]]:
        """The same where only heads were decoded; a reported line that cannot be read in full becomes its reason."""
        found = {}
        for index in raw.reported(data, ends):
            if type(events[index]) is str:
                continue
            begin = int(ends[index - 1]) + 1 if index else 0
            events[index] = event = read_event(data[begin : int(ends[index])])
            rules = [] if isinstance(event, str) else self._matcher.in_any(event.texts())
            if rules:
                found[index] = rules
        return found


def _one_object_a_line(data: bytes, ends: np.ndarray[Any, Any]) -> bool:
    """Whether every line begins with `{` and ends with `}`.

    Then no value can go over a line's end, which msgspec would allow: nothing in JSON ends with `}`, a newline and `{`.
    """
    codes = np.frombuffer(data, np.uint8)
    return bool(codes[0] == _OPEN and (codes[ends - 1] == _CLOSE).all() and (codes[ends[:-1] + 1] == _OPEN).all())
