"""C10 to C18: what lies outside a sandbox stays out of its reach; without the guard the same program reaches it."""

import contextlib
import fcntl
import os
import secrets
import socket
import threading

import pytest

from conftest import new_secret, promised
from subcritical.sandbox import Rung, collect

STATIC = ("protected", "hidden", "leaks", "memory", "signals", "namespaces", "groups", "network", "families", "kernel")
NO_WALLS = ("seccomp", "landlock", "pid_namespace", "nested_namespaces", "network_namespace")
DOORS = ("mount_namespace", "clear_environment", "close_fds", "pid_namespace", "landlock")
ROUTES = 15


class Listener:
    """Sockets on the loopback of the host that count who came."""

    def __init__(self, path):
        self.reached = set()
        self.names = {"abstract": f"attack-{secrets.token_hex(8)}", "socket": str(path)}
        self._lines = {
            "tcp": self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "tcp6": self._listen(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
            "udp": self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "abstract": self._listen(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.names["abstract"]),
            "path": self._listen(socket.AF_UNIX, socket.SOCK_STREAM, str(path)),
        }
        path.chmod(0o777)
        self.ports = [self._lines[name].getsockname()[1] for name in ("tcp", "tcp6", "udp")]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _listen(self, family, kind, address):
        line = socket.socket(family, kind)
        line.bind(address)
        line.setblocking(False)
        if kind == socket.SOCK_STREAM:
            line.listen(4)
        return line

    def _serve(self):
        while not self._stop.wait(0.02):
            for name, line in self._lines.items():
                with contextlib.suppress(BlockingIOError):
                    if name == "udp":
                        line.recv(16)
                    else:
                        line.accept()[0].close()
                    self.reached.add(name)

    def close(self):
        self._stop.wait(0.1)
        self._stop.set()
        self._thread.join()
        for line in self._lines.values():
            line.close()


@pytest.fixture
def listener(open_directory):
    made = Listener(open_directory / "service.sock")
    yield made
    made.close()


@pytest.fixture
def treasure(open_directory, monkeypatch):
    """Secrets on the host: files anyone may read, our environment, an inheritable descriptor of ours."""
    found = {}
    for name in ("tests", "ssh", "aws", "environment", "descriptor"):
        found[name], digest = new_secret()
        found.setdefault("digests", {})[digest] = name
    places = {"tests": "held_out.csv", "ssh": ".ssh/id_ed25519", "aws": ".aws/credentials", "descriptor": "open.txt"}
    for name, place in places.items():
        path = open_directory / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(found[name])
    monkeypatch.setenv("ATTACK_API_KEY", found["environment"])
    low = os.open(open_directory / "open.txt", os.O_RDONLY)
    handle = fcntl.fcntl(low, fcntl.F_DUPFD, 150)  # a number that nothing inside is put over
    os.close(low)
    os.set_inheritable(handle, True)
    (open_directory / "open.txt").unlink()
    yield {
        "digests": found["digests"],
        "paths": [str(open_directory / places[name]) for name in ("tests", "ssh", "aws")],
    }
    os.close(handle)


@pytest.fixture
def guarded(open_directory):
    """What an evaluator would be: a file of the host that the sandbox may read."""
    path = open_directory / "pristine" / "evaluate.py"
    path.parent.mkdir()
    path.write_bytes(b"def evaluate(): return 1\n")
    return path


@pytest.fixture
def storm(attack, victim, listener, treasure, open_directory, guarded):
    """Runs probes with settings that name everything worth reaching."""

    def run(rung, probes=STATIC, without=(), **spec):
        begun = attack(
            rung,
            "reach.py",
            probes,
            without=without,
            read_only=((guarded.parent, str(guarded.parent)),),
            **spec,
        )
        target = victim(begun.sandbox)
        group = begun.sandbox.group
        begun.tell(
            {
                "protected": str(guarded),
                **treasure,
                "supervisor": os.getpid(),
                "host_name": open_directory.name,
                "victim": target.pid,
                "groups": [str(group.path), *map(str, group.limiting)] if group else ["/sys/fs/cgroup/x"],
                "ports": listener.ports,
                **listener.names,
                "denied": not without,
            }
        )
        begun.finish()
        assert set(begun.said) >= set(probes), begun.stderr
        for name in probes:
            print(f"  {name}: {begun.said[name]}")
        return begun, target

    return run


def state_of(path):
    status = path.stat()
    return path.read_bytes(), status.st_mode, status.st_mtime_ns, status.st_ino, sorted(os.listdir(path.parent.parent))


def test_nothing_outside_is_reached(every_rung, storm, listener, guarded):
    """C10 to C16, C18 in one sandbox: start is what costs, and an attacker would not try one thing only."""
    before = state_of(guarded)
    begun, target = storm(every_rung)
    said = begun.said
    assert state_of(guarded) == before
    assert len(said["protected"]) == ROUTES
    assert "done" not in said["protected"].values()  # C10
    assert said["hidden"] == {}  # C11, C18
    namespaced = every_rung is not Rung.R3
    assert not said["leaks"]["mountinfo"]
    assert not said["leaks"]["shadow"] or os.access("/etc/shadow", os.R_OK) is False
    if namespaced:
        assert not said["leaks"]["host_pids"]
    else:
        assert not promised(every_rung, "pids of the host are visible")
    for target_name, ways in said["memory"].items():  # C12
        assert "done" not in ways.values(), target_name
    foreign = {name: value for name, value in said["signals"].items() if name != "all"}
    assert not {"victim", "victim_pidfd"} & {name for name, value in foreign.items() if value == "done"}  # C13
    if namespaced:
        # The pids mean nothing inside; where a number happens to exist inside, it is one of its own processes.
        assert foreign["supervisor_0"] in {"ESRCH", "done"} if os.getpid() < 64 else foreign["supervisor_0"] == "ESRCH"
        assert said["signals"]["all"] in {"done", "EPERM", "ESRCH"}
    else:
        assert foreign["supervisor_0"] in {"EPERM", "ESRCH"}
    assert target.poll() is None  # nobody outside got a signal, kill(-1) included
    assert "done" not in said["namespaces"].values()  # C14
    assert "done" not in said["groups"].values()  # C15
    assert listener.reached == set()  # C16
    assert "done" not in said["families"].values()
    assert set(said["kernel"].values()) == {"EPERM"}


def test_control_the_routes_change_a_file_that_is_within_reach(every_rung, attack):
    """C10 without its guard: the same file inside the workspace, where nothing protects it."""
    begun = attack(
        every_rung, "reach.py", ("protected",), files={"evaluator/evaluate.py": b"def evaluate(): return 1\n"}
    )
    place = begun.sandbox.host_workspace or "/workspace"
    begun.tell({"protected": f"{place}/evaluator/evaluate.py"})
    begun.finish()
    done = [name for name, outcome in begun.said["protected"].items() if outcome == "done"]
    print(done, begun.said["protected"])
    assert len(done) >= (12 if every_rung is not Rung.R3 else 8)
    after = collect(begun.sandbox.workspace_fd)
    assert after.files.get("evaluator/evaluate.py") != b"def evaluate(): return 1\n"


def test_control_open_doors_give_the_secrets_away(rung, storm):
    """C11, C18: without the mount namespace, the cleared environment and closed descriptors each secret is found."""
    begun, _ = storm(rung, ("hidden", "leaks"), DOORS)
    assert set(begun.said["hidden"]) == {"tests", "ssh", "aws", "environment", "descriptor"}
    assert begun.said["leaks"]["host_pids"]


def test_control_without_walls_the_same_calls_reach_outside(rung, storm, listener):
    """C13, C14, C16: namespaces, Landlock and the filter removed."""
    begun, target = storm(rung, ("signals", "namespaces", "network", "families"), NO_WALLS)
    said = begun.said
    assert (said["signals"]["supervisor_pidfd"], said["signals"]["victim"]) == ("done", "done")
    assert target.wait(5) == 0  # it got the signal
    assert {said["namespaces"][step] for step in ("unshare_user", "become_root", "unshare_mount", "mount")} == {"done"}
    listener.close()
    assert {"tcp", "udp", "abstract"} <= listener.reached
    assert said["families"]["netlink"] == "done"


def test_control_without_filter_and_landlock_init_can_be_disarmed(rung, storm):
    """C12: the payload has the user of the process that ties it to the supervisor's life."""
    begun, _ = storm(rung, ("memory",), ("seccomp", "landlock"))
    assert set(begun.said["memory"]["init"].values()) == {"done"}


def test_control_a_file_size_limit_that_is_not_there_can_be_raised(rung, storm):
    """C15: the resource limit removed."""
    begun, _ = storm(rung, ("groups",), ("disk_limit",))
    assert begun.said["groups"]["file_size"] == "done"


@pytest.mark.skipif(os.getuid() != 0, reason="control groups of the host belong to root")
def test_control_a_program_that_sees_control_groups_leaves_its_own(uncontained, tmp_path):
    """C15: the same probe as a plain process of root, in a group of its own."""
    from subcritical.sandbox import _cgroups  # noqa: PLC0415 - only where groups can be made

    hierarchies = _cgroups.discover()
    if hierarchies.unified is None:
        pytest.skip("no control group can be made here")
    group = _cgroups.Group.of_run(hierarchies, f"{_cgroups.PREFIX}{os.getpid()}-attack-control")
    try:
        settings = {"groups": [str(group.path)]}
        process, _ = uncontained("reach.py", ("groups",), settings, tmp_path)
        out = process.stdout.read().decode()
        print(out)
        assert '"leave ": "done"' in out
        assert '"thaw ": "done"' in out
    finally:
        process.wait(10)
        group.remove()


def whispered(attack, rung):
    """What a frozen sandbox hears of one that works meanwhile, and what it hears while that one still runs."""
    first = attack(rung, "whisper.py", ("hear",), name="hearer")
    assert first.until_said("ready") >= 7
    first.sandbox.handle.freeze(10)
    second = attack(rung, "whisper.py", ("speak",), name="speaker", containment=first.containment)
    second.until_said("spoken")
    first.sandbox.handle.thaw()
    first.tell({})
    first.finish()
    return set(first.said["heard"])


def test_sandboxes_cannot_whisper_to_each_other(rung, attack):
    """C17: shared files, memory, sockets, and notices about files that both may read."""
    heard = whispered(attack, rung)
    print("heard:", heard)
    assert not heard - {"lock"}
    # Locks on files both may read: they vanish with their holder, and only work while both run.
    assert "lock" not in heard or not promised(rung, "lock")


def test_control_in_one_sandbox_every_whisper_is_heard(rung, attack):
    """C17 without its guard: speaker and hearer together. What the filter refuses stays refused."""
    begun = attack(rung, "whisper.py", ("hear", "speak"), without=("seccomp",))
    begun.until_said("spoken")
    begun.tell({})
    begun.finish()
    print("heard:", begun.said["heard"])
    assert {"files", "memory", "abstract", "lock", "inotify", "dnotify"} <= set(begun.said["heard"])
