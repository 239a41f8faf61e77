"""What every rung does: run, show, bound, stop."""

import os
import time
from pathlib import Path

import pytest

from subcritical.clock import SystemClock
from subcritical.errors import ContainmentError, InputError
from subcritical.sandbox import Containment, ExecPayload, Limits, PythonPayload, Rung, SandboxSpec, collect, probe


def test_some_rung_works_here():
    assert probe().available, probe().unavailable


def test_python_payload_runs_as_main_with_packages(rung, run_code):
    code = (
        "import sys, msgspec, __main__\nprint(__name__, sys.argv[1:], __main__.__file__, sys.flags.isolated)\nexit(7)"
    )
    ended, output = run_code(rung, code)
    assert (ended.code, ended.signal) == (7, 0), output
    assert output.stdout.split() == [b"__main__", b"[]", b"main.py", b"1"]


def test_a_failing_payload_shows_its_own_traceback_only(rung, run_code):
    ended, output = run_code(rung, "def f():\n    raise ValueError('mine')\nf()\n")
    assert ended.code == 1
    assert b"ValueError: mine" in output.stderr
    assert b"shim" not in output.stderr


def test_workspace_files_are_written_and_read_back(rung, make):
    containment = make(rung)
    sandbox = containment.launch(
        SandboxSpec(
            name="files",
            payload=ExecPayload(argv=("sh", "-c", "cat a/b/c.txt && echo new > made.txt")),
            files={"a/b/c.txt": b"content"},
        )
    )
    assert sandbox.wait(20).code == 0
    assert sandbox.output().stdout == b"content"
    collected = collect(sandbox.workspace_fd)
    assert collected.files == {"a/b/c.txt": b"content", "made.txt": b"new\n"}
    assert not collected.refused


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", ""])
def test_workspace_files_cannot_lead_out(make, sleeper, path):
    with pytest.raises(InputError):
        make(probe().available[0]).launch(sleeper(files={path: b""}))


def test_the_environment_is_exactly_what_was_given(rung, run_code, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "hidden")
    code = "import os\nprint(sorted(os.environ), os.environ['GIVEN'])"
    _, output = run_code(rung, code, env={"GIVEN": "1"})
    assert output.stdout.decode().strip() == "['GIVEN', 'HOME', 'LANG', 'PATH', 'TMPDIR'] 1"


def test_without_a_cleared_environment_a_secret_leaks(rung, run_code, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "hidden")
    _, output = run_code(rung, "import os\nprint(os.environ.get('SECRET_KEY'))", "clear_environment")
    assert output.stdout == b"hidden\n"


FIND_DESCRIPTORS = """
import os
for number in range(3, 1000):
    try:
        print(number, os.fstat(number).st_size)
    except OSError:
        pass
"""


def test_only_named_descriptors_are_inherited(rung, run_code, tmp_path):
    (tmp_path / "given").write_bytes(b"12345")
    given = os.open(tmp_path / "given", os.O_RDONLY)
    first = os.open("/etc/passwd", os.O_RDONLY)
    leaked = os.dup2(first, 180)
    os.close(first)
    try:
        _, output = run_code(rung, FIND_DESCRIPTORS, pass_fds={7: given})
        _, planted = run_code(rung, FIND_DESCRIPTORS, "close_fds", pass_fds={7: given})
    finally:
        os.close(given)
        os.close(leaked)
    assert output.stdout == b"7 5\n"
    assert str(Path("/etc/passwd").stat().st_size).encode() in planted.stdout


def test_both_outputs_at_once_are_capped_and_nothing_blocks(rung, run_code):
    code = """
import os, threading
def pour(number):
    for _ in range(256):
        left = b"x" * (1 << 16)
        while left:
            left = left[os.write(number, left):]
threads = [threading.Thread(target=pour, args=(n,)) for n in (1, 2)]
[t.start() for t in threads]; [t.join() for t in threads]
"""
    ended, output = run_code(rung, code)
    assert ended.code == 0
    assert (len(output.stdout), len(output.stderr)) == (1 << 16, 1 << 16)
    assert output.stdout_dropped == output.stderr_dropped == (16 << 20) - (1 << 16)
    assert ended.limits_hit == ("output",)
    _, planted = run_code(rung, code, "output_cap")
    assert len(planted.stdout) == 16 << 20


def test_wait_says_none_while_it_runs(rung, make, sleeper):
    sandbox = make(rung).launch(sleeper())
    assert sandbox.wait(0.05) is None
    assert sandbox.handle.verify().survivors > 0


def test_names_are_unique_until_closed(rung, make, sleeper):
    containment = make(rung)
    first = containment.launch(sleeper("one"))
    with pytest.raises(InputError, match="close it first"):
        containment.launch(sleeper("one"))
    first.close()
    first.close()
    containment.launch(sleeper("one"))


def test_a_payload_that_cannot_start_says_so(rung, make):
    sandbox = make(rung).launch(SandboxSpec(name="none", payload=ExecPayload(argv=("no-such-program",))))
    assert sandbox.wait(10).code == 127
    assert b"no-such-program" in sandbox.output().stderr


