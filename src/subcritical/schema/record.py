"""Everything a journal can hold, and its form on disk."""

from __future__ import annotations

import msgspec

from subcritical.schema.action import Action, Receipt
from subcritical.schema.event import Event
from subcritical.schema.finding import Finding
from subcritical.schema.measurement import Measurement


class Erased(msgspec.Struct, frozen=True, kw_only=True, tag="erased", tag_field="record"):
    """What is kept of a record whose content was erased: that it was there, from whom, when, and its commitment.

    `kind` is that of the record (`finding`, `event.message`), `actor` who made it, `commitment` the
    SHA-256 of salt and content (`sha256:` and 64 hex digits); the salt went with the content.
    """

    kind: str
    actor: str
    commitment: str
    by: str
    reason: str
    seq: int = 0
    time_ns: int = 0
    run: str = ""


Record = Event | Finding | Measurement | Action | Receipt | Erased

_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """JSON bytes of one record, keys in a fixed order."""
    return msgspec.json.encode(record, order="deterministic")


def decode_record(data: bytes) -> Record:
    """Read one record back.

    Raises:
        msgspec.DecodeError: The bytes are not a record of this version.
    """
    return _decoder.decode(data)
