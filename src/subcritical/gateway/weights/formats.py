"""What a file of weights holds, from its headers. Nothing in it is loaded, and nothing that could run code is accepted.

safetensors: 8 bytes of length, that many of JSON, then the bytes of the tensors, without a gap
(https://huggingface.co/docs/safetensors). npz: a ZIP file of npy arrays (NumPy enhancement proposal 1).
"""

from __future__ import annotations

import io
import math
import zipfile
from typing import Any, BinaryIO

import msgspec
import numpy as np

from subcritical.errors import InputError

_HEADER_MAX = 1 << 20
_MEMBERS_MAX = 10_000
_LENGTH_BYTES = 8
_ARRAY_HEAD = 16 << 10
_DTYPE_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}


class Tensors(msgspec.Struct, frozen=True):
    """How many tensors a file holds, and how many numbers in all."""

    count: int
    numbers: int

    def __str__(self) -> str:
        """For people."""
        return f"{self.count} tensors, {self.numbers:,} numbers"


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def tensors_of(name: str, data: BinaryIO, size: int) -> Tensors:
    """Read the headers of a file of weights.

    Args:
        name: Its name; the ending says the format.
        data: The file, open for reading from its beginning.
        size: Its length in bytes.

    Raises:
        InputError: Another format, or not what it says; formats that run code when they are loaded are among them.
    """
    read = _READERS.get(name.rsplit(".", 1)[-1].casefold())
    if read is None:
        raise InputError(f"{name}: weights are read from .safetensors and .npz only; other formats can run code")
    try:
        return read(data, size)
    except (ValueError, OSError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, msgspec.MsgspecError) as error:
        raise InputError(f"{name}: these are no weights in the format that its name says: {error}") from error


def _safetensors(data: BinaryIO, size: int) -> Tensors:
    length = int.from_bytes(data.read(_LENGTH_BYTES), "little")
    if not 0 < length <= min(_HEADER_MAX, size - _LENGTH_BYTES):
        raise ValueError(f"its header claims {length} bytes")
    header = msgspec.json.decode(data.read(length), type=dict[str, Any])
    header.pop("__metadata__", None)
    entries = [msgspec.convert(entry, _Entry) for entry in header.values()]
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.data_offsets):
        begin, stop = entry.data_offsets
        numbers = math.prod(entry.shape)
        if begin != end or min(entry.shape, default=0) < 0 or stop - begin != numbers * _DTYPE_BYTES[entry.dtype]:
            raise ValueError("a tensor does not lie where its header says")
        end = stop
    if end != size - _LENGTH_BYTES - length:
        raise ValueError("it holds bytes that belong to no tensor")
    return Tensors(len(entries), sum(math.prod(entry.shape) for entry in entries))


def _npz(data: BinaryIO, size: int) -> Tensors:  # noqa: ARG001 - one way to call readers
    with zipfile.ZipFile(data) as archive:
        members = archive.infolist()
        if len(members) > _MEMBERS_MAX:
            raise ValueError(f"it holds {len(members)} members")
        numbers = 0
        for member in members:
            if not member.filename.endswith(".npy"):
                raise ValueError(f"its member {member.filename[:100]!r} is no array")
            with archive.open(member) as array:
                numbers += _array(io.BytesIO(array.read(_ARRAY_HEAD)))
        return Tensors(len(members), numbers)


def _array(head: BinaryIO) -> int:
    version = np.lib.format.read_magic(head)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(head)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which run code when they are loaded")
    return math.prod(shape)


_READERS = {"safetensors": _safetensors, "npz": _npz}
