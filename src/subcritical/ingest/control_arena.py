"""ControlArena trajectories: one tool call a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from subcritical.ingest._bounded import without
from subcritical.ingest._chat import tool_call
from subcritical.ingest._json_lines import Record, first_record, read_lines
from subcritical.ingest.records import Broken, FileReader, Place, Seen


class ControlArena(FileReader):
    """`{"id", "function", "arguments"}`, where `function` is the tool's name."""

    name = "control_arena"

    def claims(self, path: Path, head: bytes) -> bool:
        """By the first line."""
        record = first_record(path, head)
        return isinstance(record.get("function"), str) and isinstance(record.get("arguments"), dict)

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """One event a line."""
        return read_lines(path, _events)


def _events(record: Record, place: Place) -> Iterator[Seen]:
    yield Seen(data=tool_call(record), place=place, extra=without(record, "id", "function", "arguments"))
