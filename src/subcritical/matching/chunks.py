"""A file of lines in chunks of about 1 MiB that end where a line ends, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from subcritical.errors import SourceError

CHUNK = 1 << 20
"""Bytes asked for in one read; a chunk is what has come up to the last newline."""
LINE_MAX = 16 << 20
"""Bytes of one line; a longer one is reported and passed over, and what follows it is read."""


def chunks(path: Path, *, size: int = CHUNK, line_max: int = LINE_MAX) -> Iterator[bytes | None]:
    """Whole lines, each ended by a newline; None stands for one line that is too long.

    Args:
        path: A regular file; links, FIFOs and devices are refused.
        size: Bytes of one read, >= 1.
        line_max: Bytes of the longest line, >= size, its newline not counted.

    Raises:
        SourceError: It is no regular file, or cannot be opened or read.

    Memory: at most line_max + 2 * size bytes.
    """
    with _opened(path) as file:
        carried: list[bytes] = []
        length = 0  # bytes of the unfinished line; above line_max it has been reported and is passed over
        while block := _read(file, size):
            if length > line_max:
                rest = _after_newline(block)
                if rest is None:
                    continue
                block, length = rest, 0
            first, cut = block.find(b"\n") + 1, block.rfind(b"\n") + 1
            if not cut:
                carried.append(block)
                length += len(block)
                if length > line_max:
                    carried = []
                    yield None
                continue
            if length + first - 1 > line_max:
                carried, block, cut = [], block[first:], cut - first
                yield None
            if cut:
                yield b"".join([*carried, block[:cut]])
            carried, length = [block[cut:]], len(block) - cut
        if 0 < length <= line_max:
            yield b"".join([*carried, b"\n"])


def _after_newline(block: bytes) -> bytes | None:
    """What follows the first newline; None where there is none."""
    at = block.find(b"\n")
    return None if at < 0 else block[at + 1 :]


def _read(file: IO[bytes], size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise SourceError(f"cannot be read on: {error.strerror}") from None


def _opened(path: Path) -> IO[bytes]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    if not os.path.isfile(handle):  # noqa: PTH113 - of the open descriptor, not of a name
        os.close(handle)
        raise SourceError(f"{path} is not a regular file")
    return os.fdopen(handle, "rb", buffering=0)
