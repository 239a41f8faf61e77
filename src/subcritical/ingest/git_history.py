"""git history: commits as changes of artifacts. git itself is not run: a repository's settings may run programs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dulwich.errors import FileFormatException, NotGitRepository, WrongObjectException
from dulwich.objects import Blob
from dulwich.repo import Repo
from dulwich.walk import WalkEntry

from subcritical.errors import SourceError
from subcritical.ingest._commits import FileDiff, changes, explanation
from subcritical.ingest.artifacts import Classify
from subcritical.ingest.records import Broken, Place, Seen

_TEXT_MAX = 400_000
_LINES_MAX = 8_000
_BROKEN = (KeyError, FileFormatException, WrongObjectException, OSError, ValueError)


class GitHistory:
    """A repository, by its folder `.git`: what HEAD leads to, oldest first, one event for each file of a commit.

    A merge counts with what it changed against all its parents. A file too large to compare, or not text, has
    no diff. Not protected: an object that unpacks to more than there is memory.
    """

    name = "git"
    directories = True

    def __init__(self, classify: Classify, trailers: Sequence[str] = ()) -> None:
        """`classify` says what each path is; `trailers` which commit trailers explain a change."""
        self._classify, self._trailers = classify, trailers

    def claims(self, path: Path, head: bytes) -> bool:  # noqa: ARG002
        """By the folder `.git`; a file of that name leads elsewhere and is not followed."""
        folder = path / ".git"
        return folder.is_dir() and not folder.is_symlink()

    def consumes(self, path: Path) -> bool:  # noqa: ARG002
        """Nothing: files in the working tree may be sources of their own."""
        return False

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """Commit by commit."""
        try:
            repository = Repo(path)
        except (NotGitRepository, OSError, ValueError) as error:
            raise SourceError(f"is not a git repository that can be read: {error}") from None
        try:
            yield from self._commits(repository, path)
        finally:
            repository.close()

    def _commits(self, repository: Any, path: Path) -> Iterator[Seen | Broken]:
        try:
            walker = repository.get_walker(include=[repository.head()], order="topo", reverse=True)
        except KeyError:
            return  # nothing was committed yet
        number = 0
        entries = iter(walker)
        while True:
            try:
                entry = next(entries, None)
            except _BROKEN as error:
                yield Broken(place=Place(path=str(path)), why=f"history cannot be read on: {error}")
                return
            if entry is None:
                return
            number += 1
            commit = entry.commit.id.decode()
            place = Place(path=str(path), commit=commit)
            try:
                files = list(_files(repository, entry))
            except _BROKEN as error:
                yield Broken(place=place, why=f"cannot be read: {type(error).__name__}: {error}")
                continue
            message = entry.commit.message.decode("utf-8", "replace")
            yield from changes(
                files,
                commit=commit,
                place=place,
                when=max(entry.commit.commit_time, 0) * 1_000_000_000,
                generation=number,
                classify=self._classify,
                explained_by=explanation(message, self._trailers),
                first=not entry.commit.parents,
                extra={"author": entry.commit.author.decode("utf-8", "replace"), "message": message},
            )


def _files(repository: Any, entry: WalkEntry) -> Iterator[FileDiff]:
    for change in entry.changes():
        one: Any = change[0] if isinstance(change, list) else change
        old, new = one.old, one.new
        path = (new.path if new and new.path else old.path).decode("utf-8", "replace")
        before, after = _digest(old), _digest(new)
        yield FileDiff(path, before, after, _diff(repository, path, old, new))


def _digest(entry: Any) -> str | None:
    return f"git:{entry.sha.decode()}" if entry and entry.sha else None


def _diff(repository: Any, path: str, old: Any, new: Any) -> str:
    sides: list[list[str]] = []
    for entry in (old, new):
        if not entry or not entry.sha:
            sides.append([])
            continue
        text = _content(repository.object_store, entry.sha)
        if len(text) > _TEXT_MAX or b"\0" in text:
            return ""
        sides.append(text.decode("utf-8", "replace").splitlines())
    if max(len(side) for side in sides) > _LINES_MAX:
        return ""
    before, after = sides
    told = difflib.unified_diff(before, after, fromfile=f"a/{path}", tofile=f"b/{path}", lineterm="")
    return "\n".join(told)


def _content(store: Any, name: bytes) -> bytes:
    """The bytes of a file; for a submodule, whose content is elsewhere, bytes that are not text."""
    try:
        blob = store[name]
    except KeyError:
        return b"\0"
    return blob.data if isinstance(blob, Blob) else b"\0"
