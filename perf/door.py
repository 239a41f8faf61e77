"""The gateway's part of a proposal: store, hash, classes, decision, diff and a record on disk; as a ratio.

The yardstick does what nobody can leave out: hash the bytes, write them to a new file and sync it.
"""

import hashlib
import os
import random
import statistics
import tempfile
import time
from pathlib import Path

from subcritical.clock import SystemClock
from subcritical.gateway import Gateway, PathRule, Store
from subcritical.ledger import Journal
from subcritical.schema import Artifact, Event

KILOBYTE = 1000
ROUNDS = 40


def lines(size: int, seed: int) -> list[str]:
    dice, found, length = random.Random(seed), [], 0
    while length < size:
        found.append(f"x{dice.randrange(10**6)} = {dice.random()}")
        length += len(found[-1]) + 1
    return found


def main(_only: str = "") -> None:
    dice = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        journal = Journal.create(place / "journal", "perf", SystemClock())
        base = lines(100 * KILOBYTE, 0)
        gateway = Gateway(Store(place / "store"), rules=[PathRule("solution.py", Artifact.CODE)])
        gateway.seed({"solution.py": "\n".join(base).encode()})
        for name, new in (
            ("a line of 100 KB", lambda n: [*base[: n * 7], f"y = {n}", *base[n * 7 + 1 :]]),
            ("a tenth of 100 KB", lambda n: [f"{line} # {n}" if dice.random() < 0.1 else line for line in base]),
            ("all of 100 KB", lambda n: lines(100 * KILOBYTE, n + 1)),
        ):
            took, yard = [], []
            for number in range(ROUNDS):
                data = "\n".join(new(number)).encode()
                began = time.perf_counter()
                reviewed = gateway.review({"solution.py": data}, proposal=f"p-{number}", requester="guest")
                event = Event(seq=0, time_ns=0, run="", producer="loop", generation=number, data=reviewed.proposal)
                journal.append(event)
                journal.commit()
                took.append(time.perf_counter() - began)
                began = time.perf_counter()
                path = place / "yard" / hashlib.sha256(data).hexdigest()
                path.parent.mkdir(exist_ok=True)
                with path.open("wb") as file:
                    file.write(data)
                    os.fsync(file.fileno())
                yard.append(time.perf_counter() - began)
            median, plain = statistics.median(took), statistics.median(yard)
            print(f"{name}: {median * 1e3:.2f} ms median of {ROUNDS}, {median / plain:.1f} times hash + write + sync")
        journal.close()
