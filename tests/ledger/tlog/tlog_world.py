"""One log, three witnesses and what they sign, from fixed seeds."""

from subcritical.ledger.tlog import (
    Checkpoint,
    Cosigner,
    KeyType,
    LogSigner,
    Note,
    Policy,
    PolicyGroup,
    PolicyLog,
    PolicyWitness,
    Tree,
    format_checkpoint,
    format_note,
    leaf_hash,
)

ORIGIN = "log.example/main"
TIME = 1_767_225_600
LOG = LogSigner(ORIGIN, bytes([1]) * 32)
OTHER_LOG = LogSigner("log.example/other", bytes([2]) * 32)
ED = Cosigner("witness.example/ed", bytes([3]) * 32, KeyType.COSIGNER_ED25519)
ED2 = Cosigner("witness.example/ed2", bytes([4]) * 32, KeyType.COSIGNER_ED25519)
PQ = Cosigner("witness.example/pq", bytes([5]) * 32)
WITNESSES = (ED, ED2, PQ)


def entries(count, tag=b"entry"):
    return [b"%b %d" % (tag, number) for number in range(count)]


def tree(count, tag=b"entry"):
    return Tree(leaf_hash(entry) for entry in entries(count, tag))


def body(size=7, *, origin=ORIGIN, root=None, extensions=()):
    return format_checkpoint(Checkpoint(origin, size, tree(size).root() if root is None else root, extensions))


def signed(text, *signers, time=TIME):
    """A note of `text`, signed by logs and cosigners."""
    lines = [s.sign(text) if isinstance(s, LogSigner) else s.sign(text, time) for s in signers]
    return format_note(Note(text, tuple(lines)))


def policy(threshold=2, witnesses=WITNESSES, *, logs=(LOG,)):
    named = tuple(PolicyWitness(f"W{at}", w.verifier_key) for at, w in enumerate(witnesses))
    group = PolicyGroup("all-of-us", threshold, tuple(w.name for w in named))
    return Policy(tuple(PolicyLog(log.verifier_key) for log in logs), named, (group,), group.name)
