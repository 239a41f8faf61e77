"""Plain JSON Lines: what no other reader knows, still read as messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from subcritical.ingest._bounded import TEXT_MAX, cut, without
from subcritical.ingest._chat import chat_events, tool_call
from subcritical.ingest._json_lines import Record, first_record, read_lines
from subcritical.ingest._times import time_ns
from subcritical.ingest.records import Broken, FileReader, Place, Seen
from subcritical.schema import EventData, Message, ToolResult

_TIMES = ("timestamp", "time", "ts", "created_at", "created")
_SYSTEMS = ("agent", "agent_id", "agentId", "session", "session_id", "sessionKey", "run", "run_id")


class JsonLines(FileReader):
    """Chat messages (`role`, `content`), tool calls (`tool` or `function`, `arguments`), and anything else as text."""

    name = "jsonl"

    def claims(self, path: Path, head: bytes) -> bool:
        """By its ending and a first line that is an object."""
        return bool(first_record(path, head))

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """At least one event a line."""
        return read_lines(path, _events)


def _events(record: Record, place: Place) -> Iterator[Seen]:
    when, system = 0, ""
    for name in _TIMES:
        if name in record and (when := time_ns(record[name])):
            break
    for name in _SYSTEMS:
        if record.get(name):
            system = cut(record[name])
            break
    extra = without(record, "content", "arguments")
    for data in _data(record):
        yield Seen(data=data, place=place, time_ns=when, system=system, extra=extra)


def _data(record: Record) -> Iterator[EventData]:
    if isinstance(record.get("role"), str):
        yield from chat_events(record)
    elif (record.get("function") or record.get("tool")) and ("arguments" in record or "input" in record):
        yield tool_call(record)
    elif (record.get("tool") or record.get("function")) and "result" in record:
        tool = cut(record.get("tool") or record.get("function"))
        yield ToolResult(tool=tool, text=cut(record["result"]), call=cut(record.get("id")))
    else:
        text = cut(record.get("content") or record.get("text") or record.get("message") or record)
        source = cut(record.get("type") or record.get("source")) or "unknown"
        yield Message(source=source, text=text, truncated=len(text) >= TEXT_MAX)
