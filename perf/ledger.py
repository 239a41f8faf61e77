"""What the record costs: journal and log against a plain SQLite hash chain over the same records, in one run.

Both sides make the record, turn it into canonical bytes, chain it by SHA-256 and have it on disk after each group.
"""

import hashlib
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from subcritical.canonical import canonical_json
from subcritical.clock import SystemClock
from subcritical.ledger import Journal
from subcritical.ledger.publication import Publication, files_of
from subcritical.ledger.run_log import RunLog
from subcritical.ledger.tlog import Checkpoint, LogSigner, Note, Tree, format_checkpoint, format_note, leaf_hash
from subcritical.ledger.tlog import verify_inclusion as check_inclusion
from subcritical.schema import Event, Message, encode_record

GROUP, RECORDS, PAIRS = 256, 20_480, 5
TEXT = "a decision of 230 bytes, more or less, as an agent writes it into its trace " * 2
ENTRIES = 1_000_000
SEED = bytes(32)


def main(_only: str = "") -> None:
    """Print each figure beside its bar."""
    with tempfile.TemporaryDirectory() as name:
        _commit(Path(name))
        _signing(Path(name))
        _million(Path(name))


def _event(number: int) -> Message:
    return Message(source="guest", text=f"{TEXT}{number}")


def _journal(directory: Path) -> float:
    with Journal.create(directory, "perf", SystemClock()) as journal:
        started = time.perf_counter()
        for number in range(RECORDS):
            journal.event(_event(number), producer="guest", generation=1)
            if number % GROUP == GROUP - 1:
                journal.commit()
        return time.perf_counter() - started


def _sqlite(path: Path, *, encoded: bool) -> float:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE chain (seq INTEGER PRIMARY KEY, body BLOB, digest BLOB)")
    clock, previous = SystemClock(), b""
    bodies = [encode_record(_full(number, clock)) for number in range(RECORDS)] if encoded else []
    started = time.perf_counter()
    for first in range(0, RECORDS, GROUP):
        database.execute("BEGIN")
        for number in range(first, first + GROUP):
            # The fastest deterministic form there is here, so that the comparison does not flatter us.
            body = bodies[number] if encoded else encode_record(_full(number, clock))
            previous = hashlib.sha256(previous + body).digest()
            database.execute("INSERT INTO chain VALUES (?, ?, ?)", (number, body, previous))
        database.execute("COMMIT")
    took = time.perf_counter() - started
    database.close()
    return took


def _full(number: int, clock: SystemClock) -> Event:
    return Event(seq=number, time_ns=clock.wall_ns(), run="perf", producer="guest", generation=1, data=_event(number))


def _commit(directory: Path) -> None:
    ratios, plain = [], []
    for pair in range(PAIRS):
        ours = _journal(directory / f"journal-{pair}")
        ratios.append(ours / _sqlite(directory / f"chain-{pair}", encoded=False))
        plain.append(ours / _sqlite(directory / f"encoded-{pair}", encoded=True))
    print(
        f"journal / SQLite WAL FULL chain, groups of {GROUP}: {statistics.median(ratios):.2f} (bar 1.5); "
        f"against pre-encoded records {statistics.median(plain):.2f}; {PAIRS} interleaved pairs of {RECORDS} records",
        flush=True,
    )


def _signing(directory: Path) -> None:
    """Share of the signature in recording, following and signing groups."""
    journal = Journal.create(directory / "signed", "perf", SystemClock())
    log, signer = RunLog(directory / "signed"), LogSigner("subcritical/run/perf", SEED)
    whole = signing = 0.0
    for group in range(40):
        started = time.perf_counter()
        for number in range(GROUP):
            journal.event(_event(group * GROUP + number), producer="guest", generation=1)
        journal.commit()
        log.follow()
        body = format_checkpoint(Checkpoint(log.origin, log.tree.size, log.tree.root()))
        before = time.perf_counter()
        format_note(Note(text=body, signatures=(signer.sign(body),)))
        signing += time.perf_counter() - before
        whole += time.perf_counter() - started
    journal.close()
    print(f"signing / recording, following and signing groups of {GROUP}: {signing / whole:.2%} (bar 5 %)", flush=True)


def _million(directory: Path) -> None:
    entries = [
        canonical_json({"actor": "guest", "number": n, "type": "finding", "v": 1, "x": "y" * 160}) for n in range(4096)
    ]
    entries = [entries[n % 4096] for n in range(ENTRIES)]
    tree = Tree()
    tree.extend(leaf_hash(entry) for entry in entries)
    for path, content in files_of(tree, entries, ENTRIES):
        (directory / "log" / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / "log" / path).write_bytes(content)
    started = time.perf_counter()
    Publication(directory / "log").verify(ENTRIES, tree.root())
    print(f"{ENTRIES} entries hashed again and compared: {time.perf_counter() - started:.1f} s (bar 10 s)", flush=True)
    proof, leaf, root = tree.inclusion_proof(123_456), leaf_hash(entries[123_456]), tree.root()
    started = time.perf_counter()
    for _ in range(2000):
        check_inclusion(leaf, 123_456, ENTRIES, proof, root)
    print(f"inclusion proof verified: {(time.perf_counter() - started) / 2000 * 1e6:.1f} us (bar 50 us)", flush=True)
