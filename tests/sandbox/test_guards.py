"""Each guard with its control: the attack fails, and succeeds where the guard is left out."""

import os
import socket
from pathlib import Path

import pytest

from subcritical.sandbox import Rung

CALLS = """
import ctypes, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    return "ok" if libc.syscall(*arguments) >= 0 else ctypes.get_errno()
def sock(*arguments):
    try:
        socket.socket(*arguments).close()
    except OSError as error:
        return error.errno
    return "ok"
import platform
assert platform.machine() == "x86_64"
print(repr({
    "vsock": sock(40, socket.SOCK_STREAM),
    "netlink": sock(socket.AF_NETLINK, socket.SOCK_RAW),
    "packet": sock(socket.AF_PACKET, socket.SOCK_DGRAM),
    "io_uring": call(425, 1, None),
    "keyctl": call(250, 0, -3, 1),
    "ptrace": call(101, 0, 0, 0, 0),
    "unshare": call(272, 0x10000000),
    "clone": call(56, 0x10000000 | 17, 0, 0, 0, 0) if False else 0,
    "userfaultfd": call(323, 1),
    "bpf": call(321, 0, None, 0),
    "perf": call(298, None, 0, -1, -1, 0),
    "clone3": call(435, None, 0),
    "pdeathsig": call(157, 1, 0, 0, 0, 0),
    "slice": call(314, 0, struct.pack("IIQiIQQQII", 56, 0, 0, 19, 0, 100_000_000, 0, 0, 0, 0), 0),
    "ordinary": sock(socket.AF_INET, socket.SOCK_STREAM),
    "local": sock(socket.AF_UNIX, socket.SOCK_STREAM),
    "pair": (lambda pair: "ok")(socket.socketpair()),
}))
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the payload calls by number")
def test_the_filter_refuses_what_leads_out(rung, run_code):
    _, output = run_code(rung, CALLS)
    seen = eval(output.stdout, {"__builtins__": {}})  # our own payload's dictionary of numbers
    for name in (
        "vsock",
        "netlink",
        "packet",
        "io_uring",
        "keyctl",
        "ptrace",
        "unshare",
        "bpf",
        "perf",
        "pdeathsig",
        "slice",
    ):
        assert seen[name] == 1, (name, seen)
    assert seen["clone3"] == 38
    assert seen["pair"] == "ok"
    reachable = 1 if rung is Rung.R3 else "ok"
    assert (seen["ordinary"], seen["local"]) == (reachable, reachable)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the payload calls by number")
def test_without_the_filter_they_are_allowed(rung, run_code):
    _, output = run_code(rung, CALLS, "seccomp", "nested_namespaces")
    seen = eval(output.stdout, {"__builtins__": {}})
    assert seen["clone3"] != 38
    for name in ("pdeathsig", "ptrace", "netlink", "local", "slice"):
        assert seen[name] == "ok", (name, seen)


READ = "import sys\ntry:\n    print(open(sys.path.pop() and {path!r}).read())\nexcept OSError as error:\n    print(error.errno)\n"


def test_other_files_of_the_host_are_out_of_reach(rung, run_code, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    for place in (tmp_path, *tmp_path.parents[:-2]):
        place.chmod(0o755)
    _, output = run_code(rung, READ.format(path=str(secret)))
    assert b"hidden" not in output.stdout
    if rung is not Rung.R3:
        _, planted = run_code(rung, READ.format(path=f"/host{secret}"), "mount_namespace")
        assert planted.stdout == b"hidden\n"
        _, half = run_code(rung, READ.format(path=f"/host{secret}"), "landlock")
        assert b"hidden" not in half.stdout
    else:
        _, planted = run_code(rung, READ.format(path=str(secret)), "landlock")
        assert planted.stdout == b"hidden\n"


WRITE = """
import os
for route in ("open", "truncate", "rename", "unlink", "link", "symlink", "mkdir"):
    try:
        if route == "open": open("{target}", "a").write("changed")
        elif route == "truncate": os.truncate("{target}", 0)
        elif route == "rename": open("new", "w").close(); os.rename("new", "{target}")
        elif route == "unlink": os.unlink("{target}")
        elif route == "link": os.link("{target}", "linked"); open("linked", "a").write("changed")
        elif route == "symlink": os.symlink("{target}", "soft"); open("soft", "a").write("changed")
        elif route == "mkdir": os.mkdir("{target}.d")
        print(route, "done")
    except OSError:
        pass
