"""C2, C19, C33, C34, C35, C41: what is stopped stays stopped, what is killed is dead, and nobody else is hit."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from conftest import PAYLOADS, ended, host_latency_s
from subcritical.errors import ContainmentError
from subcritical.sandbox import Rung, _scan

OUTLIVED_S = 0.6
"""A counter that ticks every 5 ms shows within this whether it runs."""


def beats(directory):
    try:
        return os.stat("beat", dir_fd=directory).st_size
    except FileNotFoundError:
        return 0


def runs_on(directory):
    """Whether the counter goes on."""
    before = beats(directory)
    time.sleep(OUTLIVED_S)
    return beats(directory) - before


def until_it_counts(directory):
    end = time.monotonic() + 15
    while beats(directory) < 3:
        assert time.monotonic() < end, "the counter never began"
        time.sleep(0.01)


@pytest.fixture
def stop_file(open_directory):
    path = open_directory / "stop"
    yield path
    path.touch()


@pytest.fixture
def workspace(open_directory):
    """A workspace on the host: it outlives the sandbox, so a survivor that writes can be seen."""
    path = open_directory / "workspace"
    path.mkdir()
    path.chmod(0o700)
    handle = os.open(path, os.O_RDONLY)
    yield path, handle
    os.close(handle)


def test_c2_a_live_fork_bomb_is_killed_completely(rung, attack, stop_file):
    begun = attack(rung, "fill.py", ("bomb",), settings={"attempts": 2000, "seconds": 20, "stop": str(stop_file)})
    begun.until_said("live")
    latency = host_latency_s()
    ordered = time.monotonic()
    report = begun.sandbox.handle.kill(10)
    took = time.monotonic() - ordered
    print(
        f"{rung}: {report.processes} processes, kill took {took * 1000:.0f} ms, host {latency * 1000:.0f} ms: {report}"
    )
    assert report.verified
    assert report.survivors == 0
    assert begun.all_gone()
    assert took < 5
    assert latency < 5


def test_c2_control_a_kill_of_the_process_group_leaves_them_alive(uncontained, stop_file, tmp_path):
    process, witness = uncontained(
        "fill.py", ("bomb",), {"attempts": 60, "seconds": 10, "stop": str(stop_file)}, tmp_path
    )
    while b"live" not in process.stdout.readline():
        pass
    os.killpg(process.pid, signal.SIGTERM)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    assert not ended(witness, 1.0), "nobody survived: the control shows nothing"
    stop_file.touch()
    assert ended(witness, 15)


def test_c19_a_sandbox_that_cannot_start_runs_nothing(rung, attack, monkeypatch):
    first = attack(rung, "fill.py", ("sleep",), settings={"seconds": 0})
    first.finish()
    starter = first.containment._starter
    for broken in (
        {"_bubblewrap": "/bin/false"},
        {"_bubblewrap": "/nonexistent/bwrap"},
        {"_interpreter": msgspec.structs.replace(starter._interpreter, executable="/bin/false")},
    ):
        with monkeypatch.context() as patched:
            for name, value in broken.items():
                patched.setattr(starter, name, value)
            with pytest.raises(ContainmentError) as refused:
                attack(
                    rung, "fill.py", ("sleep",), settings={"seconds": 0}, containment=first.containment, name="broken"
                )
        print(refused.value)
    assert first.containment.handle.verify().survivors == 0
    again = attack(rung, "fill.py", ("inodes",), settings={"attempts": 3}, containment=first.containment, name="again")
    assert again.finish().said["made"] == 3  # the control: with its parts in place the same start works


def test_c19_a_missing_filter_or_landlock_ends_the_start(rung, attack, monkeypatch):
    """Every guard of the shim fails closed: what cannot be applied is not skipped."""
    for module, name, value in (
        ("subcritical.sandbox._seccomp", "build_filter", lambda **_: b"\xff" * 16),
        (
            "subcritical.sandbox._stage",
            "landlock_rules",
            lambda *_, **__: [("/proc/self/mem", "read"), (b"\0", "read")],
        ),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(sys.modules[module], name, value)
            with pytest.raises(ContainmentError) as refused:
                attack(rung, "fill.py", ("sleep",), settings={"seconds": 0})
        print(refused.value)


def test_c33_a_daemon_does_not_outlive_its_sandbox(rung, attack, workspace, stop_file):
    """It leaves its session, its parent and its descriptors; what it writes shows whether it lives."""
    place, handle = workspace
    spec = {"workspace": place, "workdir": "/workspace"}
    settings = {"seconds": 10, "stop": str(stop_file)}
    begun = attack(rung, "fill.py", ("daemon",), settings=settings, **spec).finish()
    assert begun.said["gone"]
    assert begun.exit is not None  # the main process is gone, and the daemon with it
    assert begun.all_gone()
    assert runs_on(handle) == 0


def test_c33_control_outside_the_daemon_outlives_everything(uncontained, workspace, stop_file):
    place, handle = workspace
    process, witness = uncontained("fill.py", ("daemon",), {"seconds": 10, "stop": str(stop_file)}, place)
    assert process.wait(10) == 0
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    until_it_counts(handle)
    assert runs_on(handle) > 0
    stop_file.touch()
    assert ended(witness, 10)


def test_c33_control_without_the_process_namespace_r2_loses_the_daemon(attack, workspace, stop_file, rung):
    if rung is not Rung.R2:
        pytest.skip("on R1 the control group holds it, which no test can take away")
    place, handle = workspace
    begun = attack(
        rung, "fill.py", ("daemon",), without=("pid_namespace",),
        settings={"seconds": 6, "stop": "stop"}, workspace=place, workdir="/workspace",
    )  # fmt: skip
    begun.sandbox.wait(10)
    until_it_counts(handle)
    lost = runs_on(handle)
    (place / "stop").touch()
    assert begun.all_gone(10)
    assert lost > 0


def test_c34_what_is_paused_is_not_woken_by_sigcont(rung, attack, stop_file):
    """Helpers inside wake each other without pause; then a stranger outside wakes what he can see."""
    begun = attack(rung, "fill.py", ("revived",), settings={"seconds": 25, "stop": str(stop_file)})
    begun.until_said("live")
    directory = begun.sandbox.workspace_fd
    until_it_counts(directory)
    report = begun.sandbox.handle.freeze(5)
    print(f"{rung}: {report}")
    if not report.verified:  # named as not guaranteed on R2: then it is killed, and no PAUSED is claimed
        assert rung is not Rung.R1
        assert begun.sandbox.handle.kill(5).verified
    assert runs_on(directory) == 0
    if rung is Rung.R1:
        for seen in begun.sandbox.members():
            os.kill(seen.pid, signal.SIGCONT)
        assert runs_on(directory) == 0
    assert begun.sandbox.handle.kill(5).verified
    assert begun.all_gone()


def test_c34_control_a_stop_of_the_worker_alone_is_undone_by_its_helpers(rung, attack, stop_file):
    begun = attack(rung, "fill.py", ("revived",), settings={"seconds": 20, "stop": str(stop_file)})
    begun.until_said("live")
    directory = begun.sandbox.workspace_fd
    until_it_counts(directory)
    inside = begun.said["worker"]
    for seen in begun.sandbox.members():
        words = Path(f"/proc/{seen.pid}/status").read_text().split("NSpid:")[1].splitlines()[0].split()
        if int(words[-1]) == inside:
            os.kill(seen.pid, signal.SIGSTOP)
            break
    else:
        pytest.fail("the worker was not found")
    assert runs_on(directory) > 0


def supervised(rung, *, forged, without=(), seconds):
    """Start a supervisor with a payload that forges its heartbeat; returns both, and the witness."""
    witness_in, witness_out = os.pipe()
    os.set_inheritable(witness_out, True)
    order = {
        "rung": str(rung),
        "without": list(without),
        "file": str(PAYLOADS / "fill.py"),
        "forged": forged,
        "settings": {"seconds": seconds},
        "witness": witness_out,
    }
    supervisor = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("supervised.py")), json.dumps(order)],
        pass_fds=(witness_out,),
        stdout=subprocess.PIPE,
    )
    os.close(witness_out)
    assert supervisor.stdout.readline() == b"live\n"
    return supervisor, witness_in


@pytest.mark.parametrize(
    ("forged", "without", "dies"), [(False, (), True), (True, (), False), (False, ("dead_man",), False)]
)
def test_c35_only_the_supervisor_renews_the_lease(rung, forged, without, dies):
    """A supervisor that hangs loses its guest, whatever the guest writes to what it holds.

    Controls: a guest that was given the supervisor's own descriptor lives on, and so does one without the switch.
    """
    supervisor, witness = supervised(rung, forged=forged, without=without, seconds=20 if dies else 5)
    try:
        os.kill(supervisor.pid, signal.SIGSTOP)
        began = time.monotonic()
        died = ended(witness, 10.0 if dies else 2.5)
        print(f"{rung} forged={forged} without={without}: dead={died} after {time.monotonic() - began:.2f} s")
        assert died is dies
    finally:
        supervisor.kill()
        supervisor.wait()
        supervisor.stdout.close()
        gone = ended(witness, 15)
        os.close(witness)
    assert gone


@pytest.fixture
def stranger():
    process = subprocess.Popen(["/bin/sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_c41_a_late_order_does_not_hit_who_has_the_number_now(rung, attack, stranger):
    """The sandbox ended; a stranger has its number now. Orders of every kind go through handles of the dead."""
    begun = attack(rung, "fill.py", ("sleep",), settings={"seconds": 0}).finish()
    start = _scan.read_stat(f"/proc/{stranger.pid}")[2]
    assert not _scan.send(_scan.Seen(stranger.pid, start - 1), signal.SIGKILL)
    begun.sandbox.namespace = (stranger.pid, begun.sandbox.namespace[1], begun.sandbox.namespace[2])
    begun.sandbox.prepared.pid = stranger.pid
    for order in (lambda: begun.sandbox.handle.freeze(1), lambda: begun.sandbox.handle.kill(1), begun.sandbox.end_now):
        order()
    time.sleep(0.2)
    assert stranger.poll() is None
    assert _scan.read_stat(f"/proc/{stranger.pid}")[0] not in "Tt"


def test_c41_control_without_the_look_at_the_start_time_the_stranger_dies(stranger, monkeypatch):
    start = _scan.read_stat(f"/proc/{stranger.pid}")[2]
    monkeypatch.setattr(_scan, "read_stat", lambda place: ("S", 1, start - 1))
    assert _scan.send(_scan.Seen(stranger.pid, start - 1), signal.SIGKILL)
    assert stranger.wait(5) == -signal.SIGKILL
