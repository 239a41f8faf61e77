import contextlib
import json
import os
import pwd
import shutil
import socket
import stat
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from run_doubles import WordDetector, say

import subcritical
from subcritical.errors import ContainmentError, InputError, SourceError
from subcritical.pipeline import ControlServer, send_order, send_review, send_status
from subcritical.pipeline import _peer as peer_module
from subcritical.pipeline import control as control_module
from subcritical.pipeline._peer import own_groups, refusal_of_peer, within
from subcritical.schema import Order, RunState

SOURCE = str(Path(subcritical.__file__).parent.parent)
ROOT = os.geteuid() == 0
ASK = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[1])
try:
    s.sendall(json.dumps({"order": "status"}).encode() + b"\\n")
except BrokenPipeError:
    pass  # refused before it was read
print(s.makefile().readline())
"""


@pytest.fixture
def served(make_run, tmp_path):
    run = make_run(threads=True)
    directory = tmp_path / "run"
    with ControlServer(run.pipeline, directory) as server:
        yield run, directory, server


def raw(directory, data, *, end=True):
    """Send bytes, return the decoded answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(directory / "control.sock"))
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").readline()
    return json.loads(answer)


def ask_from(command, directory, **more):
    """Ask for the status from another process; its stdout. The client is plain Python: the checks are the server's."""
    script = [*command, "/usr/bin/python3" if shutil.which("/usr/bin/python3") else sys.executable, "-I", "-c", ASK]
    arguments = [*script, str(directory / "control.sock")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False, **more)
    return done.stdout or done.stderr


def test_the_socket_is_the_owners_alone(served):
    _, directory, _ = served
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "control.sock").stat().st_mode) == 0o600


def test_orders_and_receipts_cross_the_socket(served):
    run, directory, _ = served
    run.pipeline.event(say("tamper"), generation=7)
    run.pipeline.process()
    status = send_status(directory)
    assert (status.run, status.state, status.generation, status.down) == ("run-1", RunState.PAUSED, 7, True)
    assert [line.technique for line in status.findings] == ["RSI-T0300"]
    assert status.resume_needs == tuple(line.id for line in status.findings)
    assert send_order(directory, Order.RESUME, by="ann", reason="x").outcome == "refused"
    resumed = send_order(directory, Order.RESUME, by="ann", reason="read it", findings=status.resume_needs)
    assert (resumed.outcome, resumed.rung, resumed.state) == ("confirmed", "R1", RunState.RUNNING)
    assert send_order(directory, Order.THROTTLE, by="ann", reason="slow", argument="2").outcome == "confirmed"
    assert send_review(directory, by="ann", reason="all of it").throttle == 2
    assert send_order(directory, Order.STOP, by="ann", dry_run=True).detail == "dry run: would kill the run"
    stopped = send_order(directory, Order.STOP, by="ann")
    assert (stopped.outcome, stopped.state, stopped.processes, stopped.survivors) == (
        "confirmed",
        RunState.KILLED,
        3,
        0,
    )
    assert 0 < stopped.ordered_ns <= stopped.quiesced_ns <= stopped.confirmed_ns


def test_another_process_of_the_owner_is_served(served):
    _, directory, _ = served
    assert json.loads(ask_from([], directory))["status"]["state"] == "running"


def test_a_stop_is_served_while_the_pipeline_is_busy(make_run, tmp_path):
    inside, leave = threading.Event(), threading.Event()

    class Slow(WordDetector):
        def batch(self, _states, events):
            if any("slow" in str(event.data) for event in events):
                inside.set()
                leave.wait(10)
            return []

    run = make_run(threads=True, detectors=[Slow()])
    with ControlServer(run.pipeline, tmp_path / "run"):
        run.pipeline.event(say("slow"), generation=1)
        main = threading.Thread(target=run.pipeline.process)
        main.start()
        assert inside.wait(5)
        receipt = send_order(tmp_path / "run", Order.STOP, by="ann")
        assert not leave.is_set()
        leave.set()
        main.join(10)
    assert receipt.state is RunState.KILLED


def test_pause_latency_through_the_socket(served):
    run, directory, _ = served
    waits = []
    for _ in range(30):
        began = run.clock.boot_ns()
        receipt = send_order(directory, Order.PAUSE, by="ann", reason="x")
        waits.append((receipt.confirmed_ns - began) / 1e6)
        send_order(directory, Order.RESUME, by="ann", reason="x")
    print(f"client to CONFIRMED: median {statistics.median(waits):.2f} ms, max {max(waits):.2f} ms, n {len(waits)}")
    assert statistics.median(waits) < 250


