"""When the supervisor dies, everything dies, also while the payload tries to prevent it."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from subcritical.sandbox import Rung
from subcritical.sandbox._scan import below, read_stat

SCRIPT = str(Path(__file__).parent / "doomed_supervisor.py")


class Doomed:
    """A supervisor in a process of its own, and pidfds of all it contains."""

    def __init__(self, rung, *without, lease_s=30.0):
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, str(rung), ",".join(without), str(lease_s)], stdout=subprocess.PIPE
        )
        self.group, self.handles = None, {}

    def read(self):
        """What the supervisor contains; apart from the start, so that a failure here is cleaned up."""
        line = self.process.stdout.readline()
        assert line, f"the supervisor ended with {self.process.wait()}"
        spawner, watcher, group, *pids = line.split()
        self.spawner, self.watcher = int(spawner), int(watcher)
        self.group = None if group == b"-" else Path(os.fsdecode(group))
        for pid in pids:
            with contextlib.suppress(OSError):
                self.handles[int(pid)] = os.pidfd_open(int(pid))
        assert len(self.handles) > 5

    def survivors(self):
        alive = []
        for pid, handle in self.handles.items():
            poller = select.poll()
            poller.register(handle, select.POLLIN)
            if not poller.poll(0):
                alive.append(pid)
        return alive

    def wait_until_gone(self, timeout_s):
        begin = time.monotonic()
        while self.survivors() and time.monotonic() - begin < timeout_s:
            time.sleep(0.002)
        return time.monotonic() - begin

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        for handle in self.handles.values():
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)
        if self.group is not None:
            deadline = time.monotonic() + 5
            while self.group.exists() and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    (self.group / "cgroup.kill").write_text("1")
                for place in (*sorted(self.group.rglob("*/"), reverse=True), self.group):
                    with contextlib.suppress(OSError):
                        place.rmdir()
                time.sleep(0.01)


@pytest.fixture
def doom():
    made = []

    def begin(*arguments, **more):
        made.append(Doomed(*arguments, **more))
        made[-1].read()
        return made[-1]

    yield begin
    for doomed in made:
        doomed.end()


def test_nothing_survives_a_killed_supervisor(rung, doom, capsys):
    doomed = doom(rung)
    doomed.process.kill()
    took = doomed.wait_until_gone(5.0)
    with capsys.disabled():
        print(f"\n{rung}: all gone {took * 1000:.1f} ms after the supervisor was killed")
    assert doomed.survivors() == []


def test_nothing_survives_when_the_spawner_is_killed_too(namespaced, doom):
    doomed = doom(namespaced)
    os.kill(doomed.spawner, signal.SIGSTOP)
    doomed.process.kill()
    doomed.wait_until_gone(5.0)
    alive = doomed.survivors()
    os.kill(doomed.spawner, signal.SIGKILL)
    assert alive == [], "the watcher alone must be enough"


def test_nothing_survives_when_the_watcher_is_stopped(rung, doom):
    doomed = doom(rung)
    os.kill(doomed.watcher, signal.SIGSTOP)
    doomed.process.kill()
    doomed.wait_until_gone(5.0)
    alive = doomed.survivors()
    os.kill(doomed.watcher, signal.SIGKILL)
    assert alive == [], "the spawner alone must be enough"


def test_a_silent_supervisor_loses_its_lease(namespaced, doom):
    doomed = doom(namespaced, lease_s=6.0)
    assert doomed.survivors()
    doomed.process.send_signal(signal.SIGSTOP)
    doomed.wait_until_gone(20.0)
    assert doomed.survivors() == []


def test_without_the_dead_man_the_payload_survives(namespaced, doom):
    doomed = doom(namespaced, "dead_man")
    doomed.process.kill()
    doomed.wait_until_gone(1.0)
    assert len(doomed.survivors()) > 5


def test_without_filter_and_landlock_the_init_can_be_reached(namespaced, run_code):
    """The route that the guards close: the payload has the user of the init of its namespace."""
    code = "import ctypes\nlibc = ctypes.CDLL(None)\nprint(libc.ptrace(0x4206, 1, 0, 0))\ntry:\n    open('/proc/1/mem', 'r+b').close()\n    print('open')\nexcept OSError:\n    print('refused')\n"
    _, output = run_code(namespaced, code)
    assert output.stdout == b"-1\nrefused\n"
    _, planted = run_code(namespaced, code, "seccomp", "landlock")
    assert planted.stdout == b"0\nopen\n"


def test_groups_of_a_killed_supervisor_are_swept_by_the_next(doom, make):
    if Rung.R1 not in __import__("subcritical.sandbox").sandbox.probe().available:
        pytest.skip("no control groups here")
    doomed = doom(Rung.R1)
    doomed.process.kill()
    doomed.process.wait()
    doomed.wait_until_gone(5.0)
    for pid in (doomed.spawner, doomed.watcher):
        deadline = time.monotonic() + 5
        while (status := read_stat(f"/proc/{pid}")) and status[0] != "Z" and time.monotonic() < deadline:
            time.sleep(0.01)
    make(Rung.R1)
    assert not doomed.group.exists()


def test_a_sandbox_that_loses_its_monitor_at_once_leaves_nothing(namespaced, make, sleeper):
    """Between its fork and its own parent-death signal nothing but the spawner ends bubblewrap's init."""
    containment = make(namespaced)
    spawner = containment._spawner.process.pid
    sandbox = containment.launch(sleeper())
    os.kill(sandbox.prepared.pid, signal.SIGKILL)
    assert sandbox.wait(10) is not None
    sandbox.close()
    deadline = time.monotonic() + 10
    while len(below(spawner)) > len(containment._prepared) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(below(spawner)) <= 1
