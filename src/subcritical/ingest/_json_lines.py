"""What readers of JSON Lines share: one record a line, a broken one reported with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from subcritical.errors import SourceError
from subcritical.ingest._bounded import LINE_MAX, decode, lines, mapping, place_of
from subcritical.ingest.records import Broken, Place, Seen

Record = dict[str, Any]
_ENDINGS = frozenset({".jsonl", ".ndjson"})


def first_record(path: Path, head: bytes) -> Record:
    """The record in the first line that is not blank; empty where that is no JSON object or the name ends otherwise."""
    line = next((line for line in head.splitlines() if line.strip()), b"") if path.suffix in _ENDINGS else b""
    if not line.lstrip().startswith(b"{"):
        return {}
    try:
        return mapping(decode(line))
    except SourceError:
        return {}


def read_lines(path: Path, events: Callable[[Record, Place], Iterable[Seen]]) -> Iterator[Seen | Broken]:
    """Decode every line and hand it on; nothing a line holds stops the reading of the next."""
    for line in lines(path):
        place = place_of(path, line)
        if line.data is None:
            yield Broken(place=place, why=f"a line longer than {LINE_MAX >> 20} MiB")
            continue
        try:
            record = decode(line.data)
        except SourceError as error:
            yield Broken(place=place, why=str(error))
            continue
        if isinstance(record, dict):
            yield from events(record, place)
        else:
            yield Broken(place=place, why="not a JSON object")
