"""The pipeline over real sandboxes: what a receipt says is what the processes do."""

import os
import threading
import time
from pathlib import Path

import pytest
from run_doubles import WordDetector, say

from subcritical.clock import SystemClock
from subcritical.errors import ContainmentError
from subcritical.ledger import Journal, read_journal
from subcritical.pipeline import ControlServer, Pipeline, Stopped, send_order, send_status
from subcritical.sandbox import Containment, Limits, PythonPayload, Rung, SandboxSpec
from subcritical.schema import Order, Receipt, RunState
from subcritical.tripwires import Condition, Rule, Tripwires

BUSY = b"""
import os, signal, sys
for number in range(1, 32):
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        try:
            signal.signal(number, signal.SIG_IGN)
        except OSError:
            pass
for worker in range(int(sys.argv[1])):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        break
file = os.open(f"count-{os.getpid()}", os.O_RDWR | os.O_CREAT, 0o644)
count = 0
while True:
    count += 1
    os.pwrite(file, b"%020d" % count, 0)
"""


class Guest:
    """Busy processes that have left their session and ignore every signal; each counts into a file."""

    def __init__(self, containment, workers):
        spec = SandboxSpec(
            name="guest",
            payload=PythonPayload(script=Path("/workspace/busy.py"), argv=(str(workers),)),
            files={"busy.py": BUSY},
            limits=Limits(cpu_s=60, processes=32),
        )
        self.sandbox = containment.launch(spec)
        deadline = time.monotonic() + 20
        while len(self.counts()) < workers and time.monotonic() < deadline:
            time.sleep(0.02)

    def counts(self):
        counts = {}
        for name in os.listdir(self.sandbox.workspace_fd):
            if name.startswith("count-"):
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self.sandbox.workspace_fd)
                counts[name] = os.pread(file, 20, 0)
                os.close(file)
        return counts

    def moves(self, within_s=0.15):
        before = self.counts()
        time.sleep(within_s)
        return self.counts() != before


@pytest.fixture(params=[Rung.R1, Rung.R2])
def world(request, tmp_path):
    """A pipeline with its control socket over a running guest."""
    clock = SystemClock()
    try:
        containment = Containment(run=f"pipe-{os.getpid()}", rung=request.param, clock=clock)
    except ContainmentError as error:
        pytest.skip(f"no {request.param} here: {error}")
    journal = Journal.create(tmp_path / "journal", "run-1", clock)
    rule = Rule(id="tampering", on=Condition(technique="RSI-T0300"), action=Order.PAUSE)
    pipeline = Pipeline(journal, [WordDetector()], Tripwires([rule]), containment.handle, clock, run="run-1")
    with containment:
        guest = Guest(containment, 5)
        pipeline.start()
        with ControlServer(pipeline, tmp_path / "run"):
            yield pipeline, guest, tmp_path / "run", request.param
    pipeline.close()
    journal.close()


def test_pause_resume_and_stop_are_what_their_receipts_say(world):
    pipeline, guest, directory, rung = world
    assert guest.moves()
    paused = send_order(directory, Order.PAUSE, by="ann", reason="a look")
    # On a busy machine the weaker rung may fail to verify; then the run must be dead, never called paused.
    assert (paused.outcome, paused.state) in [("confirmed", RunState.PAUSED), ("escalated", RunState.KILLED)]
    assert not guest.moves()
    print(
        f"{rung} pause: quiesced {(paused.quiesced_ns - paused.ordered_ns) / 1e6:.2f} ms, "
        f"confirmed {(paused.confirmed_ns - paused.ordered_ns) / 1e6:.2f} ms, {paused.processes} processes"
    )
    if paused.state is RunState.PAUSED:
        assert paused.processes >= 5
        assert send_order(directory, Order.RESUME, by="ann", reason="seen").state is RunState.RUNNING
        assert guest.moves()
    stopped = send_order(directory, Order.STOP, by="ann")
    assert (stopped.outcome, stopped.state, stopped.survivors) == ("confirmed", RunState.KILLED, 0)
    assert stopped.rung == rung
    print(f"{rung} stop: confirmed {(stopped.confirmed_ns - stopped.ordered_ns) / 1e6:.2f} ms")
    assert not guest.moves()
    with pytest.raises(Stopped):
        pipeline.gate()


def test_a_tripwire_freezes_the_real_thing(world):
    pipeline, guest, directory, _ = world
    pipeline.event(say("tamper"), generation=1)
    pipeline.process()
    assert not guest.moves()
    assert send_status(directory).state in (RunState.PAUSED, RunState.KILLED)


@pytest.mark.parametrize("before", [None, Order.PAUSE, Order.STOP])
def test_stop_from_every_state_leaves_nobody(world, before):
    _, guest, directory, _ = world
    if before is not None:
        send_order(directory, before, by="ann", reason="first")
    receipt = send_order(directory, Order.STOP, by="ann")
    assert (receipt.outcome, receipt.survivors) == ("confirmed", 0)
    assert not guest.moves()


def test_stop_while_a_pause_is_under_way(world):
    pipeline, guest, directory, _ = world
    pause = threading.Thread(target=send_order, args=(directory, Order.PAUSE), kwargs={"by": "ann", "reason": "x"})
    pause.start()
    receipt = send_order(directory, Order.STOP, by="bob")
    pause.join(20)
    assert (receipt.outcome, receipt.survivors) == ("confirmed", 0)
    assert pipeline.state is RunState.KILLED
    assert not guest.moves()


def test_the_receipts_are_in_the_journal(world, tmp_path):
    _, _, directory, _ = world
    receipt = send_order(directory, Order.STOP, by="ann")
    recorded = [record for record in read_journal(tmp_path / "journal") if isinstance(record, Receipt)]
    assert [record.action for record in recorded] == [receipt.action]