class TestWhoIsRefused:
    @pytest.mark.skipif(not ROOT, reason="needs root to become another user")
    def test_another_user_even_where_the_files_are_open(self, served):
        _, directory, _ = served
        nobody = pwd.getpwnam("nobody").pw_uid
        assert "PermissionError" in ask_from([], directory, user=nobody)
        for path in [directory, *directory.parents][:4]:
            path.chmod(0o755)
        (directory / "control.sock").chmod(0o666)
        assert f"refused: uid {nobody} does not own this run" in ask_from([], directory, user=nobody)

    @pytest.mark.skipif(not ROOT, reason="needs root to become another user")
    def test_planted_without_the_check_the_other_user_is_served(self, served, monkeypatch):
        _, directory, _ = served
        monkeypatch.setattr(control_module, "refusal_of_peer", lambda *_: "")
        for path in [directory, *directory.parents][:4]:
            path.chmod(0o755)
        (directory / "control.sock").chmod(0o666)
        assert "status" in json.loads(ask_from([], directory, user=pwd.getpwnam("nobody").pw_uid))

    @staticmethod
    def namespace():
        command = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
            pytest.skip("no user namespaces here")
        return command

    def test_a_peer_in_another_pid_namespace(self, served):
        _, directory, _ = served
        assert "pid namespace that is not ours" in ask_from(self.namespace(), directory)

    def test_planted_without_the_check_a_guest_could_give_orders(self, served, monkeypatch):
        _, directory, _ = served
        command = self.namespace()
        monkeypatch.setattr(peer_module, "_placement", lambda *_: "")
        assert "status" in json.loads(ask_from(command, directory))

    @pytest.fixture
    def group(self):
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        places = [Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"]
        if not ROOT or not places:
            pytest.skip("needs root and a cgroup v2 mount")
        group = places[0] / f"subcritical-test-{os.getpid()}"
        group.mkdir()
        yield group
        group.rmdir()

    def ask_from_group(self, group, directory):
        # The shell moves itself before the client starts, so every process of it is inside.
        return ask_from(["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"], directory)

    def test_a_peer_in_a_guests_control_group(self, make_run, tmp_path, group):
        run = make_run(threads=True)
        with ControlServer(run.pipeline, tmp_path / "run", guest_groups=[f"/{group.name}"]):
            assert f"control group /{group.name}" in self.ask_from_group(group, tmp_path / "run")
            assert json.loads(ask_from([], tmp_path / "run"))["status"]["state"] == "running"

    def test_planted_without_the_groups_it_is_served(self, make_run, tmp_path, group):
        run = make_run(threads=True)
        with ControlServer(run.pipeline, tmp_path / "run"):
            assert "status" in json.loads(self.ask_from_group(group, tmp_path / "run"))

    def test_a_peer_that_is_gone_cannot_be_examined(self, tmp_path):
        path = str(tmp_path / "s")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            leave = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
            subprocess.run([sys.executable, "-I", "-c", leave, path], check=True, timeout=30)
            connection, _ = server.accept()
            with connection:
                assert refusal_of_peer(connection, []) != ""

    def test_who_dies_while_being_examined_is_refused(self, served, monkeypatch):
        """Its pid could be a stranger's by now; the kernel's own reference says that it ended."""
        _, directory, _ = served
        monkeypatch.setattr(peer_module, "_has_ended", lambda _: True)
        with pytest.raises(InputError, match="ended before it could be examined"):
            send_status(directory)

    def test_a_kernel_without_peer_pidfds_is_served_by_pid(self, served, monkeypatch):
        _, directory, _ = served
        monkeypatch.setattr(peer_module, "_SO_PEERPIDFD", 9999)
        assert send_status(directory).state is RunState.RUNNING

    def test_a_supervisor_inside_a_guests_group_does_not_start(self, make_run, tmp_path, monkeypatch):
        monkeypatch.setattr(control_module, "own_groups", lambda: ["/runs/one/guest"])
        with pytest.raises(InputError, match="control group"):
            ControlServer(make_run().pipeline, tmp_path / "run", guest_groups=["/runs/one"])


def test_what_lies_within_a_group():
    assert within("/a/b", ["/a"])
    assert within("/a", ["/a/"])
    assert not within("/ab", ["/a"])
    assert not within("/", ["/a"])
    assert not within("/a", [""])
    assert own_groups()


class TestBadInput:
    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"garbage\n", "unreadable order"),
            (b"\xff\xfe\n", "unreadable order"),
            (b"[]\n", "unreadable order"),
            (b"{}\n", "unreadable order"),
            (b"", "unreadable order"),
            (b'{"order": "stop"}', "unreadable order"),
            (b'{"order": "explode"}\n', "no order is called explode"),
            (b'{"order": "stop\\u001b[2J"}\n', "no order is called stop\\x1b[2J"),
            (b'{"order": "stop", "extra": 1}\n', "unreadable order"),
            (b'{"order": "stop", "by": 7}\n', "unreadable order"),
            (b'{"order": "review", "by": ""}\n', "name of the person"),
            (b'{"order": "stop", "by": "\\ud800"}\n', "unreadable order"),
            (b"[" * 60_000 + b"\n", "unreadable order"),
            (b"x" * 70_000, "unreadable order"),
        ],
    )
    def test_is_answered_and_does_nothing(self, served, data, said):
        run, directory, _ = served
        assert said in raw(directory, data)["error"]
        assert run.pipeline.state is RunState.RUNNING
        assert send_status(directory).state is RunState.RUNNING

    def test_a_peer_that_drips_gets_no_more_time(self, served, monkeypatch):
        _, directory, _ = served
        monkeypatch.setattr(control_module, "_PEER_TIMEOUT_S", 0.3)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(directory / "control.sock"))
            began = time.monotonic()
            with contextlib.suppress(OSError):
                while time.monotonic() - began < 10:
                    connection.sendall(b" ")
                    time.sleep(0.02)
            assert time.monotonic() - began < 8

    def test_silent_peers_do_not_keep_a_stop_out_for_long(self, served, monkeypatch):
        run, directory, _ = served
        monkeypatch.setattr(control_module, "_PEER_TIMEOUT_S", 0.5)
        with contextlib.ExitStack() as stack:
            for _ in range(12):
                connection = stack.enter_context(socket.socket(socket.AF_UNIX))
                connection.connect(str(directory / "control.sock"))
            receipt = send_order(directory, Order.STOP, by="ann")
        assert receipt.outcome == "confirmed"
        assert run.pipeline.state is RunState.KILLED

    def test_a_peer_that_leaves_before_its_receipt_has_still_stopped_the_run(self, served):
        run, directory, _ = served
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(directory / "control.sock"))
            connection.sendall(b'{"order": "stop", "by": "ann"}\n')
            deadline = time.monotonic() + 5
            while run.pipeline.state is not RunState.KILLED and time.monotonic() < deadline:
                time.sleep(0.01)
        assert run.pipeline.state is RunState.KILLED
        assert send_status(directory).state is RunState.KILLED

    def test_what_is_too_long_or_no_text_is_not_sent(self, served):
        _, directory, _ = served
        with pytest.raises(InputError, match="shorten"):
            send_order(directory, Order.STOP, by="ann", reason="x" * 100_000)
        with pytest.raises(InputError, match="Unicode"):
            send_order(directory, Order.STOP, by="\ud800")


