"""What a notary does: follow, sign, publish, and at the end write a proof for each finding.

It signs at once what people act on (a finding, an action, a receipt, an order, a review, the END), everything else
within `SIGN_S` or 256 entries. Nothing is signed before the journal's writer has acknowledged it as on disk: a log
that is signed beyond its journal would look rolled back after a power cut.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from subcritical.clock import Clock
from subcritical.errors import InputError, LedgerError
from subcritical.ledger._scan import JournalDamageError
from subcritical.ledger.entries import END
from subcritical.ledger.notary.said import Said
from subcritical.ledger.proofs import PROOFS, write_proofs
from subcritical.ledger.publication import Publication
from subcritical.ledger.run_log import RunLog
from subcritical.ledger.signer import Signer
from subcritical.ledger.tlog import parse_checkpoint, parse_note

LOOK_S = 0.05
"""Time between two looks at the journal; what must be signed at once waits so long at most."""
SIGN_S = 0.2
PUBLISH_S = 5.0
"""Publishing writes and syncs files, so it lags behind."""
GROUP = 256
CRITICAL = frozenset({"finding", "action", "receipt", "event.control", "event.review", END})

_NANOSECONDS = 1_000_000_000


class Keeper:
    """The log of one journal. Call `look` now and then, `end` once."""

    def __init__(
        self, journal: Path, published: Path, signer: Signer, clock: Clock, say: Callable[[Said], None]
    ) -> None:
        """Take the journal's directory, which need not be there yet, and the folder to publish in."""
        self._journal = journal
        self._publication = Publication(published)
        self._proofs = published / PROOFS
        self._signer = signer
        self._clock = clock
        self._say = say
        self._log: RunLog | None = None
        self._not_begun = "nobody has looked"
        self._signed = 0
        self._looked = 0
        self._note = b""
        self._signed_ns = self._published_ns = clock.boot_ns()

    def look(self) -> None:
        """Take in what is new; sign and publish what is due.

        Raises:
            LedgerError: The journal is damaged or was rewritten, the signer refuses, or the file system does.
        """
        log = self._follow()
        if log is None:
            return
        fresh = log.types[self._looked : log.durable]
        self._looked = log.durable
        now = self._clock.boot_ns()
        waited = now - self._signed_ns >= SIGN_S * _NANOSECONDS
        waiting = log.durable - self._signed
        if waiting > 0 and (waited or waiting >= GROUP or not CRITICAL.isdisjoint(fresh)):
            self._sign(log, now)
        if self._note and now - self._published_ns >= PUBLISH_S * _NANOSECONDS:
            self._publish(log, now)

    def end(self) -> None:
        """Sign and publish all there is, and prove each finding. Errors as in `look`."""
        log = self._follow()
        if log is None:
            raise LedgerError(f"there is nothing to sign: {self._not_begun}", seq=1)
        now = self._clock.boot_ns()
        if log.durable:
            self._sign(log, now)
            self._publish(log, now)
            write_proofs(self._proofs, log, self._note, size=self._signed)
        if log.durable < log.tree.size or not log.durable:
            rest = log.tree.size - log.durable
            raise LedgerError(f"{rest} entries at the end are not acknowledged as on disk, so they are not signed")
        self._tell(log, published=True, last=True)

    def _follow(self) -> RunLog | None:
        """The log with what is new; None while the journal is not begun."""
        if self._log is None:
            return self._first()
        self._log.follow()
        return self._log

    def _first(self) -> RunLog | None:
        try:
            log = RunLog(self._journal)
            log.follow()
        except (InputError, LedgerError) as error:
            if isinstance(error, JournalDamageError):
                raise
            self._not_begun = str(error)  # it is being begun, or never will be: `end` says so
            return None
        self._signed, root = self._signer.last(log.origin)
        log.continues(self._signed, root)
        self._log = log
        self._tell(log)
        return log

    def _sign(self, log: RunLog, now: int) -> None:
        self._note = log.seal(self._signer, log.durable)
        self._signed, self._signed_ns = log.durable, now
        self._tell(log)

    def _publish(self, log: RunLog, now: int) -> None:
        try:
            self._publication.publish(log.tree, log.entries, self._note)
        except LedgerError:
            note = self._publication.checkpoint()
            if note is None or parse_checkpoint(parse_note(note).text).size <= self._signed:
                raise
            # Somebody else has published more in between (`ledger seal`): that is as good.
        self._published_ns = now

    def _tell(self, log: RunLog, *, published: bool = False, last: bool = False) -> None:
        root = log.tree.root(self._signed).hex()
        self._say(Said(origin=log.origin, size=self._signed, root=root, published=published, last=last))
