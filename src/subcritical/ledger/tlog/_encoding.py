"""Text forms that every format here shares, each with exactly one spelling per value.

Two spellings of one value would let two readers disagree about whether two files are the same, and would let
somebody change bytes that a signature was thought to cover.
"""

from __future__ import annotations

import binascii
import re

from subcritical.ledger.tlog.errors import FormatError
from subcritical.ledger.tlog.hashing import HASH_BYTES, SIZE_MAX

_DECIMAL = re.compile(rb"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")


def to_base64(data: bytes) -> bytes:
    """Standard base64 with padding, RFC 4648 section 4."""
    return binascii.b2a_base64(data, newline=False)


def from_base64(text: bytes, what: str) -> bytes:
    """Bytes of a base64 text; the padding must be there and its unused bits must be zero."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise FormatError(f"{what}: not base64 ({error})") from None
    if to_base64(data) != text:
        raise FormatError(f"{what}: not the one canonical base64 of its bytes")
    return data


def from_hash_line(text: bytes, what: str) -> bytes:
    """One 32-byte hash in base64."""
    data = from_base64(text, what)
    if len(data) != HASH_BYTES:
        raise FormatError(f"{what}: {len(data)} bytes, a SHA-256 hash has {HASH_BYTES}")
    return data


def from_decimal(text: bytes, what: str, *, most: int = SIZE_MAX) -> int:
    """A number from 0 to `most`, without sign, space or leading zero."""
    if _DECIMAL.fullmatch(text) is None:
        raise FormatError(f"{what}: not a decimal number without sign and leading zeros")
    value = int(text)
    if value > most:
        raise FormatError(f"{what}: {value} is above {most}")
    return value


def from_utf8(data: bytes, what: str) -> str:
    """Text in UTF-8 that has no ASCII control character but newline."""
    found = _CONTROL.search(data)
    if found is not None:
        raise FormatError(f"{what}: control character 0x{data[found.start()]:02x} at byte {found.start()}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{what}: not UTF-8 at byte {error.start}") from None


def to_utf8(text: str, what: str) -> bytes:
    """UTF-8 of `text` under the same rules as `from_utf8`."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise FormatError(f"{what}: character {error.start} has no UTF-8 form") from None
    from_utf8(data, what)
    return data


def check_range(value: object, what: str, *, least: int = 0, most: int = SIZE_MAX) -> None:
    """Refuse what is not an int (a bool is none) from `least` to `most`."""
    if type(value) is not int or not least <= value <= most:
        raise FormatError(f"{what}: {value!r} is not a whole number from {least} to {most}")


def check_bytes(value: object, what: str, length: int) -> None:
    """Refuse what is not exactly `length` bytes."""
    if type(value) is not bytes or len(value) != length:
        raise FormatError(f"{what}: not {length} bytes")


def check_limit(data: bytes, what: str, most: int) -> None:
    """Refuse input above a bound before anything looks at it."""
    if len(data) > most:
        raise FormatError(f"{what}: {len(data)} bytes, at most {most} are read")
