"""What happened: the event journal, whose batch digests are the entries of a later Merkle log."""

from subcritical.ledger._frame import Batch
from subcritical.ledger._scan import JournalDamageError
from subcritical.ledger.entries import ERASABLE, Numbering, actor_of, type_of
from subcritical.ledger.erasing import erase
from subcritical.ledger.files import FileLayer, Lock, LogFile, OsFiles
from subcritical.ledger.journal import Dropped, Journal
from subcritical.ledger.reading import JournalCheck, Problem, read_batches, read_journal, verify_journal

__all__ = [
    "ERASABLE",
    "Batch",
    "Dropped",
    "FileLayer",
    "Journal",
    "JournalCheck",
    "JournalDamageError",
    "Lock",
    "LogFile",
    "Numbering",
    "OsFiles",
    "Problem",
    "actor_of",
    "erase",
    "read_batches",
    "read_journal",
    "type_of",
    "verify_journal",
]
