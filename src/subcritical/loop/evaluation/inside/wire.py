"""Frames between an evaluator and a candidate: JSON plus raw buffers, nothing that can execute.

This file also runs inside the sandboxes, so it imports the standard library only. A frame is two
32-bit lengths (JSON, buffers), the JSON text, then the buffers end to end. Arrays travel as
allow-listed dtype, shape and bytes; there are no objects, no pickle and no `.npy` headers.
Every length is checked against a cap before anything is read or allocated.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import struct
import sys
from collections.abc import Callable
from typing import Any

MAX_JSON = 16 << 20
MAX_BUFFERS = 128 << 20
MAX_ITEMS = 4096
MAX_DIMENSIONS = 8
DTYPES = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"}
)

_LENGTHS = struct.Struct("!II")
_ARRAY, _BYTES = "$array", "$bytes"


class WireError(Exception):
    """The other side sent something that is not a frame, or the value has no form here."""


def encode(value: Any) -> bytes:
    """One frame.

    Raises:
        WireError: A type that does not travel, or a size beyond the caps.
    """
    buffers: list[bytes] = []
    text = json.dumps(_pack(value, buffers)).encode("utf-8")
    size = sum(map(len, buffers))
    if len(text) > MAX_JSON or size > MAX_BUFFERS or len(buffers) > MAX_ITEMS:
        raise WireError("value too large for one frame")
    return b"".join((_LENGTHS.pack(len(text), size), text, *buffers))


def read(descriptor: int) -> Any:
    """Block for one frame and return its value.

    Raises:
        EOFError: The other side closed before a frame began.
        WireError: Not a frame, over a cap, or cut short.
    """
    return receive(lambda count: _read_exactly(descriptor, count))


def receive(take: Callable[[int], bytes]) -> Any:
    """Decode one frame from `take(count)`, which returns exactly `count` bytes."""
    text_size, size = _LENGTHS.unpack(take(_LENGTHS.size))
    if text_size > MAX_JSON or size > MAX_BUFFERS:
        raise WireError(f"frame of {text_size} + {size} bytes is over the cap")
    text = take(text_size) if text_size else b""
    data = take(size) if size else b""
    try:
        return _unpack(json.loads(text), memoryview(data))
    except WireError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WireError(f"not a frame: {type(error).__name__}") from error


def write(descriptor: int, value: Any) -> None:
    """Write one frame, blocking."""
    view = memoryview(encode(value))
    while view:
        view = view[os.write(descriptor, view) :]


def _pack(value: Any, buffers: list[bytes]) -> Any:
    if value is None or isinstance(value, bool | str | int | float):
        return _plain(value)
    if isinstance(value, bytes | bytearray | memoryview):
        buffers.append(bytes(value))
        return {_BYTES: len(buffers[-1])}
    if isinstance(value, list | tuple):
        return [_pack(item, buffers) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value) or _ARRAY in value or _BYTES in value:
            raise WireError("mappings travel with text keys only, and not with the reserved ones")
        return {key: _pack(item, buffers) for key, item in value.items()}
    return _pack_array(value, buffers)


def _plain(value: Any) -> Any:
    """Subclasses become the plain type; numbers that JSON cannot hold are named."""
    if isinstance(value, float) and not math.isfinite(value):
        return float(value)
    for kind in (bool, str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def _pack_array(value: Any, buffers: list[bytes]) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray | numpy.generic):
        raise WireError(f"a {type(value).__name__} does not travel; send JSON values, bytes or numeric arrays")
    array = numpy.ascontiguousarray(value)
    shape = list(numpy.shape(value))
    if array.dtype.name not in DTYPES:
        raise WireError(f"arrays of {array.dtype.name} do not travel")
    buffers.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return {_ARRAY: len(buffers[-1]), "dtype": array.dtype.name, "shape": shape}


def _unpack(value: Any, data: memoryview) -> Any:
    result, rest, _ = _walk(value, data, 0)
    if len(rest):
        raise WireError("a frame holds more bytes than its values use")
    return result


def _walk(value: Any, data: memoryview, count: int) -> tuple[Any, memoryview, int]:
    """Values in the order they were packed; each buffer is the next slice of `data`."""
    if isinstance(value, list):
        items: list[Any] = []
        for item in value:
            done, data, count = _walk(item, data, count)
            items.append(done)
        return items, data, count
    if not isinstance(value, dict):
        return value, data, count
    if _BYTES in value or _ARRAY in value:
        if count >= MAX_ITEMS:
            raise WireError("too many buffers in one frame")
        size = value[_BYTES] if _BYTES in value else value[_ARRAY]
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(data):
            raise WireError("a buffer is longer than its frame")
        chunk = bytes(data[:size])
        return (chunk if _BYTES in value else _array(value, chunk)), data[size:], count + 1
    result: dict[str, Any] = {}
    for key, item in value.items():
        result[key], data, count = _walk(item, data, count)
    return result, data, count


def _array(header: dict[str, Any], chunk: bytes) -> Any:
    dtype, shape = header.get("dtype"), header.get("shape")
    if dtype not in DTYPES or not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
        raise WireError("an array has a dtype or shape that is not allowed")
    if not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= MAX_BUFFERS for n in shape):
        raise WireError("an array has an impossible shape")
    numpy = importlib.import_module("numpy")
    kind = numpy.dtype(dtype).newbyteorder("<")
    if math.prod(shape) * kind.itemsize != len(chunk):
        raise WireError("an array's bytes do not fit its shape")
    return numpy.frombuffer(chunk, dtype=kind).reshape(shape).astype(dtype)


def _read_exactly(descriptor: int, count: int) -> bytes:
    parts: list[bytes] = []
    missing = count
    while missing:
        part = os.read(descriptor, min(missing, 1 << 20))
        if not part:
            if missing == count:
                raise EOFError
            raise WireError("frame cut short")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
