"""A supervisor as a process of its own: the real loop with real threads, disk, clock and control socket; killed at will.

`python door_process.py FOLDER PROPOSALS`, with the helpers of the neighbouring test folders on the path. Starts a run or goes on with one, until the guest has made its proposals.
Writes the time of every change of the head to `effects`, before it is made; only the change itself comes after.
"""

import os
import sys
from pathlib import Path

from door_doubles import EverBetter
from gateway_people import RULES
from run_doubles import FakeTree

from subcritical.clock import SystemClock
from subcritical.gateway import Gateway, Store, _apply
from subcritical.ids import Ids
from subcritical.ledger import Journal, read_journal
from subcritical.loop.guest import Ended, Submission
from subcritical.loop.outcome import Bounds
from subcritical.loop.runner import Runner
from subcritical.pipeline import Pipeline
from subcritical.pipeline.control import ControlServer
from subcritical.sandbox import Collected
from subcritical.schema import Event, Score
from subcritical.tripwires import Tripwires


class Guest:
    def __init__(self, files, made, wanted):
        self.files, self.made, self.wanted = dict(files), made, wanted

    def next(self, watch):
        watch.check()
        if self.made >= self.wanted:
            return Ended(reason="done", orderly=True)
        self.made += 1
        changed = {**self.files, "solution.py": f"{self.made} {os.getpid()}\n".encode() * 50}
        return Submission(collected=Collected(files=changed), claim="", reported=None)

    def answer(self, _answer):
        pass

    hold = release = close = answer_nothing = lambda _self: None

    def output(self):
        return None


class Containment:
    def __init__(self, clock):
        self.handle = FakeTree(clock)

    def paused_ns(self):
        return 0

    def confirm_lease(self):
        pass


def main(folder: Path, wanted: int) -> None:
    clock = SystemClock()
    effects = os.open(folder / "effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(effects, f"{clock.boot_ns()} start\n".encode())
    rename = _apply._rename

    def noted(partial, head):
        os.write(effects, f"{clock.boot_ns()} moves\n".encode())
        rename(partial, head)

    _apply._rename = noted
    store, journal_folder = Store(folder / "store"), folder / "journal"
    gateway = Gateway(store, rules=RULES)
    if store.head() is None:
        gateway.seed({"solution.py": b"0", "goal.json": b"{}", "prompt.txt": b"", "evaluate.py": b""})
    begun = journal_folder.is_dir()
    journal = Journal.open(journal_folder, clock) if begun else Journal.create(journal_folder, "run", clock)
    history = list(read_journal(journal_folder)) if begun else []
    events = [record for record in history if isinstance(record, Event)]
    best = max((e.data.value for e in events if isinstance(e.data, Score)), default=0.0)
    made = max((event.generation for event in events), default=0)
    containment = Containment(clock)
    pipeline = Pipeline(journal, [], Tripwires([]), containment.handle, clock, history=history)
    runner = Runner(
        pipeline=pipeline,
        gateway=gateway,
        box=None,
        judge=EverBetter(best),
        containment=containment,
        start_guest=lambda files, _hello, _watch: Guest(files, made, wanted),
        subsets=None,
        bounds=Bounds(generations=10 * wanted, evaluations=10 * wanted, wall_s=1e6),
        system="test",
        seed=1,
        measure_k=None,
        clock=clock,
        ids=Ids(),
        wait_when_paused=True,
        progress=lambda _: None,
    )
    if events:
        runner.restore(events)
    with ControlServer(pipeline, folder):
        result = runner.run()
    pipeline.close()
    journal.close()
    print(result.status, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
