"""ShinkaEvolve databases: programs with their edits and scores, and the history of evolved system prompts."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from subcritical.errors import SourceError
from subcritical.ingest._bounded import cut, number, whole
from subcritical.ingest._times import time_ns
from subcritical.ingest.records import Broken, FileReader, Place, Seen
from subcritical.schema import Artifact, ArtifactChange, EventData, FileChange, Proposal, Score, Split

_DATABASE_MAX = 4 << 30
_STEPS = 100_000
_STEPS_MAX = 20_000
_CELL_MAX = 64 << 20
_TABLES = (b"programs", b"system_prompts")

Row = dict[str, Any]


class Shinka(FileReader):
    """`programs.sqlite`, `evolution_db.sqlite` or `prompts.sqlite`, in write-ahead mode or not.

    A live database's rows may all lie in its write-ahead log, and opening it could fold that in: the files are
    copied together and the copy is opened. A database is hostile too: nothing in its schema is trusted, and a
    query that runs for too long is ended.
    """

    name = "shinka"

    def claims(self, path: Path, head: bytes) -> bool:
        """By ending and signature; a database that any program may have made, by its tables too."""
        if not head.startswith(b"SQLite format 3\0"):
            return False
        return path.suffix == ".sqlite" or (path.suffix == ".db" and any(name in head for name in _TABLES))

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """A proposal and a score for each program, and a change of prompt for each system prompt."""
        with tempfile.TemporaryDirectory(prefix="subcritical-ingest-") as directory:
            copy = _copy(path, Path(directory))
            try:
                with contextlib.closing(_open(copy)) as database:
                    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'")}
                    if not tables & {"programs", "system_prompts"}:
                        raise SourceError("has neither a table `programs` nor `system_prompts`")
                    if "programs" in tables:
                        yield from _rows(database, "programs", path, _program)
                    if "system_prompts" in tables:
                        yield from _rows(database, "system_prompts", path, _prompt)
            except (sqlite3.Error, UnicodeDecodeError) as error:  # names of columns are decoded by the module itself
                yield Broken(place=Place(path=str(path)), why=f"the database cannot be read: {error}")


def _copy(path: Path, directory: Path) -> Path:
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.is_symlink() or not part.is_file():
            continue
        if part.stat().st_size > _DATABASE_MAX:
            raise SourceError(f"{part.name} is larger than {_DATABASE_MAX >> 30} GiB")
        shutil.copyfile(part, directory / f"copy{suffix}", follow_symlinks=False)
    return directory / "copy"


def _open(copy: Path) -> sqlite3.Connection:
    database = sqlite3.connect(copy, isolation_level=None)
    database.row_factory = sqlite3.Row
    database.text_factory = lambda data: data.decode("utf-8", "replace")
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA query_only = ON")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _CELL_MAX)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return int(steps > _STEPS_MAX)

    database.set_progress_handler(count, _STEPS)
    return database


def _rows(database: sqlite3.Connection, table: str, path: Path, read: Any) -> Iterator[Seen | Broken]:
    columns = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
    order = (
        " ORDER BY timestamp" if "timestamp" in columns else " ORDER BY generation" if "generation" in columns else ""
    )
    for row in database.execute(f"SELECT rowid AS _row, * FROM {table}{order}"):  # noqa: S608 - one of two names
        place = Place(path=str(path), part=f"{table}[{row['_row']}]")
        yield from read({name: row[name] for name in row.keys()}, place)  # noqa: SIM118 - a Row is no mapping


def _program(row: Row, place: Place) -> Iterator[Seen]:
    name, code = cut(row.get("id")), cut(row.get("code"))
    change = FileChange(
        path="program",
        artifact=Artifact.CODE,
        after=f"sha256:{hashlib.sha256(code.encode()).hexdigest()}",
        size=len(code),
        diff=cut(row.get("code_diff")),
    )
    proposal = Proposal(proposal=name, base=cut(row.get("parent_id")), tree=name, requester="shinka", changes=(change,))
    yield _wrapped(proposal, row, place)
    value = row.get("combined_score")
    correct = bool(row.get("correct"))
    measured = number(value) if correct else None
    score = Score(
        proposal=name,
        tree=name,
        split=Split.PUBLIC,
        metric="combined_score",
        value=measured,
        selected_on=True,
        status="ok" if measured is not None else "crashed",
        detail="" if correct else "the run says the program is not correct",
    )
    yield _wrapped(score, row, place)


def _prompt(row: Row, place: Place) -> Iterator[Seen]:
    text = cut(row.get("prompt_text"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    parent = row.get("parent_id")
    change = ArtifactChange(
        artifact=Artifact.PROMPT,
        path="system_prompt",
        before=None if parent is None else cut(parent),
        after=f"sha256:{digest}",
        diff="".join(f"+{line}\n" for line in text.splitlines()),
    )
    yield _wrapped(change, row, place)


def _wrapped(data: EventData, row: Row, place: Place) -> Seen:
    known = {"code", "embedding", "_row", "code_diff", "prompt_text"}
    return Seen(
        data=data,
        place=place,
        time_ns=time_ns(row.get("timestamp")),
        generation=whole(row.get("generation")) or 0,
        extra={name: value for name, value in row.items() if name not in known and not isinstance(value, bytes)},
    )
