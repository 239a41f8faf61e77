"""Session logs of Claude Code: one record a line, a message in most of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from subcritical.ingest._bounded import TEXT_MAX, cut, without
from subcritical.ingest._chat import chat_events
from subcritical.ingest._json_lines import Record, first_record, read_lines
from subcritical.ingest._times import time_ns
from subcritical.ingest.records import Broken, FileReader, Place, Seen
from subcritical.schema import Message


class ClaudeCode(FileReader):
    """Records with `type`, `sessionId` and, for messages, `message` in the provider's own shape.

    A record without a message (`summary`, `queue-operation`, `attachment`, …) is one `Message` from its type.
    """

    name = "claude_code"

    def claims(self, path: Path, head: bytes) -> bool:
        """By the first line."""
        record = first_record(path, head)
        return "type" in record and ("sessionId" in record or "leafUuid" in record)

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """At least one event a line: what was said, and each tool call and result in it."""
        return read_lines(path, _events)


def _events(record: Record, place: Place) -> Iterator[Seen]:
    when, system = time_ns(record.get("timestamp")), cut(record.get("sessionId"))
    extra = without(record, "message", "timestamp", "sessionId")
    message = record.get("message")
    if isinstance(message, dict):
        for data in chat_events(message):
            yield Seen(data=data, place=place, time_ns=when, system=system, extra=extra)
        return
    text = cut(record.get("summary") or record.get("content") or without(record, "uuid", "parentUuid", "timestamp"))
    source = cut(record.get("type")) or "unknown"
    told = Message(source=source, text=text, truncated=len(text) >= TEXT_MAX)
    yield Seen(data=told, place=place, time_ns=when, system=system, extra=extra)
