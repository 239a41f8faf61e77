"""Reads a hostile directory tree into memory: bounded, following nothing, never blocking.

The bytes that come out are the only ones anything else uses; the tree itself may change at any
moment and is read once. Nothing is written.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import unicodedata
from collections.abc import Callable, Iterator

import msgspec

_OPENAT2 = 437  # the same on every architecture
_RESOLVE = 0x01 | 0x02 | 0x04 | 0x08  # NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_CHUNK = 1 << 20
_BLOCK = 512
_LONGEST_NAME = 255
_LONGEST_SHOWN = 1000
_MOST_REFUSALS = 1000
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_libc = ctypes.CDLL(None, use_errno=True)


class CollectLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a collector reads at most.

    Attributes:
        entries: Directory entries looked at, of every kind.
        depth: Directories above a file, at most; 0 reads only the top.
        file_bytes: Size of one file.
        total_bytes: Size of all files together.
        ignore: Names of directories that are passed over without a word, at any depth.
    """

    entries: int = 10_000
    depth: int = 32
    file_bytes: int = 16 << 20
    total_bytes: int = 64 << 20
    ignore: tuple[str, ...] = ()


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What was read.

    Attributes:
        files: Relative path (`/` between parts) to content.
        refused: (path, reason) of everything that was not read; paths are escaped for showing.
        complete: Whether every entry was looked at. False means that a limit ended the reading.
    """

    files: dict[str, bytes]
    refused: tuple[tuple[str, str], ...] = ()
    complete: bool = True


class _Reading:
    """One reading: its result so far, and what is left of the limits."""

    def __init__(self, top: int, limits: CollectLimits) -> None:
        self.top = top
        self.limits = limits
        self.files: dict[str, bytes] = {}
        self.refused: list[tuple[str, str]] = []
        self.entries = 0
        self.total = 0
        self.complete = True

    def refuse(self, path: str, reason: str) -> None:
        if len(self.refused) < _MOST_REFUSALS:
            self.refused.append((escape_path(path)[:_LONGEST_SHOWN], reason))
        elif len(self.refused) == _MOST_REFUSALS:
            self.refused.append(("...", "more refusals than are listed"))


def collect(directory_fd: int, limits: CollectLimits | None = None) -> Collected:
    """Read every plain file below a directory.

    Refused, each with its reason: links (also hard links: the other name may lie elsewhere),
    FIFOs, sockets, devices, other file systems, sparse files, names that are not UTF-8 or hold
    control or direction characters, what is deeper or larger than the limits, and what cannot be
    opened. A file that changes while it is read is refused.

    Args:
        directory_fd: An open directory; it is not closed.
        limits: Defaults where None.

    Returns:
        Files in the order of their paths.
    """
    reading = _Reading(directory_fd, limits or CollectLimits())
    todo: list[tuple[str, int]] = [("", 0)]
    while todo:
        path, depth = todo.pop()
        handle = _open_directory(reading, path)
        if handle is None:
            continue
        try:
            for name in _names(reading, handle):
                below = f"{path}/{name}" if path else name
                if _take(reading, handle, name, below):
                    _descend(reading, below, depth, todo)
        finally:
            os.close(handle)
        if not reading.complete:
            break
    files = dict(sorted(reading.files.items()))
    return Collected(files=files, refused=tuple(reading.refused), complete=reading.complete)


def escape_path(path: str) -> str:
    """A path as it can be shown: control, direction and undecodable characters as escapes."""
    shown = []
    for letter in path:
        plain = letter.isprintable() and letter not in _BIDI and not unicodedata.category(letter).startswith("C")
        shown.append(
            letter if plain and letter != "\\" else letter.encode("unicode_escape", "surrogatepass").decode("ascii")
        )
    return "".join(shown)


def _descend(reading: _Reading, path: str, depth: int, todo: list[tuple[str, int]]) -> None:
    if path.rsplit("/", 1)[-1] in reading.limits.ignore:
        return
    if depth >= reading.limits.depth:
        reading.refuse(path, f"deeper than {reading.limits.depth} directories")
        return
    todo.append((path, depth + 1))


def _open_directory(reading: _Reading, path: str) -> int | None:
    """Open a directory again from the top: a name checked before may have become a link since."""
    if not path:
        return os.open(".", _FLAGS | os.O_DIRECTORY, dir_fd=reading.top)
    try:
        return open_beneath(reading.top, path, _FLAGS | os.O_DIRECTORY)
    except OSError as error:
        reading.refuse(path, f"cannot be opened ({os.strerror(error.errno or 0)})")
        return None


def _names(reading: _Reading, handle: int) -> Iterator[str]:
    """Names of one directory, sorted; at most as many as the limit has left."""
    names = []
    with os.scandir(handle) as listing:
        for entry in listing:
            if reading.entries >= reading.limits.entries:
                reading.complete = False
                reading.refuse("", f"more than {reading.limits.entries} entries: the rest was not read")
                break
            reading.entries += 1
            names.append(entry.name)
    yield from sorted(names)


def _take(reading: _Reading, directory: int, name: str, path: str) -> bool:
    """Deal with one entry; True where it is a directory to go into."""
    reason = _bad_name(name)
    if reason:
        reading.refuse(path, reason)
        return False
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        reading.refuse(path, f"cannot be looked at ({os.strerror(error.errno or 0)})")
        return False
    if stat.S_ISDIR(status.st_mode):
        return True
    reason = _bad_kind(reading, status)
    if reason:
        reading.refuse(path, reason)
        return False
    _read(reading, directory, name, path)
    return False


def _bad_name(name: str) -> str:
    if len(os.fsencode(name)) > _LONGEST_NAME:
        return "name too long"
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "name is not UTF-8"
    if any(letter in _BIDI or unicodedata.category(letter) in {"Cc", "Cf", "Zl", "Zp"} for letter in name):
        return "name holds control or direction characters"
    return ""


def _bad_kind(reading: _Reading, status: os.stat_result) -> str:
    kinds: tuple[tuple[Callable[[int], bool], str], ...] = (
        (stat.S_ISLNK, "is a symbolic link"),
        (stat.S_ISFIFO, "is a FIFO"),
        (stat.S_ISSOCK, "is a socket"),
        (stat.S_ISCHR, "is a device"),
        (stat.S_ISBLK, "is a device"),
    )
    for test, reason in kinds:
        if test(status.st_mode):
            return reason
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        return f"is no plain file with one name (it has {status.st_nlink}: a hard link?)"
    if status.st_size > reading.limits.file_bytes:
        return f"is larger than {reading.limits.file_bytes} bytes"
    if status.st_size > status.st_blocks * _BLOCK + (1 << 16):
        return "is sparse"
    if reading.total + status.st_size > reading.limits.total_bytes:
        reading.complete = False
        return f"all files together are larger than {reading.limits.total_bytes} bytes"
    return ""


def _read(reading: _Reading, directory: int, name: str, path: str) -> None:
    """Read one file. It is looked at again after opening: the name may mean something else by now."""
    try:
        handle = open_beneath(directory, name, _FLAGS)
    except OSError as error:
        reading.refuse(path, f"cannot be opened ({os.strerror(error.errno or 0)})")
        return
    try:
        before = os.fstat(handle)
        reason = _bad_kind(reading, before)
        if reason:
            reading.refuse(path, reason)
            return
        content = bytearray()
        while len(content) <= before.st_size:
            part = os.read(handle, min(_CHUNK, before.st_size + 1 - len(content)))
            if not part:
                break
            content += part
        after = os.fstat(handle)
    except OSError as error:
        reading.refuse(path, f"cannot be read ({os.strerror(error.errno or 0)})")
        return
    finally:
        os.close(handle)
    if len(content) != before.st_size or (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        reading.refuse(path, "changed while it was read")
        return
    reading.total += len(content)
    reading.files[path] = bytes(content)


def open_beneath(directory: int, path: str, flags: int) -> int:
    """Open a path below a directory without following any link or leaving the file system.

    Raises:
        OSError: It cannot be opened so.
    """
    how = b"".join(part.to_bytes(8, "little") for part in (flags, 0, _RESOLVE))
    handle: int = _libc.syscall(_OPENAT2, directory, os.fsencode(path), how, len(how))
    if handle >= 0:
        return handle
    number = ctypes.get_errno()
    if number not in {errno.ENOSYS, errno.EPERM, errno.E2BIG}:
        raise OSError(number, os.strerror(number), path)
    return _open_stepwise(directory, path, flags)


def _open_stepwise(directory: int, path: str, flags: int) -> int:
    """The same without openat2: one part at a time, none of them a link, all on one file system."""
    device = os.fstat(directory).st_dev
    *parents, name = path.split("/")
    current = os.dup(directory)
    try:
        for part in parents:
            if part in {"", ".", ".."}:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
            os.close(current)
            current = below
        if name in {"", ".", ".."}:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
        handle = os.open(name, flags | os.O_NOFOLLOW, dir_fd=current)
    finally:
        os.close(current)
    if os.fstat(handle).st_dev != device:
        os.close(handle)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    return handle
