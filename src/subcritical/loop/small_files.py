"""Small files that somebody named: read whole, never more than a limit, with one clear error."""

from __future__ import annotations

from pathlib import Path

from subcritical.errors import InputError

MEBIBYTE = 1 << 20


def read_small(path: Path, most: int = MEBIBYTE) -> bytes:
    """The bytes of a file of at most `most` bytes.

    Raises:
        InputError: It cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; name a file that can be read") from error
    if len(data) > most:
        raise InputError(f"{path}: larger than {most:,} bytes; name a smaller file")
    return data


def read_text(path: Path) -> str:
    """The text of a file of at most 1 MiB.

    Raises:
        InputError: It cannot be read, is larger, or not UTF-8.
    """
    try:
        return read_small(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}") from error