class TestWhereTheRunIsNotAlive:
    def test_no_directory_no_socket_or_a_dead_one(self, tmp_path, make_run):
        with pytest.raises(InputError, match="no run at"):
            send_status(tmp_path / "none")
        with pytest.raises(InputError, match="not alive"):
            send_status(tmp_path)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "control.sock"))
        with pytest.raises(InputError, match="not alive"):
            send_status(tmp_path)
        with ControlServer(make_run(threads=True).pipeline, tmp_path):
            assert send_status(tmp_path).state is RunState.RUNNING
        assert not (tmp_path / "control.sock").exists()

    def test_one_supervisor_per_run(self, served, make_run):
        _, directory, _ = served
        with pytest.raises(InputError, match="another supervisor"):
            ControlServer(make_run().pipeline, directory)
        assert send_status(directory).state is RunState.RUNNING

    @pytest.mark.parametrize(
        "answer", [b"", b"\n", b"{}\n", b"garbage\n", b'{"receipt": {}}\n', b"x" * (2 << 20), b'{"error": "no"}\n']
    )
    def test_an_answer_that_is_none(self, tmp_path, answer):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "control.sock"))
            server.listen()

            def serve():
                connection, _ = server.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(1000)
                    connection.sendall(answer)

            thread = threading.Thread(target=serve)
            thread.start()
            with pytest.raises((SourceError, InputError)):
                send_status(tmp_path, timeout_s=5)
            thread.join(5)


class TestPlaces:
    def test_a_very_long_path(self, make_run, tmp_path):
        directory = tmp_path / ("x" * 200) / ("y" * 200)
        with ControlServer(make_run(threads=True).pipeline, directory):
            assert send_status(directory).state is RunState.RUNNING

    def test_a_file_system_without_sockets(self, make_run, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        directory = tmp_path / "run"
        sound = control_module._bound

        def bound(place):
            if place == directory:
                raise OSError(95, "Operation not supported")
            return sound(place)

        monkeypatch.setattr(control_module, "_bound", bound)
        run = make_run(threads=True)
        with ControlServer(run.pipeline, directory):
            place = Path((directory / "control.path").read_text())
            assert not (directory / "control.sock").exists()
            assert stat.S_IMODE(place.stat().st_mode) == 0o700
            assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
            assert send_status(directory).state is RunState.RUNNING
        monkeypatch.undo()
        with ControlServer(run.pipeline, directory):
            assert not (directory / "control.path").exists()
            assert send_status(directory).state is RunState.RUNNING

    def test_a_directory_that_is_a_link_or_anothers(self, make_run, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        with pytest.raises(ContainmentError, match="not a directory of this user"):
            ControlServer(make_run().pipeline, tmp_path / "link")
        if ROOT:
            os.chown(tmp_path / "real", pwd.getpwnam("nobody").pw_uid, -1)
            with pytest.raises(ContainmentError, match="not a directory of this user"):
                ControlServer(make_run().pipeline, tmp_path / "real")

    @pytest.mark.parametrize("pointer", [b"", b"relative", b"x" * 9999])
    def test_a_pointer_to_nowhere(self, tmp_path, pointer):
        (tmp_path / "control.path").write_bytes(pointer)
        with pytest.raises(InputError):
            send_status(tmp_path)
