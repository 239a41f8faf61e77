"""What a reader gives: facts with their place in the source, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from subcritical.schema import EventData


class Place(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where something stands: a file as the caller named it, and in it a line, a byte range, a commit or a part.

    `line` counts from 1. `first_byte` and `last_byte` are offsets, both ends included. `part` names what has
    neither lines nor bytes of its own: a row of a database, a member of an archive, an item of a document.
    """

    path: str
    line: int | None = None
    first_byte: int | None = None
    last_byte: int | None = None
    commit: str = ""
    part: str = ""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One fact. `system` is empty where the source does not say whose it is; `time_ns` 0 means unknown.

    `extra` is what the record held beyond the fields of `data`, as it was: unknown fields are kept.
    """

    data: EventData
    place: Place
    time_ns: int = 0
    system: str = ""
    generation: int = 0
    extra: dict[str, Any] = {}


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not be read; the rest of its source was."""

    place: Place
    why: str


class Reader(Protocol):
    """Reads one format. Hostile input: it neither runs, imports nor unpickles anything, and its memory is bounded.

    `directories` says whether it claims whole directories instead of single files.
    """

    name: str
    directories: bool

    def claims(self, path: Path, head: bytes) -> bool:
        """Whether `path` is in this format; `head` is the beginning of a file, empty for a directory."""
        ...

    def consumes(self, path: Path) -> bool:
        """Whether a file directly in a claimed directory belongs to it and is no source of its own."""
        ...

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """Everything in it, in order of time where the format has times, else as it stands."""
        ...


class FileReader:
    """A reader of single files."""

    directories = False

    def consumes(self, path: Path) -> bool:  # noqa: ARG002
        """Nothing: a file is a source of its own."""
        return False


class Source(msgspec.Struct, frozen=True):
    """A file or directory and who reads it."""

    path: Path
    reader: Reader
