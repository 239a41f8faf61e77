"""Lines of a journal: what they hold and how their bytes are checked.

    {"crc":"8 hex digits","segment":{...}}                        first line of a segment
    {"crc":"8 hex digits","salt":"32 hex digits","record":{...}}  one record
    {"crc":"8 hex digits","erased":{...}}                         what is kept of an erased record
    {"crc":"8 hex digits","batch":{...}}                          closes and commits the records since the last batch

The checksum finds torn writes and rotten bits, line by line, and says where. It stops nobody: whoever can write
the file can write the checksum. The chain of batch digests makes a change in old records change every later digest,
which only helps against somebody who cannot also replace the digest that an outsider has kept.

The chain is over commitments: SHA-256 of a record's random salt and its bytes. So a record can be erased and the
commitment kept, and nobody can find out what it said by hashing guesses.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from subcritical.canonical import record_digest

FORMAT = 2
SALT_BYTES = 16
RECORD_BYTES_MAX = 8 << 20
"""Largest record, in bytes of JSON."""
BUFFER_BYTES_MAX = 8 << 20
BUFFER_RECORDS_MAX = 4096
"""At either of these a buffer takes nothing more before it is on disk."""
FRAME_BYTES_MAX = 4096
"""Largest segment or batch line."""
LINE_BYTES_MAX = RECORD_BYTES_MAX + 128
BATCH_BYTES_MAX = BUFFER_BYTES_MAX + BUFFER_RECORDS_MAX * 128 + LINE_BYTES_MAX + FRAME_BYTES_MAX
"""Largest batch on disk: a buffer that was just not full, one more record, and the batch line."""
MARK_BYTES = 256
MARK_NAME = "acknowledged"
LOCK_NAME = "lock"

_HEAD = b'{"crc":"'
_BODY = len(_HEAD) + 8 + len(b'",')
_SALT = b'"salt":"'
_SALTED = len(_SALT) + 2 * SALT_BYTES + len(b'",')


class Line(NamedTuple):
    """A line whose form and checksum are right: its kind, its JSON bytes, and the salt of a record."""

    kind: str
    payload: bytes
    salt: bytes = b""


class Segment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First line of a segment: where it hangs on the chain."""

    format: int
    run: str
    first: int
    previous: str


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One committed batch: records `first` to `last`, and its link of the chain.

    `records` is the SHA-256 over the records' commitments (32 bytes each, in order); `digest` is that of the
    canonical JSON of `{first, last, previous, records, run}`. The Merkle log takes `digest` as its entry.
    """

    first: int
    last: int
    records: str
    previous: str
    digest: str


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A lower bound of what was acknowledged. Written after the sync of the batch, itself not synced."""

    last: int
    digest: str


def genesis(run: str) -> str:
    """The link before the first batch: it binds the chain to the run's name."""
    return record_digest({"format": FORMAT, "run": run})


def commitment(salt: bytes, payload: bytes) -> bytes:
    """What the chain holds of a record: 32 bytes that say nothing about it without the salt."""
    return hashlib.sha256(salt + payload).digest()


def seal(run: str, first: int, previous: str, commitments: Sequence[bytes]) -> Batch:
    """The batch of the records with these commitments, numbered from `first`, that follows the batch `previous`."""
    last = first + len(commitments) - 1
    records = "sha256:" + hashlib.sha256(b"".join(commitments)).hexdigest()
    link = {"first": first, "last": last, "previous": previous, "records": records, "run": run}
    return Batch(first=first, last=last, records=records, previous=previous, digest=record_digest(link))


def frame(kind: str, payload: bytes, salt: bytes = b"") -> bytes:
    """One line of `kind` (`segment`, `record`, `erased`, `batch`, `mark`) around JSON bytes; a record has a salt."""
    salted = b'%b%b",' % (_SALT, salt.hex().encode()) if salt else b""
    body = b'%b"%b":%b' % (salted, kind.encode(), payload)
    return b'%b%08x",%b}\n' % (_HEAD, zlib.crc32(body), body)


def unframe(line: bytes) -> Line | None:
    """What a line holds, or None if it is not exactly what `frame` writes."""
    if not line.startswith(_HEAD) or not line.endswith(b"}\n"):
        return None
    body = line[_BODY:-2]
    if line[len(_HEAD) : _BODY] != b'%08x",' % zlib.crc32(body):
        return None
    salt = b""
    if body.startswith(_SALT):
        salt, body = _unhex(body[len(_SALT) : _SALTED - 2]), body[_SALTED:]
        if len(salt) != SALT_BYTES:
            return None
    kind, colon, payload = body.partition(b'":')
    if not colon or not kind.startswith(b'"') or (kind == b'"record') != bool(salt):
        return None
    return Line(kind[1:].decode("ascii", "replace"), payload, salt)


def _unhex(digits: bytes) -> bytes:
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return b""


def mark_bytes(mark: Mark) -> bytes:
    """A mark padded to one size, so that a newer one covers the older one completely."""
    return frame("mark", msgspec.json.encode(mark)).ljust(MARK_BYTES)


def read_mark(data: bytes) -> Mark | None:
    """A mark, or None where a power cut tore it: it is a bound, so its absence is no damage."""
    parsed = unframe(data.rstrip(b" "))
    if parsed is None or parsed.kind != "mark":
        return None
    try:
        return msgspec.json.decode(parsed.payload, type=Mark)
    except msgspec.MsgspecError:
        return None


def segment_name(index: int) -> str:
    """File name of a segment; `index` counts from 1."""
    return f"segment-{index:06d}.jsonl"
