"""Whether what is protected is as it was when the gate was first opened, or when a person last let it go on."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from subcritical.canonical import digest
from subcritical.errors import InputError

_GONE = "it is gone"


class Integrity:
    """Remembers what protected files are, also over a restart of the gate.

    Each look costs a `stat` of each file; contents are read where that changed. Not seen: a change that keeps size,
    inode and times, which takes a privileged writer; what was changed and put back between two looks.

    Args:
        root: The project.
        protected: Names the protected files that there are, relative to it.
        besides: Files outside it that must not change either, such as the host's settings.
        remembered: Where the good state is kept; made from what is there now if it is not there.

    Raises:
        InputError: What is remembered cannot be read.
    """

    def __init__(
        self, root: Path, protected: Callable[[], Sequence[str]], besides: Sequence[Path], remembered: Path
    ) -> None:
        """Take up the good state."""
        self._root = root
        self._protected = protected
        self._besides = tuple(besides)
        self._remembered = remembered
        self._marks: dict[Path, tuple[int, ...]] = {}
        self._good: dict[Path, str] = {}
        if remembered.exists():
            self._good = _read(remembered)
        else:
            self.accept()

    def changes(self) -> dict[Path, str]:
        """What differs now, and what it is instead; empty while nothing does."""
        found: dict[Path, str] = {}
        for path in {*self._paths(), *self._good}:
            marks = _marks(path)
            if path in self._good and marks and marks == self._marks.get(path):
                continue
            content = _content(path)
            if content == self._good.get(path):
                self._marks[path] = marks
            else:
                found[path] = content
        return found

    def accept(self) -> None:
        """Take what is there now for good."""
        self._marks = {path: _marks(path) for path in self._paths()}
        self._good = {path: _content(path) for path in self._marks}
        known = {str(path): content for path, content in self._good.items()}
        self._remembered.write_bytes(msgspec.json.encode(known))

    def describe(self, changes: dict[Path, str]) -> str:
        """One line for people."""
        return "; ".join(sorted(f"{self._name(path)}: {self._what(path, changes[path])}" for path in changes))

    def _what(self, path: Path, content: str) -> str:
        if path not in self._good:
            return "it was not there"
        return _GONE if content == _GONE else "its content has changed"

    def _paths(self) -> list[Path]:
        return [*(self._root / name for name in self._protected()), *self._besides]

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root)) if path.is_relative_to(self._root) else str(path)


def _read(remembered: Path) -> dict[Path, str]:
    try:
        known = msgspec.json.decode(remembered.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{remembered}: cannot be read: {error}; open a new gate") from error
    return {Path(path): content for path, content in known.items()}


def _marks(path: Path) -> tuple[int, ...]:
    try:
        found = path.lstat()
    except OSError:
        return ()
    return (found.st_ino, found.st_dev, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _content(path: Path) -> str:
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return f"link {os.readlink(path)}"  # noqa: PTH115 - its text, not where it leads
        if not stat.S_ISREG(mode):
            return f"not a file: {stat.S_IFMT(mode)}"
        return digest(path.read_bytes())
    except FileNotFoundError:
        return _GONE
    except OSError as error:
        return f"cannot be read: {error.strerror}"
