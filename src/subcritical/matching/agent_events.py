"""One line of an agent's event stream: who, when, what kind, and every text in it that a rule may look at."""

from __future__ import annotations

import json
from typing import Any

import msgspec

INTEGER_DIGITS_MAX = 300
"""Digits of a whole number; a longer one is no time and no sequence number, and read as 0."""


class Head(msgspec.Struct, gc=False):
    """What the state of an agent needs; other keys are passed over.

    Attributes:
        ts: Time, seconds since the epoch.
        agent_id: Which agent.
        seq: Its number among the agent's events.
        kind: `message`, `reasoning`, `tool_call`, `tool_result`, `code_diff`, or what the source calls it.
    """

    ts: float
    agent_id: str
    seq: int
    kind: str


class Tool(msgspec.Struct, gc=False):
    """The call of a tool, or what came back."""

    arguments: Any = None
    result: Any = None


class AgentEvent(Head, gc=False):
    """A whole event.

    Attributes:
        content: Text, or parts that hold texts.
        path: File that is meant.
        result: What a tool gave back.
        tool: Its call.
    """

    content: Any = None
    path: Any = None
    result: Any = None
    tool: Tool | None = None

    def texts(self) -> list[str]:
        """Every string of `content`, `path`, `result` and `tool`, keys included.

        Arguments that are a string of a JSON object or array, as some providers send them, are given as that string
        and decoded, once: strings of JSON within those are not decoded again.
        """
        content = self.content
        if self.tool is None and self.path is None and self.result is None and isinstance(content, str):
            return [content]  # most events
        found: list[str] = []
        for value in (self.content, self.path, self.result):
            if value is not None:
                _gather(value, found)
        if self.tool is not None:
            _gather(self.tool.result, found)
            arguments = self.tool.arguments
            _gather(arguments, found)
            if isinstance(arguments, str) and arguments.lstrip()[:1] in ("{", "["):
                _gather(_inner(arguments), found)
        return found


class Broken(msgspec.Struct, frozen=True):
    """A line that is no event: its number from 1, and why."""

    line: int
    why: str


_WHOLE = msgspec.json.Decoder(AgentEvent)
_ANY = msgspec.json.Decoder(Any)
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for lines that are no events."""


def read_event(line: bytes) -> AgentEvent | str:
    """An event, or why the line is none.

    What msgspec refuses and other writers emit is read by the standard library: NaN, unpaired surrogates, numbers out
    of range, bytes that are no UTF-8 (as U+FFFD), and fields of another type, whose strings are then texts.
    """
    try:
        return _WHOLE.decode(line)
    except UNREADABLE as error:
        return _rescued(line, str(error))


def _rescued(line: bytes, why: str) -> AgentEvent | str:
    try:
        record = _lenient(str(line, "utf-8", "replace"))
        head = msgspec.convert(record, Head)
    except (ValueError, RecursionError):
        return why
    tool = record.get("tool")
    parts = Tool(tool.get("arguments"), tool.get("result")) if isinstance(tool, dict) else Tool(result=tool)
    event = AgentEvent(head.ts, _paired(head.agent_id), head.seq, _paired(head.kind), tool=parts)
    event.content, event.path, event.result = map(record.get, ("content", "path", "result"))
    return event


def _lenient(text: str) -> Any:
    return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= INTEGER_DIGITS_MAX else 0


def _paired(text: str) -> str:
    """A name that can be written down."""
    return text.encode("utf-8", "replace").decode()


def _inner(text: str) -> Any:
    """JSON inside a string; None where it is none."""
    try:
        return _ANY.decode(text)
    except (*UNREADABLE, UnicodeEncodeError):
        try:
            return _lenient(text)
        except (ValueError, RecursionError):
            return None


def _gather(value: Any, found: list[str]) -> None:
    """Add the strings in a JSON value."""
    if isinstance(value, str):
        found.append(value)
        return
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            rest.extend(value)
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
