"""Files that prove to an outsider that an entry is in a log: `.tlog-proof`, and beside it the entry it is about."""

from __future__ import annotations

from pathlib import Path

from subcritical.errors import LedgerError
from subcritical.ledger.run_log import RunLog
from subcritical.ledger.tlog import TlogProof, format_tlog_proof

PROOFS = "proofs"
"""Folder beside a published log."""
SUFFIX = ".tlog-proof"


def proof_of(log: RunLog, index: int, note: bytes, size: int | None = None) -> bytes:
    """Inclusion proof of an entry in the signed log of `size` entries (all by default), with the note in it."""
    hashes = tuple(log.tree.inclusion_proof(index, size))
    return format_tlog_proof(TlogProof(index=index, hashes=hashes, checkpoint=note, extra=None))


def write_proofs(directory: Path, log: RunLog, note: bytes, *, size: int, kind: str = "finding") -> int:
    """Write `SEQ.tlog-proof` and `SEQ.entry` for each entry of a type; how many. Earlier ones are replaced.

    They can be made again at any time, so they are not synced.

    Raises:
        LedgerError: The file system refuses.
    """
    found = [index for index in range(size) if log.types[index] == kind]
    try:
        for index in found:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / f"{log.seqs[index]}{SUFFIX}").write_bytes(proof_of(log, index, note, size))
            (directory / f"{log.seqs[index]}.entry").write_bytes(log.entries[index])
    except OSError as error:
        raise LedgerError(f"proofs could not be written in {directory}: {error.strerror or error}") from error
    return len(found)
