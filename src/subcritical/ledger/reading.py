"""Reading and checking a journal, also while its writer is at work, and also one that an enemy wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from subcritical.errors import LedgerError
from subcritical.ledger._frame import Batch
from subcritical.ledger._scan import JournalDamageError, Scan
from subcritical.ledger.files import FileLayer, OsFiles
from subcritical.schema import Record


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong in a journal: where, what, and the first record that cannot be trusted."""

    place: str
    what: str
    seq: int | None


class JournalCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of a whole journal found.

    `unfinished_bytes` is a batch that was being written when the writer died (or writes now): nobody was told that
    its records exist, and `Journal.open` drops it. `acknowledged` is the last record that was acknowledged
    for certain, None where that mark is missing. `digest` is the end of the chain: equal digests mean equal journals.
    """

    run: str
    records: int
    last_seq: int
    batches: int
    segments: int
    digest: str
    unfinished_bytes: int = 0
    acknowledged: int | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def read_journal(directory: Path, files: FileLayer | None = None) -> Iterator[Record]:
    """Committed records in order, each batch checked before its first record is given.

    A live journal is read up to what was there at the start; its newest batch may be a moment from being durable.

    Raises:
        InputError: There is no journal in `directory`.
        LedgerError: It is damaged (`JournalDamageError`) or cannot be read; the records before that were given.
    """
    for committed in Scan(directory, files or OsFiles()):
        yield from committed.records


def read_batches(directory: Path, files: FileLayer | None = None) -> Iterator[Batch]:
    """The chain of committed batches, checked against their records. Errors as in `read_journal`."""
    for committed in Scan(directory, files or OsFiles()):
        yield committed.batch


def verify_journal(directory: Path, files: FileLayer | None = None) -> JournalCheck:
    """Check every line, number, digest and link. Cost: about 10 us per record, memory of one batch.

    The chain shows accidents and partial changes. Somebody who may write the directory can rebuild all of it, which
    only a digest kept elsewhere can show.

    Raises:
        InputError: There is no journal in `directory`.
    """
    try:
        scan = Scan(directory, files or OsFiles())
    except JournalDamageError as damage:
        problem = Problem(place=damage.place, what=damage.what, seq=damage.seq)
        return JournalCheck(run="", records=0, last_seq=0, batches=0, segments=0, digest="", problems=(problem,))
    problems: tuple[Problem, ...] = ()
    try:
        for _ in scan:
            pass
    except JournalDamageError as damage:
        problems = (Problem(place=damage.place, what=damage.what, seq=damage.seq),)
    except LedgerError as error:
        problems = (Problem(place=str(directory), what=str(error), seq=error.seq),)
    return JournalCheck(
        run=scan.run,
        records=scan.last_seq,
        last_seq=scan.last_seq,
        batches=scan.batches,
        segments=scan.segments,
        digest=scan.digest,
        unfinished_bytes=scan.torn.size if scan.torn else 0,
        acknowledged=scan.mark.last if scan.mark else None,
        problems=problems,
    )
