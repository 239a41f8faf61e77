"""Find the sources below a path and who reads each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from subcritical.errors import InputError, SourceError
from subcritical.ingest._bounded import open_regular
from subcritical.ingest.records import Broken, Place, Reader, Source

_HEAD = 1 << 16
_DEPTH_MAX = 100
_SKIPPED = frozenset({".git", ".hg", ".venv", "node_modules", "__pycache__"})


def find(paths: Sequence[Path], readers: Sequence[Reader], *, only: str | None = None) -> Iterator[Source | Broken]:
    """Every source at or below `paths`, each once, in order of its name; files that no reader claims are passed over.

    Links are not followed. The first reader that claims a path has it.

    Args:
        paths: Files or directories.
        readers: In order of preference.
        only: The name of the only format to read; a file that is named itself is then read without being asked.

    Raises:
        InputError: A path is not there, or there is no format of that name.
    """
    chosen = [reader for reader in readers if only in (None, reader.name)]
    if not chosen:
        names = ", ".join(sorted({reader.name for reader in readers}))
        raise InputError(f"no input format is called {only!r}; there are {names}")
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} is not there; check the path")
        if path.is_dir():
            yield from _below(path, chosen, seen, 0)
        elif only is not None:
            yield Source(path, next((reader for reader in chosen if not reader.directories), chosen[0]))
        else:
            yield from _file(path, chosen, seen)


def _below(path: Path, readers: Sequence[Reader], seen: set[tuple[int, int]], depth: int) -> Iterator[Source | Broken]:
    if depth > _DEPTH_MAX:
        yield Broken(place=Place(path=str(path)), why=f"more than {_DEPTH_MAX} folders deep")
        return
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as error:
        yield Broken(place=Place(path=str(path)), why=f"cannot be listed: {error.strerror}")
        return
    owners = [reader for reader in readers if reader.directories and reader.claims(path, b"")]
    for owner in owners:
        yield Source(path, owner)
    for entry in entries:
        here = path / entry.name
        if entry.is_symlink():
            continue
        if entry.is_dir():
            if entry.name not in _SKIPPED:
                yield from _below(here, readers, seen, depth + 1)
        elif entry.is_file() and not any(owner.consumes(here) for owner in owners):
            yield from _file(here, readers, seen)


def _file(path: Path, readers: Sequence[Reader], seen: set[tuple[int, int]]) -> Iterator[Source | Broken]:
    try:
        with open_regular(path) as file:
            told = os.fstat(file.fileno())
            head = file.read(_HEAD)
    except SourceError as error:
        yield Broken(place=Place(path=str(path)), why=str(error))
        return
    if (told.st_dev, told.st_ino) in seen:
        return
    seen.add((told.st_dev, told.st_ino))
    for reader in readers:
        if not reader.directories and reader.claims(path, head):
            yield Source(path, reader)
            return
