"""Whether what is protected is still as it was when the gate was opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from subcritical.canonical import digest


class Integrity:
    """Remembers what protected files are. Each look costs a `stat` of each file; contents are read where that changed.

    Not seen: a change that keeps size, inode and times, which takes a privileged writer; what was changed and put back
    between two calls.

    Args:
        root: The project.
        protected: Names the protected files that there are, relative to it.
        besides: Files outside it that must not change either, such as the host's settings.
    """

    def __init__(self, root: Path, protected: Callable[[], Sequence[str]], besides: Sequence[Path] = ()) -> None:
        """Take the state of now for the good one."""
        self._root = root
        self._protected = protected
        self._besides = tuple(besides)
        self._known = {path: (_marks(path), _content(path)) for path in self._paths()}

    def changes(self) -> list[str]:
        """What differs now, one line each; empty while nothing does."""
        found = []
        now = self._paths()
        for path in sorted({*now, *self._known}, key=str):
            if path not in self._known:
                found.append(f"{self._name(path)}: it was not there")
            elif not os.path.lexists(path):
                found.append(f"{self._name(path)}: it is gone")
            else:
                marks, content = self._known[path]
                if _marks(path) != marks and _content(path) != content:
                    found.append(f"{self._name(path)}: its content has changed")
        return found

    def _paths(self) -> list[Path]:
        return [*(self._root / name for name in self._protected()), *self._besides]

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root)) if path.is_relative_to(self._root) else str(path)


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
    except OSError as error:
        return f"cannot be read: {error.strerror}"
