"""Everything a journal can hold, and its form on disk."""

from __future__ import annotations

import msgspec

from subcritical.schema.action import Action, Receipt
from subcritical.schema.event import Event
from subcritical.schema.finding import Finding
from subcritical.schema.measurement import Measurement

Record = Event | Finding | Measurement | Action | Receipt

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
