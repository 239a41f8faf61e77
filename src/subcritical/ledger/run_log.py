"""The Merkle log of one run, rebuilt from its journal and signed as it grows.

Nothing here has to be kept to go on after a crash: all of it but the signatures is a function of the journal. A
checkpoint is signed only over what the journal has on disk.
"""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from subcritical.errors import LedgerError
from subcritical.ledger._scan import Scan
from subcritical.ledger.entries import Numbering
from subcritical.ledger.files import FileLayer, OsFiles
from subcritical.ledger.signer import Signer
from subcritical.ledger.tlog import Tree, leaf_hash
from subcritical.schema import Erased

_TRIES = 5
_LOOKS, _LOOK_S = 100, 0.01


def origin_of(run: str) -> str:
    """The log's name: one log a run."""
    return f"subcritical/run/{run}"


class RunLog:
    """Follows a journal and keeps its log in memory, about 400 bytes an entry. Not for several threads at once.

    Attributes:
        tree: The tree over all entries followed so far.
        entries: The entries themselves, in order.
        types: The type of each.
        seqs: For each entry the number of the record it is about.
        durable: Size of the log whose records the writer has acknowledged as on disk. What lies behind it can still be
            lost in a power cut, so a log that is still written must not be signed beyond it.
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
        self.types: list[str] = []
        self.durable = 0
        self._unacknowledged: deque[tuple[int, int]] = deque()
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
            for entry in self._numbering.entries(
                self._scan.run, committed.batch, committed.records, committed.commitments
            ):
                self.tree.append(leaf_hash(entry.data))
                self.entries.append(entry.data)
                self.types.append(entry.type)
                self.seqs.append(entry.seq)
            self._unacknowledged.append((committed.batch.last, self.tree.size))
        mark = self._scan.mark  # None while it is being overwritten: the next call sees it
        while mark is not None and self._unacknowledged and self._unacknowledged[0][0] <= mark.last:
            self.durable = self._unacknowledged.popleft()[1]
        return self.tree.size - before

    def settle(self) -> None:
        """Follow until the writer has acknowledged all of it, for a second at most: a dead writer never will."""
        self.follow()
        for _ in range(_LOOKS):
            if self.durable == self.tree.size:
                return
            time.sleep(_LOOK_S)
            self.follow()

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

    def seal(self, signer: Signer, size: int | None = None) -> bytes:
        """Have the log as followed so far signed.

        Args:
            signer: Signs.
            size: Only its first so many entries; all by default, which is for a journal that nobody writes any more.

        Returns:
            The signed checkpoint.

        Raises:
            LedgerError: Something longer or something else was signed before, or the signer refuses.
        """
        refused = LedgerError(f"{self.origin}: other processes keep signing it")
        for _ in range(_TRIES):
            last, root = signer.last(self.origin)
            if last > self.tree.size:
                self.follow()  # another process may have followed further, and had that signed
            self.continues(last, root)
            goal = max(last, self.tree.size if size is None else size)
            proof = self.tree.consistency_proof(last, goal)
            try:
                return signer.sign(self.origin, goal, self.tree.root(goal), proof)
            except LedgerError as error:
                if signer.last(self.origin)[0] == last:
                    raise
                refused = error  # somebody else signed in between: the proof has to begin there
        raise refused
