"""Journals to make logs of, and a signer without a process."""

from __future__ import annotations

import hashlib

from subcritical.clock import FakeClock
from subcritical.ledger import Journal
from subcritical.ledger.signer import SigningState
from subcritical.ledger.signer.serving import signed_manifest, signed_statement
from subcritical.ledger.tlog import Checkpoint, LogSigner
from subcritical.schema import Finding, Heartbeat, Message, Severity

SEED = hashlib.sha256(b"a log key for tests").digest()


class DirectSigner:
    """The signer's rules in this process."""

    def __init__(self, directory, files=None, seed=SEED):
        self.state = SigningState(directory, files)
        self.seed = seed

    def key(self, origin):
        return LogSigner(origin, self.seed).verifier_key

    def last(self, origin):
        last = self.state.last(origin)
        return last.size, bytes.fromhex(last.root)

    def sign(self, origin, size, root, proof):
        return self.state.sign(Checkpoint(origin, size, root), list(proof), LogSigner(origin, self.seed).sign)

    def sign_manifest(self, origin, digest):
        return signed_manifest(LogSigner(origin, self.seed), origin, bytes.fromhex(digest))

    def sign_statement(self, origin, payload):
        return signed_statement(LogSigner(origin, self.seed), payload)


def write_batches(journal: Journal, batches: int, *, each: int = 3, text: str = "turn") -> None:
    """Batches of messages (no entry of their own), a heartbeat and a finding."""
    for turn in range(batches):
        for number in range(each):
            journal.event(Message(source="guest", text=f"{text} {turn} {number}"), producer="guest", generation=turn)
        journal.event(Heartbeat(state="running"), producer="loop", generation=turn)
        journal.append(
            Finding(detector="d", version=1, severity=Severity.LOW, confidence=0.5, title="t", why="w", evidence=())
        )
        journal.commit()


def new_journal(directory, batches: int = 4, **more) -> Journal:
    journal = Journal.create(directory, "run-1", FakeClock())
    write_batches(journal, batches, **more)
    return journal
