"""`ledger`: seal, verify, show, prove and erase, on the record of one run."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec

from subcritical.clock import SystemClock
from subcritical.errors import InputError, LedgerError
from subcritical.ledger import erase, verify_journal
from subcritical.ledger.publication import Publication
from subcritical.ledger.run_log import RunLog
from subcritical.ledger.signer import Signer
from subcritical.ledger.tlog import TlogProof, format_tlog_proof, open_note, parse_checkpoint
from subcritical.loop.run_directory import RunDirectory


class LedgerCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of a run's record found. `broken` says what is wrong, in order; empty means nothing."""

    run: str
    records: int
    batches: int
    erased: int
    entries: int
    signed: int
    published: int
    digest: str
    root: str
    broken: tuple[str, ...]
    first_bad_record: int | None


def followed(run: RunDirectory) -> RunLog:
    """The log of a run as its journal gives it now."""
    log = RunLog(run.journal)
    log.follow()
    return log


def seal(run: RunDirectory, signer: Signer) -> bytes:
    """Have the run's log signed and publish it below the run's directory. Returns the signed checkpoint.

    Raises:
        LedgerError: It is damaged, or does not continue what was signed before.
    """
    log = followed(run)
    note = log.seal(signer)
    Publication(run.ledger).publish(log.tree, log.entries, note)
    return note


def verify(run: RunDirectory, signer: Signer) -> LedgerCheck:
    """Check journal, log, signatures and published files of a run; stops at nothing.

    Raises:
        InputError: There is no journal.
    """
    check = verify_journal(run.journal)
    broken = [f"{problem.place}: {problem.what}" for problem in check.problems]
    first = check.problems[0].seq if check.problems else None
    log, signed, published = None, 0, 0
    try:
        log = followed(run)
        signed, root = signer.last(log.origin)
        log.continues(signed, root)
        published = _check_published(run, log, signer)
    except LedgerError as error:
        if not check.problems:
            broken.append(str(error))
            first = error.seq
    return LedgerCheck(
        run=check.run,
        records=check.records,
        batches=check.batches,
        erased=log.erased if log else 0,
        entries=log.tree.size if log else 0,
        signed=signed,
        published=published,
        digest=check.digest,
        root=log.tree.root().hex() if log else "",
        broken=tuple(broken),
        first_bad_record=first,
    )


def _check_published(run: RunDirectory, log: RunLog, signer: Signer) -> int:
    publication = Publication(run.ledger)
    note = publication.checkpoint()
    if note is None:
        return 0
    checkpoint = parse_checkpoint(open_note(note, [signer.key(log.origin)]).text)
    if checkpoint.origin != log.origin:
        raise LedgerError(f"{run.ledger / 'checkpoint'} is of another log: {checkpoint.origin!r}")
    log.continues(checkpoint.size, checkpoint.root)
    publication.verify(checkpoint.size, checkpoint.root)
    return checkpoint.size


def entries(run: RunDirectory, kind: str | None = None, seq: int | None = None) -> Iterator[dict[str, Any]]:
    """Entries of the log with their index, all or those of a type or about a record."""
    log = followed(run)
    for index, (about, entry) in enumerate(zip(log.seqs, log.entries, strict=True)):
        fields = json.loads(entry)
        if (kind is None or fields["type"] == kind) and (seq is None or about == seq):
            yield {"index": index, **fields}


def prove(run: RunDirectory, seq: int, signer: Signer) -> tuple[bytes, bytes]:
    """Entry about a record and its `.tlog-proof` in a freshly signed checkpoint.

    Raises:
        InputError: No entry is about that record.
    """
    log = followed(run)
    try:
        index = log.seqs.index(seq)
    except ValueError as error:
        raise InputError(
            f"record {seq} has no entry of its own; `subcritical ledger show {run.run}` lists those that have"
        ) from error
    proof = TlogProof(
        index=index, hashes=tuple(log.tree.inclusion_proof(index)), checkpoint=log.seal(signer), extra=None
    )
    return log.entries[index], format_tlog_proof(proof)


def erase_records(run: RunDirectory, numbers: Collection[int], *, by: str, reason: str) -> int:
    """Erase what records said; how many were."""
    return erase(run.journal, numbers, by=by, reason=reason, clock=SystemClock())


def write_proof(target: Path, entry: bytes, proof: bytes) -> None:
    """Write a proof and, beside it, the entry it is about."""
    for path, data in ((target, proof), (target.with_name(f"{target.name}.entry"), entry)):
        if path.exists():
            raise InputError(f"{path} exists; name a new file")
        path.write_bytes(data)