for change in (lambda: os.chmod("{target}", 0o777), lambda: os.utime("{target}", (0, 0)), lambda: os.setxattr("{target}", "user.x", b"1")):
    try:
        change()
        print("attributes done")
    except OSError:
        pass
"""


def test_read_only_paths_cannot_be_changed_by_any_route(rung, run_code, tmp_path):
    target = tmp_path / "evaluate.py"
    target.write_text("pristine")
    tmp_path.chmod(0o755)
    before = target.stat()
    _, output = run_code(rung, WRITE.format(target=target), read_only=((tmp_path, str(tmp_path)),))
    assert output.stdout == b""
    after = target.stat()
    assert target.read_text() == "pristine"
    assert (before.st_mode, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_mode,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def test_on_r3_only_landlock_keeps_a_file_from_being_written(rung, run_code, tmp_path):
    if rung is not Rung.R3 or os.getuid() == 0:
        pytest.skip("elsewhere the mount is read-only, too, or the user is another")
    target = tmp_path / "evaluate.py"
    target.write_text("pristine")
    _, output = run_code(rung, WRITE.format(target=target), "landlock", read_only=((tmp_path, str(tmp_path)),))
    assert b"open done" in output.stdout


def test_processes_of_the_host_are_invisible(namespaced, run_code):
    code = (
        "import os\ntry:\n    os.kill({pid}, 0)\n    print('found')\nexcept OSError as error:\n    print(error.errno)\n"
    )
    code = code.format(pid=os.getpid())
    _, output = run_code(namespaced, code)
    assert output.stdout == b"3\n"
    _, planted = run_code(namespaced, code, "pid_namespace")
    assert planted.stdout in {b"1\n", b"found\n"}


CONNECT = "import socket\ns = socket.socket()\ns.settimeout(3)\nprint(s.connect_ex(('127.0.0.1', {port})))\n"


def test_the_network_of_the_host_is_out_of_reach(rung, run_code):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        _, output = run_code(rung, CONNECT.format(port=port))
        assert output.stdout.strip() != b"0"
        if rung is Rung.R3:
            _, planted = run_code(rung, CONNECT.format(port=port), "seccomp", "landlock")
        else:
            _, planted = run_code(rung, CONNECT.format(port=port), "network_namespace", "landlock")
            _, half = run_code(rung, CONNECT.format(port=port), "landlock")
            assert half.stdout.strip() != b"0"
        assert planted.stdout == b"0\n"


def test_no_user_namespace_can_be_made_inside(namespaced, run_code):
    code = "import ctypes\nlibc = ctypes.CDLL(None)\nprint(libc.unshare(0x10000000))\n"
    _, output = run_code(namespaced, code, "seccomp")
    assert output.stdout == b"-1\n"
    _, planted = run_code(namespaced, code, "seccomp", "nested_namespaces")
    assert planted.stdout == b"0\n"


def test_no_control_group_is_in_reach_and_no_mount_table_is_shown(namespaced, run_code):
    code = """
import os
for path in ("/sys/fs/cgroup", "/proc/self/mountinfo", "/proc/1/mem", "/proc/1/environ", "/root", "/home"):
    try:
        open(path).close()
        print("open", path)
    except OSError:
        try:
            os.listdir(path)
            print("list", path)
        except OSError:
            pass
"""
    _, output = run_code(namespaced, code)
    assert output.stdout == b""
    _, planted = run_code(namespaced, code, "landlock")
    assert b"open /proc/self/mountinfo" in planted.stdout


def test_startup_files_in_the_workspace_are_ignored(rung, run_code):
    bad = b"print('hijacked')"
    files = dict.fromkeys(("sitecustomize.py", "usercustomize.py", "json.py", "x.pth"), bad)
    env = {"PYTHONPATH": ".", "PYTHONSTARTUP": "sitecustomize.py", "PYTHONHOME": "/nowhere"}
    ended, output = run_code(rung, "import json\nprint(json.dumps(1))", files=files, env=env)
    assert (ended.code, output.stdout) == (0, b"1\n"), output


def test_a_root_supervisor_gives_payloads_users_of_their_own(namespaced, make, sleeper):
    if os.getuid() != 0:
        pytest.skip("an unprivileged supervisor has one user only")
    containment = make(namespaced)
    users = set()
    for name in ("one", "two"):
        sandbox = containment.launch(sleeper(name))
        owner = Path(f"/proc/{sandbox.namespace[0]}").stat().st_uid
        assert owner > 60_000
        users.add(owner)
    assert len(users) == 2
