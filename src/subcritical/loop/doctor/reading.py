"""Read a directory that nobody vouches for: bounded, without following a link, without running anything.

A project is hostile input: it may hold FIFOs that never answer, links that lead outside, files of
any size and trees of any depth. What is not read is reported with the reason, never passed over.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path, PurePosixPath

import msgspec

from subcritical.errors import InputError
from subcritical.loop.doctor.records import Unread

MAX_FILES = 3_000
MAX_ENTRIES = 30_000
MAX_DEPTH = 16
MAX_FILE_BYTES = 512 << 10
MAX_TOTAL_BYTES = 24 << 20
MAX_UNREAD = 200

_TEXT = frozenset(
    [
        ".py",
        ".pyw",
        ".sh",
        ".bash",
        ".zsh",
        ".md",
        ".txt",
        ".rst",
        ".yaml",
        ".yml",
        ".toml",
        ".json",
        ".cfg",
        ".ini",
        ".mk",
        ".env",
        ".tsv",
        ".csv",
        ".mdc",
        ".pth",
        ".jsonl",
        ".just",
    ]
)
_TEXT_NAMES = frozenset(["makefile", "gnumakefile", "dockerfile", "justfile", "containerfile"])
_SKIPPED = frozenset(
    ["__pycache__", "node_modules", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".tox", ".hg", ".svn"]
)


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """A tree in memory. `files` maps relative paths to text; `names` holds every regular file seen."""

    root: str
    files: dict[str, str]
    names: frozenset[str]
    folders: frozenset[str]
    unread: tuple[Unread, ...]


class _Reader:
    """State of one walk; its limits are per tree."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.names: set[str] = set()
        self.folders: set[str] = set()
        self.unread: list[Unread] = []
        self.left_out: Counter[str] = Counter()
        self.entries = 0
        self.total = 0

    def skip(self, path: str, why: str) -> None:
        if len(self.unread) < MAX_UNREAD:
            self.unread.append(Unread(printable(path), why))
        else:
            self.left_out[why] += 1

    def walk(self, root_fd: int) -> None:
        """Visit everything below `root_fd`, directories by descriptor so that no path is resolved twice."""
        pending: list[tuple[str, int]] = [("", 0)]
        while pending:
            folder, depth = pending.pop()
            try:
                descriptor = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root_fd)
            except OSError as error:
                self.skip(folder or ".", f"directory not opened: {error.strerror}")
                continue
            try:
                pending.extend(self._folder(folder, depth, descriptor))
            finally:
                os.close(descriptor)

    def _folder(self, folder: str, depth: int, descriptor: int) -> list[tuple[str, int]]:
        below: list[tuple[str, int]] = []
        with os.scandir(descriptor) as scan:
            entries = sorted(_bounded(scan), key=lambda entry: entry.name)
        for entry in entries:
            self.entries += 1
            path = f"{folder}/{entry.name}" if folder else entry.name
            if self.entries > MAX_ENTRIES:
                self.skip(path, f"more than {MAX_ENTRIES} entries: the rest was not looked at")
                return []
            if not _is_text_name(entry.name):
                self.skip(path, "name is not plain UTF-8 text")
                continue
            self._entry(entry, path, depth, descriptor, below)
        return below

    def _entry(
        self, entry: os.DirEntry[str], path: str, depth: int, descriptor: int, below: list[tuple[str, int]]
    ) -> None:
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError as error:
            self.skip(path, f"not looked at: {error.strerror}")
            return
        if stat.S_ISLNK(mode):
            self.skip(path, "symbolic link: not followed")
        elif stat.S_ISDIR(mode):
            self._directory(entry.name, path, depth, below)
        elif stat.S_ISREG(mode):
            self._file(entry.name, path, descriptor)
        else:
            self.skip(path, "not a regular file (FIFO, socket or device)")

    def _directory(self, name: str, path: str, depth: int, below: list[tuple[str, int]]) -> None:
        self.folders.add(path)
        if name in _SKIPPED or path == ".git/objects":
            return
        if depth + 1 > MAX_DEPTH:
            self.skip(path, f"deeper than {MAX_DEPTH} directories")
            return
        below.append((path, depth + 1))

    def _file(self, name: str, path: str, descriptor: int) -> None:
        self.names.add(path)
        suffix = PurePosixPath(name).suffix.lower()
        hooks = ".git/hooks/" in f"/{path}" and suffix != ".sample"
        if (".git/" in path and not hooks) or not (
            suffix in _TEXT or suffix == "" or hooks or name.lower() in _TEXT_NAMES or name.startswith(".env")
        ):
            return
        if len(self.files) >= MAX_FILES or self.total >= MAX_TOTAL_BYTES:
            self.skip(path, f"more than {MAX_FILES} files or {MAX_TOTAL_BYTES >> 20} MiB of text")
            return
        try:
            data = _read_file(name, descriptor)
        except OSError as error:
            self.skip(path, f"not opened: {error.strerror}")
            return
        if len(data) > MAX_FILE_BYTES:
            self.skip(path, f"larger than {MAX_FILE_BYTES >> 10} KiB")
            return
        self.total += len(data)
        self._text(path, suffix, data)

    def _text(self, path: str, suffix: str, data: bytes) -> None:
        if suffix == "" and not data.startswith(b"#!") and PurePosixPath(path).name.lower() not in _TEXT_NAMES:
            return
        try:
            self.files[path] = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self.skip(path, f"not UTF-8 at byte {error.start}")


def read_tree(directory: Path) -> Tree:
    """Read the text files below `directory`, at most 24 MiB, 3,000 files and 16 levels.

    Raises:
        InputError: `directory` is missing or not a directory.
    """
    try:
        root_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise InputError(f"{directory}: cannot be examined: {error.strerror}") from error
    reader = _Reader()
    try:
        reader.walk(root_fd)
    finally:
        os.close(root_fd)
    for why, count in sorted(reader.left_out.items()):
        reader.unread.append(Unread(f"{count} more", why))
    return Tree(
        root=str(directory),
        files=reader.files,
        names=frozenset(reader.names),
        folders=frozenset(reader.folders),
        unread=tuple(sorted(reader.unread)),
    )


def printable(text: str, limit: int = 300) -> str:
    """Make hostile text safe for a terminal: control, bidi and surrogate characters become escapes."""
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text[:limit]
    )
    return shown if len(text) <= limit else f"{shown}..."


def _is_text_name(name: str) -> bool:
    return name.isprintable() and not any("\ud800" <= c <= "\udfff" for c in name)


def _bounded(scan: os._ScandirIterator[str]) -> list[os.DirEntry[str]]:
    entries = []
    for entry in scan:
        entries.append(entry)
        if len(entries) > MAX_ENTRIES:
            break
    return entries


def _read_file(name: str, descriptor: int) -> bytes:
    """Read at most one byte more than the limit; O_NONBLOCK in case the entry became a FIFO meanwhile."""
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(0, "no longer a regular file")
        parts: list[bytes] = []
        size = 0
        while size <= MAX_FILE_BYTES and (part := os.read(file, 1 << 16)):
            parts.append(part)
            size += len(part)
        return b"".join(parts)
    finally:
        os.close(file)