def test_a_start_that_fails_leaves_nothing(namespaced, make, sleeper):
    containment = make(namespaced)
    with pytest.raises(ContainmentError, match="does not exist"):
        containment.launch(sleeper(read_only=((Path("/no/such/place"), "/data"),)))
    assert containment.handle.verify().survivors == 0
    containment.launch(sleeper()).close()


def test_the_limit_of_cpu_time_ends_it(rung, run_code):
    ended, _ = run_code(rung, "while True: pass", limits=Limits(cpu_s=1.0, memory_bytes=512 << 20))
    assert ended.limits_hit == ("cpu",)
    assert ended.signal in {9, 24}


SPLIT_CPU = """
import os
for _ in range(3):
    if os.fork() == 0:
        while True: pass
os.wait()
"""


def test_the_limit_of_cpu_time_counts_all_processes(rung, run_code):
    ended, _ = run_code(rung, SPLIT_CPU, limits=Limits(cpu_s=0.5, memory_bytes=512 << 20, processes=32))
    assert "cpu" in ended.limits_hit


def test_the_disk_is_bounded(rung, run_code):
    code = """
import sys
try:
    for n in range(64):
        open(f"f{n}", "wb").write(b"x" * (1 << 20))
except OSError as error:
    print("refused", error.errno)
import time
time.sleep(1 if n == 63 else .6)
"""
    ended, output = run_code(rung, code)
    assert "disk" in ended.limits_hit, (ended, output)
    if rung is not Rung.R3:
        assert output.stdout.startswith(b"refused")
        planted, _ = run_code(rung, code, "disk_limit")
        assert planted.limits_hit == ()


INODES = """
n = 0
try:
    for n in range(2000):
        open(f"f{n}", "wb").close()
except OSError as error:
    print("refused", n, error.errno)
else:
    print("made", n + 1)
import time
time.sleep(.8)
"""


def test_inodes_are_bounded(rung, run_code):
    ended, output = run_code(rung, INODES)
    if rung is Rung.R3:
        assert "inodes" in ended.limits_hit
        return
    assert output.stdout.startswith(b"refused")
    assert "inodes" in ended.limits_hit
    _, planted = run_code(rung, INODES, "inode_limit")
    assert planted.stdout == b"made 2000\n"


MEMORY = """
blocks = []
for _ in range(10):
    blocks.append(bytearray(b"x") * (64 << 20))
print("had", len(blocks))
"""


def test_memory_is_bounded(rung, run_code):
    ended, output = run_code(rung, MEMORY)
    assert b"had 10" not in output.stdout
    assert "memory" in ended.limits_hit, (ended, output)


def test_without_a_memory_limit_more_is_had(namespaced, run_code):
    ended, output = run_code(namespaced, MEMORY, "memory_limit", limits=Limits(memory_bytes=1 << 33))
    assert output.stdout == b"had 10\n", (ended, output)


FORKS = """
import os, time
n = 0
try:
    for n in range(100):
        if os.fork() == 0:
            time.sleep(3)
            os._exit(0)
except OSError:
    print("refused at", n)
else:
    print("made", n + 1)
time.sleep(.6)
"""


def test_processes_are_bounded(rung, run_code):
    ended, output = run_code(rung, FORKS)
    assert output.stdout.startswith(b"refused at"), (ended, output)
    assert "processes" in ended.limits_hit
    if rung is not Rung.R3:
        _, planted = run_code(rung, FORKS, "process_limit", timeout_s=1.5)
        assert planted.stdout == b"made 100\n"


def test_an_orphan_ends_with_its_sandbox(rung, make, tmp_path):
    code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n    os._exit(0)\nos.wait()\ntime.sleep(.2)"
    containment = make(rung)
    spec = SandboxSpec(name="orphan", payload=PythonPayload(script=Path("main.py")), files={"main.py": code.encode()})
    sandbox = containment.launch(spec)
    assert sandbox.wait(20) is not None
    deadline = time.monotonic() + 5
    while containment.handle.verify().survivors and time.monotonic() < deadline:
        time.sleep(0.01)
    assert containment.handle.verify().survivors == 0


def test_a_closed_containment_refuses_and_cleans_up(rung, sleeper):
    containment = Containment(run="test", rung=rung, clock=SystemClock())
    directory = containment._directory
    group = containment._group
    containment.launch(sleeper())
    containment.close()
    containment.close()
    assert not directory.exists()
    assert group is None or not any(place.exists() for place in (group.path, *group.limiting))
    with pytest.raises(ContainmentError):
        containment.launch(sleeper())


def test_a_deep_tree_left_by_a_payload_is_removed(rung, make):
    code = "import os\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\n"
    containment = make(rung)
    limits = Limits(inodes=4000, memory_bytes=512 << 20)
    spec = SandboxSpec(
        name="deep", payload=PythonPayload(script=Path("main.py")), files={"main.py": code.encode()}, limits=limits
    )
    sandbox = containment.launch(spec)
    assert sandbox.wait(20).code == 0
    assert any("deeper" in reason for _, reason in collect(sandbox.workspace_fd).refused)
    containment.close()
    assert not containment._directory.exists()


def test_directories_of_a_killed_supervisor_are_swept(rung, make):
    parent = make(rung)._directory.parent
    gone = parent / "subcritical-4194999-left"
    gone.mkdir()
    make(rung)
    assert not gone.exists()
