"""Lines, documents and texts with upper limits: what is larger is reported, never loaded."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from subcritical.errors import SourceError
from subcritical.ingest.records import Place

LINE_MAX = 16 << 20
"""Bytes of one line; a longer one is broken, and what follows it is read."""
DOCUMENT_MAX = 256 << 20
"""Bytes of one document that must be decoded as a whole."""
TEXT_MAX = 100_000
"""Characters kept of one text."""
_BLOCK = 1 << 20


class Line(msgspec.Struct, frozen=True):
    """One line: its number from 1, the offset of its first byte, its bytes without the line end; None if too long."""

    number: int
    offset: int
    data: bytes | None


def lines(path: Path) -> Iterator[Line]:
    """Lines of a regular file that are not blank."""
    number, offset = 0, 0
    with open_regular(path) as file:
        while True:
            data = file.readline(LINE_MAX + 1)
            if not data:
                return
            number += 1
            begin, length = offset, len(data)
            whole = data.endswith(b"\n") or length <= LINE_MAX
            while not whole:
                part = file.readline(_BLOCK)
                length += len(part)
                whole = not part or part.endswith(b"\n")
            offset = begin + length
            if length > LINE_MAX + 1:
                yield Line(number, begin, None)
            elif data.strip():
                yield Line(number, begin, data.rstrip(b"\r\n"))


def place_of(path: Path, line: Line) -> Place:
    """The place of a line; of one too long only its beginning is known."""
    last = None if line.data is None else line.offset + max(len(line.data) - 1, 0)
    return Place(path=str(path), line=line.number, first_byte=line.offset, last_byte=last)


def open_regular(path: Path) -> Any:
    """Open a regular file for reading; links, FIFOs and devices are refused.

    Raises:
        SourceError: It is no regular file, or cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from None
    file = os.fdopen(handle, "rb")
    if not os.path.isfile(handle):  # noqa: PTH113 - of the open descriptor, not of a name
        file.close()
        raise SourceError("is not a regular file")
    return file


def document(path: Path) -> bytes:
    """The bytes of a whole file.

    Raises:
        SourceError: It is larger than a document may be, or cannot be read.
    """
    with open_regular(path) as file:
        data: bytes = file.read(DOCUMENT_MAX + 1)
    if len(data) > DOCUMENT_MAX:
        raise SourceError(f"is larger than {DOCUMENT_MAX >> 20} MiB, too large for one document")
    return data


def decode(data: bytes | str) -> Any:
    """Any JSON value; NaN and infinities, which some writers emit, become None.

    Raises:
        SourceError: It is not JSON, or nested too deeply.
    """
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise SourceError("nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError) as error:  # an unpaired surrogate is text that cannot be encoded
        return _decode_leniently(data, str(error))


def _decode_leniently(data: bytes | str, why: str) -> Any:
    """The standard library's reader takes NaN and Infinity, which Python programs write."""
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    if "NaN" not in text and "Infinity" not in text:
        raise SourceError(f"not JSON: {why}")
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"not JSON: {error}") from None


def cut(value: object) -> str:
    """A text as it is, anything else as JSON, at most `TEXT_MAX` characters, with nothing unpaired in it."""
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    except (RecursionError, OverflowError):
        return "(nested too deeply, or with numbers too large, to be shown)"
    text = text[:TEXT_MAX]
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def whole(value: object) -> int | None:
    """A whole number, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 62 else None


def number(value: object) -> float | None:
    """A number that is finite as a float, truth values included as 0 and 1; else None."""
    if not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def mapping(value: object) -> dict[str, Any]:
    """The object itself, or an empty one where something else stands."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """The list itself, or an empty one where something else stands."""
    return value if isinstance(value, list) else []


def without(record: dict[str, Any], *known: str) -> dict[str, Any]:
    """The fields that are not among `known`."""
    return {name: value for name, value in record.items() if name not in known}
