"""What happened: the event journal, whose batch digests are the entries of a later Merkle log."""

from subcritical.ledger._frame import Batch
from subcritical.ledger._scan import JournalDamageError
from subcritical.ledger.files import FileLayer, Lock, LogFile, OsFiles
from subcritical.ledger.journal import Dropped, Journal
from subcritical.ledger.reading import JournalCheck, Problem, read_batches, read_journal, verify_journal

__all__ = [
    "Batch",
    "Dropped",
    "FileLayer",
    "Journal",
    "JournalCheck",
    "JournalDamageError",
    "Lock",
    "LogFile",
    "OsFiles",
    "Problem",
    "read_batches",
    "read_journal",
    "verify_journal",
]
