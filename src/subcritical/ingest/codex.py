"""Session logs of Codex (`rollout-*.jsonl`): `{"timestamp", "type", "payload"}`, one record a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from subcritical.ingest._bounded import TEXT_MAX, cut, without
from subcritical.ingest._chat import chat_events, tool_call
from subcritical.ingest._json_lines import Record, first_record, read_lines
from subcritical.ingest._times import time_ns
from subcritical.ingest.records import Broken, FileReader, Place, Seen
from subcritical.schema import EventData, Message, ModelCall, ToolResult

_CALLS = frozenset({"function_call", "custom_tool_call", "local_shell_call"})
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})


class Codex(FileReader):
    """Response items are messages, thoughts, calls and results; every other record is a `Message` from its type.

    No real log of this format has been read yet: the shape is that of the program's own records.
    """

    name = "codex"

    def claims(self, path: Path, head: bytes) -> bool:
        """By the first line."""
        record = first_record(path, head)
        return isinstance(record.get("payload"), dict) and "type" in record and "timestamp" in record

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """One event a line, more where a message holds several blocks."""
        session = ""

        def events(record: Record, place: Place) -> Iterator[Seen]:
            nonlocal session
            kind, payload = cut(record.get("type")), record.get("payload")
            if not isinstance(payload, dict):
                payload = {"value": payload}
            if kind == "session_meta":
                session = cut(payload.get("id"))
            found = list(_item(payload)) if kind == "response_item" else [_told(kind, payload)]
            extra = without(record, "payload", "timestamp")
            for data in found:
                yield Seen(
                    data=data, place=place, time_ns=time_ns(record.get("timestamp")), system=session, extra=extra
                )

        return read_lines(path, events)


def _told(kind: str, payload: Record) -> Message:
    text = cut(payload.get("message") or payload.get("text") or payload)
    return Message(source=kind or "unknown", text=text, truncated=len(text) >= TEXT_MAX)


def _item(payload: Record) -> Iterator[EventData]:
    kind = payload.get("type")
    if kind == "message":
        yield from chat_events(payload)
    elif kind == "reasoning":
        thoughts = payload.get("summary") or payload.get("content") or ""
        yield ModelCall(model="", text="", reasoning=cut(_texts(thoughts)))
    elif kind in _CALLS:
        named = {"name": kind, **payload, "id": payload.get("call_id") or payload.get("id")}
        yield tool_call({**named, "arguments": payload.get("arguments", payload.get("input", payload.get("action")))})
    elif kind in _RESULTS:
        output = payload.get("output")
        text = output.get("content", output) if isinstance(output, dict) else output
        yield ToolResult(tool="", text=cut(text), call=cut(payload.get("call_id")))
    else:
        yield _told(cut(kind), payload)


def _texts(parts: object) -> str:
    if not isinstance(parts, list):
        return cut(parts)
    return "\n".join(cut(part.get("text")) if isinstance(part, dict) else cut(part) for part in parts)
