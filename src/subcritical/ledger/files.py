"""The file operations a journal needs, so that a test can cut the power between any two of them."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from pathlib import Path
from typing import BinaryIO, Protocol

from subcritical.errors import LedgerError

_SECRET_BYTES_MAX = 64 << 10
_OWNER_FILE = 0o600
_OWNER_DIRECTORY = 0o700
_GUARDED = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Never through a link, never inherited, and no waiting for the other end of a planted FIFO."""


class LogFile(Protocol):
    """One open file. Nothing written is safe before `sync` returned. Errors are `OSError`."""

    def append(self, data: bytes) -> None:
        """Write all of `data` at the end."""
        ...

    def overwrite(self, data: bytes) -> None:
        """Write all of `data` at the start, leaving what lies behind it."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes, durably."""
        ...

    def sync(self) -> None:
        """Return once everything written so far survives a power cut."""
        ...

    def close(self) -> None:
        """Close without syncing."""
        ...


class Lock(Protocol):
    """A held lock of a directory."""

    def release(self) -> None:
        """Let the next writer in."""
        ...


class FileLayer(Protocol):
    """Where a journal lives. Errors are `OSError`."""

    def make_directory(self, directory: Path) -> None:
        """Make `directory` and its missing parents, durably. An existing one becomes its owner's alone."""
        ...

    def exists(self, directory: Path) -> bool:
        """Whether there is such a directory."""
        ...

    def names(self, directory: Path) -> list[str]:
        """Names in `directory`, sorted."""
        ...

    def create(self, path: Path) -> LogFile:
        """Make a new file for its owner alone; its name is durable only after `sync_directory`."""
        ...

    def open(self, path: Path) -> LogFile:
        """Open a regular file for writing."""
        ...

    def reader(self, path: Path) -> BinaryIO:
        """Open a regular file for reading; seekable."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file; durable only after `sync_directory`."""
        ...

    def replace(self, new: Path, old: Path) -> None:
        """Put the file `new` in the place of `old`, all or nothing; durable only after `sync_directory`."""
        ...

    def sync_directory(self, directory: Path) -> None:
        """Make the names in `directory` durable."""
        ...

    def lock(self, path: Path) -> Lock:
        """Take the lock file at `path`.

        Raises:
            BlockingIOError: Another holder has it.
        """
        ...


class OsFiles:
    """The file system of this machine."""

    def make_directory(self, directory: Path) -> None:
        """Make `directory` (0700) and its missing parents; sync each parent that got a new name."""
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=_OWNER_DIRECTORY, exist_ok=True)  # another process may have been faster
            self.sync_directory(path.parent)
        if not missing:
            directory.chmod(_OWNER_DIRECTORY)

    def exists(self, directory: Path) -> bool:
        """Whether there is such a directory."""
        return directory.is_dir()

    def names(self, directory: Path) -> list[str]:
        """Names in `directory`, sorted."""
        return sorted(os.listdir(directory))  # noqa: PTH208 - names are all that is wanted

    def create(self, path: Path) -> LogFile:
        """Make a new file (0600)."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _GUARDED, _OWNER_FILE)
        return _OsFile(descriptor)

    def open(self, path: Path) -> LogFile:
        """Open an existing regular file for writing."""
        return _OsFile(_regular(path, os.O_RDWR))

    def reader(self, path: Path) -> BinaryIO:
        """Open an existing regular file for reading."""
        return os.fdopen(_regular(path, os.O_RDONLY), "rb", buffering=1 << 18)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def replace(self, new: Path, old: Path) -> None:
        """Rename within one directory."""
        new.replace(old)

    def sync_directory(self, directory: Path) -> None:
        """Sync the directory itself: without it a new file can vanish with its synced content."""
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lock(self, path: Path) -> Lock:
        """Take an exclusive `flock`; the kernel drops it when the holder dies, however it dies."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _GUARDED, _OWNER_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            raise
        return _OsLock(descriptor)


class _OsLock:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Unlock before closing, so that a copy of the descriptor in a fork cannot keep the lock."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)


class _OsFile:
    """Writes at offsets of its own. One writer holds the directory's lock, so nobody else moves the end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._end = os.fstat(descriptor).st_size

    def append(self, data: bytes) -> None:
        """Write all of `data` at the end."""
        self._end = self._write(data, self._end)

    def overwrite(self, data: bytes) -> None:
        """Write all of `data` at the start."""
        self._end = max(self._end, self._write(data, 0))

    def _write(self, data: bytes, offset: int) -> int:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written
        return offset

    def truncate(self, size: int) -> None:
        """Cut and sync in full: a cut that comes back after a crash would mix with what was written since."""
        os.ftruncate(self._descriptor, size)
        os.fsync(self._descriptor)
        self._end = size

    def sync(self) -> None:
        """`fdatasync`: data and the size needed to find it, without time stamps."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close without syncing."""
        os.close(self._descriptor)


def read_secret(path: Path, what: str, instead: str) -> bytes:
    """Content of a small file that its owner alone can read.

    Args:
        path: The file, up to 64 KiB.
        what: For the message, such as `log key`.
        instead: What to do where others can read it, for the message.

    Raises:
        LedgerError: Others may read or own it: what they could copy proves nothing any more.
        OSError: It cannot be read.
    """
    with OsFiles().reader(path) as stream:
        status = os.fstat(stream.fileno())
        data = stream.read(_SECRET_BYTES_MAX)
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise LedgerError(f"{what} {path}: others may read or own it, so it proves nothing any more; {instead}")
    return data


def wait_for_lock(files: FileLayer, path: Path, wait_s: float = 5.0) -> Lock:
    """A lock that another process may hold for a moment.

    Raises:
        BlockingIOError: It is still held after `wait_s` seconds.
    """
    end = time.monotonic() + wait_s
    while True:
        try:
            return files.lock(path)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
        time.sleep(0.005)


def store(files: FileLayer, path: Path, content: bytes) -> None:
    """Put a whole file in place, durably and all or nothing. Its directory must exist.

    A file `<name>.new` beside it is the leftover of a writer that was killed, and is replaced.
    """
    temporary = path.with_name(f"{path.name}.new")
    if temporary.name in files.names(path.parent):
        files.remove(temporary)
    file = files.create(temporary)
    try:
        file.append(content)
        file.sync()
    finally:
        file.close()
    files.replace(temporary, path)
    files.sync_directory(path.parent)


def _regular(path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | _GUARDED)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return descriptor
