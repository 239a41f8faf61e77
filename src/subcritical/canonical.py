"""One way to turn a record into bytes, and bytes into a digest.

Canonical JSON as in RFC 8785: keys sorted by UTF-16 code units, no white space, numbers as
ECMAScript prints them, no NaN or infinity.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import msgspec

from subcritical.errors import InputError

_MAX_SAFE_INTEGER = 2**53 - 1
_PLAIN_LOW, _PLAIN_HIGH = 1e-6, 1e21


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of a record or of plain JSON data.

    Args:
        value: A `msgspec.Struct`, dict, list, tuple, str, bool, None, float, or int within
            +-(2^53 - 1); larger integers have no exact JSON number and are refused.

    Raises:
        InputError: NaN, infinity, an integer out of range, or a type JSON has no form for.
    """
    try:
        plain = msgspec.to_builtins(value)
    except TypeError as error:
        raise InputError(f"canonical JSON: {error}") from error
    return _text(plain).encode("utf-8")


def digest(data: bytes) -> str:
    """`sha256:` and 64 hex digits of `data`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def record_digest(value: Any) -> str:
    """Digest of the canonical bytes of `value`."""
    return digest(canonical_json(value))


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        if abs(value) > _MAX_SAFE_INTEGER:
            raise InputError(f"canonical JSON: integer {value} is beyond 2^53 - 1; write it as a string")
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, dict):
        return _object(value)
    raise InputError(f"canonical JSON: no form for {type(value).__name__}")


def _object(value: dict[Any, Any]) -> str:
    if not all(isinstance(key, str) for key in value):
        raise InputError("canonical JSON: a key that is no text")
    keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(f"{_string(key)}:{_text(value[key])}" for key in keys) + "}"


def _string(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError("canonical JSON: text holds a lone surrogate") from error
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise InputError(f"canonical JSON: {value} has no form; record it as null with a reason")
    if value == 0:
        return "0"
    if _PLAIN_LOW <= abs(value) < _PLAIN_HIGH:
        return _plain(repr(value))
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def _plain(shortest: str) -> str:
    """Write Python's shortest form of a number between 1e-6 and 1e21 without an exponent."""
    mantissa, _, exponent = shortest.partition("e")
    if not exponent:
        return shortest.removesuffix(".0")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    shift = int(exponent)
    if shift < 0:
        return f"{sign}0.{'0' * (-shift - 1)}{whole}{'' if fraction == '0' else fraction}"
    digits = whole + ("" if fraction == "0" else fraction)
    return sign + digits.ljust(shift + 1, "0")
