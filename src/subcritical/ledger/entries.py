"""Entries of the Merkle log: a pure function of the journal, so that anyone who has the journal can rebuild the log.

An entry is canonical JSON (RFC 8785) and holds no content, only commitments: it may be published while the record
stays private, and it stays valid when the record is erased. Two kinds:

    {"actor","commitment","number","run","seq","time_ns","type","v":1}   a decision, a finding, a sign of life, the END
    {"actor":"journal","digest","first","last","number","run","type":"batch","v":1}   a committed batch

Each batch gives the entries of its records in their order, then its own. `number` counts the entries of one actor
from 1. What the numbers do *not* show: a record that its maker never wrote; for that see heartbeats and the END.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from subcritical.canonical import canonical_json
from subcritical.ledger._frame import Batch
from subcritical.schema import Action, Erased, Event, Finding, Heartbeat, Measurement, Receipt, Record

VERSION = 1
JOURNAL = "journal"
"""Actor of batch entries."""
END = "event.end"
"""Type of the last heartbeat of a run: without it at the end, the run goes on, was cut off, or its end was left out."""

ENTERED = frozenset(
    {"finding", "action", "receipt", "measurement", "event.proposal", "event.approval", "event.review"}
    | {"event.control", "event.heartbeat", END}
)
"""Types that have an entry of their own; the others are covered by their batch's."""

ERASABLE = frozenset({"event.proposal", "event.artifact_change", "event.message"})
"""What may hold private text. Decisions, findings, receipts and scores stay: they are what an audit is about."""


def type_of(record: Record) -> str:
    """`finding`, `action`, `receipt`, `measurement`, or `event.` and its kind; an erased record keeps its type."""
    if isinstance(record, Erased):
        return record.kind
    tag = str(record.__struct_config__.tag)
    if not isinstance(record, Event):
        return tag
    return (
        END if isinstance(record.data, Heartbeat) and record.data.end else f"{tag}.{record.data.__struct_config__.tag}"
    )


def actor_of(record: Record) -> str:
    """Who made it: the producer of an event, the detector of a finding, whoever ordered an action."""
    if isinstance(record, Erased):
        return record.actor
    if isinstance(record, Event):
        return record.producer
    if isinstance(record, Finding):
        return record.detector
    if isinstance(record, Action):
        return record.by
    return "actuators" if isinstance(record, Receipt) else _measure(record)


def _measure(record: Measurement) -> str:
    return f"measure {record.name}"


class Entry(NamedTuple):
    """An entry with its type and the number of the record it is about (a batch's: its last)."""

    seq: int
    type: str
    data: bytes


class Numbering:
    """Counts entries by actor. One per log, fed with every batch in order."""

    def __init__(self) -> None:
        """Nothing counted."""
        self._counts: dict[str, int] = {}

    def entries(self, run: str, batch: Batch, records: Sequence[Record], commitments: Sequence[bytes]) -> list[Entry]:
        """Entries of a committed batch, in order."""
        made = []
        for record, commitment in zip(records, commitments, strict=True):
            kind = type_of(record)
            if kind in ENTERED:
                fields = {
                    "commitment": "sha256:" + commitment.hex(),
                    "seq": record.seq,
                    "time_ns": str(record.time_ns),  # beyond 2^53: not an exact JSON number
                }
                made.append(self._entry(record.seq, run, kind, actor_of(record), fields))
        fields = {"digest": batch.digest, "first": batch.first, "last": batch.last}
        made.append(self._entry(batch.last, run, "batch", JOURNAL, fields))
        return made

    def _entry(self, seq: int, run: str, kind: str, actor: str, fields: dict[str, Any]) -> Entry:
        number = self._counts[actor] = self._counts.get(actor, 0) + 1
        data = canonical_json({"actor": actor, "number": number, "run": run, "type": kind, "v": VERSION, **fields})
        return Entry(seq, kind, data)
