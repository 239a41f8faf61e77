"""Proposals raced against pause, stop and kill -9 of a real supervisor process: nothing half done, nothing too late."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from subcritical.errors import SubcriticalError
from subcritical.gateway import Store
from subcritical.ledger import read_journal, verify_journal
from subcritical.loop.lineage import Lineage
from subcritical.pipeline.control import send_order
from subcritical.schema import Approval, Event, Order, Receipt

MOST = 25
"""Stops, and kills, of one race; later ones find only pauses."""
RACES_MIN, RACES_MAX = 4, 12
"""Races of 250 proposals each."""
ENDS_MIN = 10
SCRIPT = Path(__file__).parent / "door_process.py"
PATH = os.pathsep.join(str(Path(__file__).parent.parent / room) for room in ("sim", "gateway", "pipeline"))


def race(folder, proposals, seed):
    """Drive supervisors until the guest has made its proposals; what was done to them."""
    chance, did = random.Random(seed), dict.fromkeys(("pauses", "stops", "kills", "starts"), 0)
    folder.mkdir(parents=True)
    for _ in range(400):
        did["starts"] += 1
        command = [sys.executable, str(SCRIPT), str(folder), str(proposals)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": PATH}) as child:
            try:
                disturb(child, folder, chance, did)
            finally:
                if child.poll() is None:
                    os.kill(child.pid, signal.SIGKILL)
            out = child.stdout.read().decode()
            child.wait(30)
        check(folder)
        if child.returncode == 0 and out.strip() == "finished":
            return did
    raise AssertionError("the guest never came to its end")


def is_up(folder, starts):
    """Whether that many supervisors have got as far as their first change could be."""
    effects = folder / "effects"
    return effects.exists() and effects.read_text().count("start") >= starts


def disturb(child, folder, chance, did):
    # A supervisor that is killed before it is up does nothing, and on a slow machine that would go on for ever.
    before = (folder / "effects").read_text().count("start") if (folder / "effects").exists() else 0
    while child.poll() is None and not is_up(folder, before + 1):
        time.sleep(0.01)
    while child.poll() is None:
        time.sleep(chance.choice([0.002, 0.02, 0.1, 0.3]))
        what = chance.choice(["pause", "pause", "stop", "kill", "nothing", "nothing"])
        with contextlib.suppress(SubcriticalError):
            if what == "pause":
                send_order(folder, Order.PAUSE, by="ana", reason="look")
                did["pauses"] += 1
                time.sleep(chance.choice([0.0, 0.01]))
                send_order(folder, Order.RESUME, by="ana", reason="looked")
            elif what == "stop" and did["stops"] < MOST:
                send_order(folder, Order.STOP, by="ana", reason="enough")
                did["stops"] += 1
                child.wait(30)
            elif what == "kill" and did["kills"] < MOST:
                os.kill(child.pid, signal.SIGKILL)
                did["kills"] += 1
                child.wait(30)


def check(folder):
    """After every end: whole trees, a sound ledger, and a head that the ledger explains."""
    store, journal = Store(folder / "store"), folder / "journal"
    head = store.head()
    if head is None or not any(journal.glob("segment-*")):
        return  # killed before its first record
    store.tree(head.tree)
    assert verify_journal(journal).ok
    events = [record for record in read_journal(journal) if isinstance(record, Event)]
    if events:
        Lineage().restore(events, head.tree)


def too_late(folder):
    """Changes of the head while an order to pause or stop stood, by the kernel's clock; and how many there were.

    A pause holds until the next order to resume, a stop until the next supervisor starts.
    """
    lines = [line.split() for line in (folder / "effects").read_text().splitlines()]
    changes = [int(moment) for moment, what in lines if what == "moves"]
    ends = [int(moment) for moment, what in lines if what == "start"]
    receipts = [r for r in read_journal(folder / "journal") if isinstance(r, Receipt) and r.outcome == "confirmed"]
    ends += [receipt.ordered_ns for receipt in receipts if receipt.order is Order.RESUME]
    late = []
    for receipt in receipts:
        if receipt.order in (Order.PAUSE, Order.STOP):
            until = min((end for end in ends if end > receipt.ordered_ns), default=2**63)
            late += [change for change in changes if receipt.ordered_ns < change < until]
    return late, len(changes)


@pytest.mark.timeout(280)
def test_proposals_against_pause_stop_and_kill(tmp_path):
    did = race(tmp_path / "run", 150, seed=7)
    late, changes = too_late(tmp_path / "run")
    print(did, f"{changes} changes of the head, {len(late)} after an order that holds")
    assert late == []
    assert min(did["pauses"], did["starts"]) >= 2, "nothing came in between"


@pytest.mark.sim
@pytest.mark.timeout(1800)
def test_a_thousand_proposals_against_pause_stop_and_kill(tmp_path):
    total, changes_of_all, accepted = dict.fromkeys(("pauses", "stops", "kills", "starts"), 0), 0, 0
    for seed in range(RACES_MAX):
        if seed >= RACES_MIN and min(total["stops"], total["kills"]) >= ENDS_MIN:
            break  # on a fast machine proposals are over sooner, and fewer orders come in between
        did = race(tmp_path / str(seed), 250, seed)
        late, changes = too_late(tmp_path / str(seed))
        assert late == []
        total = {name: total[name] + did[name] for name in total}
        changes_of_all += changes
        events = [r.data for r in read_journal(tmp_path / str(seed) / "journal") if isinstance(r, Event)]
        accepted += sum(isinstance(d, Approval) and d.verdict == "accepted" for d in events)
    print(total, f"{accepted} accepted, {changes_of_all} changes of the head, none after an order that holds")
    assert min(total["stops"], total["kills"]) >= ENDS_MIN
