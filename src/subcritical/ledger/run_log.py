"""The Merkle log of one run, rebuilt from its journal and signed as it grows.

Nothing here has to be kept to go on after a crash: all of it but the signatures is a function of the journal. A
checkpoint is signed only over what the journal has on disk.
"""

from __future__ import annotations

from pathlib import Path

from subcritical.errors import LedgerError
from subcritical.ledger._scan import Scan
from subcritical.ledger.entries import Numbering
from subcritical.ledger.files import FileLayer, OsFiles
from subcritical.ledger.signer import Signer
from subcritical.ledger.tlog import Tree, leaf_hash
from subcritical.schema import Erased


def origin_of(run: str) -> str:
    """The log's name: one log a run."""
    return f"subcritical/run/{run}"


class RunLog:
    """Follows a journal and keeps its log in memory, about 400 bytes an entry. Not for several threads at once.

    Attributes:
        tree: The tree over all entries followed so far.
        entries: The entries themselves, in order.
        seqs: For each entry the number of the record it is about.
        erased: How many records were erased.
    """

    def __init__(self, journal: Path, files: FileLayer | None = None) -> None:
        """Read nothing yet.

        Args:
            journal: Directory of the journal.
            files: The file system unless a test says otherwise.

        Raises:
            InputError: There is no journal.
        """
        self._scan = Scan(journal, files or OsFiles())
        self._numbering = Numbering()
        self.tree = Tree()
        self.entries: list[bytes] = []
        self.seqs: list[int] = []
        self.erased = 0

    @property
    def run(self) -> str:
        """Name of the run; known once something was followed."""
        return self._scan.run

    @property
    def origin(self) -> str:
        """Name of the log; known once something was followed."""
        return origin_of(self._scan.run)

    @property
    def last_seq(self) -> int:
        """Last record that was followed."""
        return self._scan.last_seq

    @property
    def committed(self) -> tuple[str, int]:
        """Where the followed part of the journal ends: name of a segment, bytes of it."""
        return self._scan.segment, self._scan.end

    def follow(self) -> int:
        """Take in what was committed since the last call.

        Returns:
            How many entries that made.

        Raises:
            LedgerError: The journal is damaged. Nothing that was followed before becomes wrong by that.
        """
        before = self.tree.size
        for committed in self._scan.more():
            self.erased += sum(isinstance(record, Erased) for record in committed.records)
            for seq, entry in self._numbering.entries(
                self._scan.run, committed.batch, committed.records, committed.commitments
            ):
                self.tree.append(leaf_hash(entry))
                self.entries.append(entry)
                self.seqs.append(seq)
        return self.tree.size - before

    def continues(self, size: int, root: bytes) -> None:
        """Check that the log as followed has the tree of `size` entries with `root` as its beginning.

        Raises:
            LedgerError: It is shorter, or begins differently.
        """
        if size > self.tree.size:
            raise LedgerError(
                f"{self.origin}: {size} entries were signed, the journal gives only {self.tree.size}: "
                f"it was shortened or rolled back to record {self.last_seq}",
                seq=self.last_seq + 1,
            )
        if self.tree.root(size) != root:
            raise LedgerError(
                f"{self.origin}: the journal does not give the log that was signed at size {size}: it was rewritten",
                seq=1,
            )

    def seal(self, signer: Signer) -> bytes:
        """Have the log as followed so far signed.

        Returns:
            The signed checkpoint.

        Raises:
            LedgerError: Something longer or something else was signed before, or the signer refuses.
        """
        size, root = signer.last(self.origin)
        self.continues(size, root)
        return signer.sign(self.origin, self.tree.size, self.tree.root(), self.tree.consistency_proof(size))
