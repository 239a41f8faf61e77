"""`ledger`: seal, verify, show, prove and erase, on the record of one run."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec

from subcritical.app.policies import read_policy
from subcritical.clock import SystemClock
from subcritical.errors import ConfigError, InputError, LedgerError, SourceError
from subcritical.ledger import Journal, erase, read_journal, type_of, verify_journal
from subcritical.ledger.entries import END
from subcritical.ledger.proofs import proof_of
from subcritical.ledger.publication import Publication
from subcritical.ledger.run_log import RunLog
from subcritical.ledger.signer import Signer, SignerProcess
from subcritical.ledger.tlog import VerifierKey, open_note, parse_checkpoint, parse_note
from subcritical.ledger.witness.client import ContradictionError, collect
from subcritical.loop.run_directory import RunDirectory
from subcritical.schema import Control


class LedgerCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of a run's record found. `broken` says what is wrong, in order; empty means nothing.

    `ended`: the last event is the run's END; without it the run goes on, was cut off, or its end was left out.
    """

    run: str
    records: int
    batches: int
    erased: int
    entries: int
    signed: int
    published: int
    digest: str
    root: str
    ended: bool
    broken: tuple[str, ...]
    first_bad_record: int | None


def followed(run: RunDirectory) -> RunLog:
    """The log of a run as its journal gives it now."""
    log = RunLog(run.journal)
    log.settle()
    return log


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A signed checkpoint, who of a policy's witnesses cosigned it, and why others did not."""

    note: bytes
    cosigned: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()


def seal(run: RunDirectory, signer: Signer, policy: Path | None = None) -> Sealed:
    """Have the run's log signed, and cosigned by a policy's witnesses, and publish it below the run's directory.

    Raises:
        ConfigError: The policy cannot be read.
        LedgerError: The record is damaged, does not continue what was signed before, or (`ContradictionError`) not what
            a witness has seen: nothing is published then.
        SourceError: Too few witnesses answered; what there is was published.
    """
    trusted = read_policy(policy) if policy is not None else None
    log = followed(run)
    note = log.seal(signer)
    if trusted is None:
        Publication(run.ledger).publish(log.tree, log.entries, note)
        return Sealed(note=note)
    if signer.key(log.origin) not in [each.key for each in trusted.logs]:
        raise ConfigError(
            "it does not name the key of this log; `subcritical ledger key RUN` prints it", path=str(policy)
        )
    collected = collect(note, log.tree, trusted)
    against = [each for each in collected.unanswered if each.contradicted]
    if against:
        raise ContradictionError("; ".join(each.why for each in against))
    Publication(run.ledger).publish(log.tree, log.entries, collected.note)
    sealed = Sealed(
        note=collected.note,
        cosigned=collected.cosigned,
        unanswered=tuple(f"{', '.join(each.names)}: {each.why}" for each in collected.unanswered),
    )
    try:
        trusted.check(collected.note)
    except LedgerError as error:
        why = "; ".join(sealed.unanswered) or "all witnesses with an address answered"
        raise SourceError(f"{error} ({why}); published with the cosignatures there are, try again later") from error
    return sealed


def witnessed_checkpoint(run: RunDirectory, policy: Path) -> bytes:
    """The published checkpoint, which covers the whole record and meets a policy.

    Raises:
        LedgerError: It does not.
    """
    note, log = Publication(run.ledger).checkpoint(), followed(run)
    again = f"`subcritical ledger seal {run.run} --policy {policy}` first"
    if note is None or parse_checkpoint(parse_note(note).text).size != log.tree.size:
        raise LedgerError(f"the published checkpoint does not cover the record to its end: {again}")
    try:
        read_policy(policy).check(note)
    except LedgerError as error:
        raise LedgerError(f"{error}: {again}") from error
    return note


def rotate(run: RunDirectory, signer: SignerProcess, *, by: str, reason: str) -> VerifierKey:
    """Use a new key for a run's log and all new logs, record that in its journal, and sign the log with the new key.

    Other logs keep their keys: whoever pinned those learns of a new one from the log itself or not at all.

    The statement that names the new key is signed by the old one and is part of the record. It helps people who held
    the old key to believe in the new one; it helps nobody if the old key was stolen.

    Raises:
        InputError: Nobody is named.
        LedgerError: The record is damaged or written by another process, or the signer refuses.
    """
    if not by.strip():
        raise InputError("a new key needs the name of whoever orders it")
    log = followed(run)
    ends = [record for record in read_journal(run.journal) if type_of(record) == END]
    with Journal.open(run.journal, SystemClock()) as journal:
        log.seal(signer)  # by the old key, so that both have signed a part of the same log
        key, statement = signer.rotate(log.origin)
        order = Control(order="rotate_log_key", by=by, reason=f"{reason}\n{statement.decode()}")
        journal.event(order, producer="ledger", generation=0)
        if ends:
            journal.append(ends[-1])
    seal(run, signer)
    return key


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
        ended=_ended(log) if log else False,
        broken=tuple(broken),
        first_bad_record=first,
    )


def _ended(log: RunLog) -> bool:
    events = [kind for kind in log.types if kind.startswith("event.")]
    return bool(events) and events[-1] == END


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
    return log.entries[index], proof_of(log, index, log.seal(signer))


def erase_records(run: RunDirectory, numbers: Collection[int], *, by: str, reason: str) -> int:
    """Erase what records said; how many were."""
    return erase(run.journal, numbers, by=by, reason=reason, clock=SystemClock())


def write_proof(target: Path, entry: bytes, proof: bytes) -> None:
    """Write a proof and, beside it, the entry it is about."""
    for path, data in ((target, proof), (target.with_name(f"{target.name}.entry"), entry)):
        if path.exists():
            raise InputError(f"{path} exists; name a new file")
        path.write_bytes(data)
