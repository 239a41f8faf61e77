"""Erase what a record said and keep the proof that it was there.

The content and its salt go, the commitment stays: the chain, the Merkle log and every proof remain valid, and nobody
can confirm a guess at the content. What this does not do: reach into backups, bundles and copies made before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from subcritical.clock import Clock
from subcritical.errors import InputError, LedgerError
from subcritical.ledger import _frame
from subcritical.ledger._scan import Scan
from subcritical.ledger.entries import ERASABLE, actor_of, type_of
from subcritical.ledger.files import FileLayer, OsFiles
from subcritical.ledger.journal import Journal
from subcritical.schema import Control, Erased, Record, decode_record, encode_record

PRODUCER = "supervisor"


def erase(
    directory: Path, numbers: Collection[int], *, by: str, reason: str, clock: Clock, files: FileLayer | None = None
) -> int:
    """Erase records of a journal that nobody writes at the moment.

    The order is recorded first, then the files are rewritten one by one, each all or nothing. After a crash in between,
    call it again.

    Args:
        directory: Holds the journal.
        numbers: `seq` of the records. Already erased ones are left as they are.
        by: Who orders it.
        reason: Why; stays readable.
        clock: Source of `time_ns`.
        files: Where the journal lives; the file system unless a test says otherwise.

    Returns:
        How many records were erased.

    Raises:
        InputError: No such record, or one of a type that is never erased.
        LedgerError: The journal is in use or damaged.
    """
    files = files or OsFiles()
    wanted = set(numbers)
    chosen = {r.seq: r for committed in Scan(directory, files) for r in committed.records if r.seq in wanted}
    _require_erasable(chosen, wanted)
    left = {seq for seq, record in chosen.items() if not isinstance(record, Erased)}
    if not left:
        return 0
    with Journal.open(directory, clock, files) as journal:
        named = ", ".join(map(str, sorted(left)))
        order = Control(order="erase", by=by, reason=f"{reason} (records {named})"[:4096])
        journal.event(order, producer=PRODUCER, generation=0)
    try:
        lock = files.lock(directory / _frame.LOCK_NAME)
    except BlockingIOError as error:
        raise LedgerError(f"another process writes the journal in {directory}: stop it first") from error
    try:
        _rewrite(directory, left, by=by, reason=reason, files=files)
    except OSError as error:
        raise LedgerError(f"cannot erase in {directory}: {error}; call it again") from error
    finally:
        lock.release()
    return len(left)


def _require_erasable(chosen: dict[int, Record], wanted: set[int]) -> None:
    missing = wanted - set(chosen)
    if missing:
        raise InputError(f"no record {min(missing)} in this journal")
    for seq, record in chosen.items():
        if type_of(record) not in ERASABLE:
            allowed = ", ".join(sorted(ERASABLE))
            raise InputError(f"record {seq} is of type {type_of(record)}; only {allowed} may be erased")


def _rewrite(directory: Path, chosen: Collection[int], *, by: str, reason: str, files: FileLayer) -> None:
    for name in files.names(directory):
        if not name.startswith("segment-") or not name.endswith(".jsonl"):
            continue
        path = directory / name
        with files.reader(path) as stream:
            lines = list(_replaced(stream, chosen, by=by, reason=reason))
        if not any(changed for _, changed in lines):
            continue
        new = directory / f"erasing-{name}"
        if new.name in files.names(directory):
            files.remove(new)
        file = files.create(new)
        try:
            file.append(b"".join(line for line, _ in lines))
            file.sync()
        finally:
            file.close()
        files.replace(new, path)
        files.sync_directory(directory)


def _replaced(lines: Iterable[bytes], chosen: Collection[int], *, by: str, reason: str) -> Iterator[tuple[bytes, bool]]:
    """Each line as it is to be, and whether that is new."""
    for line in lines:
        parsed = _frame.unframe(line)
        seq = _number(parsed.payload) if parsed is not None and parsed.kind == "record" else 0
        if parsed is None or seq not in chosen:
            yield line, False
            continue
        record = decode_record(parsed.payload)
        kept = Erased(
            kind=type_of(record),
            actor=actor_of(record),
            commitment="sha256:" + _frame.commitment(parsed.salt, parsed.payload).hex(),
            by=by,
            reason=reason[:1024],
            seq=record.seq,
            time_ns=record.time_ns,
            run=record.run,
        )
        yield _frame.frame("erased", encode_record(kept)), True


class _Numbered(msgspec.Struct):
    seq: int


def _number(payload: bytes) -> int:
    return msgspec.json.decode(payload, type=_Numbered).seq
