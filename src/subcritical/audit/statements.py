"""Attestations: what is claimed about a run or a detector, signed (DSSE) in a form that other tools read (in-toto).

A statement about a run repeats what its journal holds and cites the log's entry of each record, so a verifier looks
them up instead of believing. The types of predicates are names, not addresses: docs/how-to/audit.md describes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from google.protobuf.message import Error as ProtobufError
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import STATEMENT_TYPE_URI, Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer._signature import Signature

from subcritical.canonical import canonical_json
from subcritical.errors import LedgerError
from subcritical.ledger.run_log import RunLog
from subcritical.ledger.signer import AuditSigner
from subcritical.ledger.signer.serving import STATEMENT_TYPE
from subcritical.schema import Measurement, Receipt, Record

EVALUATION = "urn:subcritical:evaluation-result:v1"
CONTROLS = "urn:subcritical:control-result:v1"
SCORECARD = "urn:subcritical:detector-scorecard:v1"


def make_statement(predicate_type: str, subjects: Mapping[str, str], predicate: Mapping[str, Any]) -> bytes:
    """A statement as one line of canonical JSON.

    Args:
        predicate_type: What kind of claim.
        subjects: SHA-256 (hex) of what it is about, by name; at least one.
        predicate: The claim; JSON values only, whole numbers below 2^53.

    Raises:
        LedgerError: It is not a statement as in-toto defines it.

    Source: in-toto attestation framework, Statement v1.
    """
    named = [ResourceDescriptor(name=name, digest={"sha256": digest}) for name, digest in subjects.items()]
    try:
        Statement([each.pb for each in named], predicate_type, dict(predicate)).validate()
    except (ValueError, TypeError, ProtobufError) as error:
        raise LedgerError(f"statement {predicate_type}: {error}") from error
    return (
        canonical_json(
            {
                "_type": STATEMENT_TYPE_URI,
                "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()],
                "predicateType": predicate_type,
                "predicate": predicate,
            }
        )
        + b"\n"
    )


def signed(statement: bytes, origin: str, signer: AuditSigner) -> bytes:
    """The statement in a DSSE envelope, signed by the key of a log."""
    key = signer.key(origin)
    name = f"{key.name}+{key.key_id.hex()}"
    signature = Signature(name, signer.sign_statement(origin, statement).hex())
    envelope = Envelope(statement, STATEMENT_TYPE, {name: signature})
    return json.dumps(envelope.to_dict(), indent=1).encode() + b"\n"


def about_run(records: Sequence[Record], log: RunLog) -> dict[str, bytes]:
    """Statements about a run, by the name of their file; none where there is nothing to state.

    Args:
        records: All records of its journal.
        log: Its log.
    """
    entry = {seq: index for index, (seq, kind) in enumerate(zip(log.seqs, log.types, strict=True)) if kind != "batch"}
    subject = {f"{log.origin}#{log.tree.size}": log.tree.root().hex()}
    parts: tuple[tuple[str, str, type[Record]], ...] = (
        ("evaluation-result", EVALUATION, Measurement),
        ("control-result", CONTROLS, Receipt),
    )
    made = {}
    for name, predicate_type, kind in parts:
        # A live writer may have added records that the log was not followed to.
        of_kind = [record for record in records if isinstance(record, kind) and record.seq <= log.last_seq]
        cited = [_cited(record, entry[record.seq]) for record in of_kind]
        if cited:
            predicate = {"origin": log.origin, "size": log.tree.size, "records": cited}
            made[name] = make_statement(predicate_type, subject, predicate)
    return made


def _cited(record: Record, entry: int) -> dict[str, Any]:
    """A record's content with the log's entry about it. Times are texts: beyond 2^53 they are no JSON numbers."""
    fields = msgspec.to_builtins(record)
    texts = {name: str(value) for name, value in fields.items() if name.endswith("_ns")}
    return {"entry": entry, "record": {**fields, **texts}}
