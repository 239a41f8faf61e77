"""The canary: closed doors stay closed on this machine; opened on purpose, it says so."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from subcritical.clock import SystemClock
from subcritical.errors import BlindError
from subcritical.loop.doctor import Target, canary, canary_spec, canary_targets, examine
from subcritical.loop.doctor.canary import _SCRIPT, _read
from subcritical.sandbox import Containment, probe


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "judge.py").write_text("print(1.0)\n")
    (folder / "loop.py").write_text(
        "import subprocess\nbest = 0\nfor i in range(3):\n"
        "    subprocess.run(['python', 'edit.py'])\n"
        "    s = float(subprocess.check_output(['python', 'judge.py']))\n"
        "    if s > best:\n        best = s\n"
    )
    (folder / "edit.py").write_text("t = open('guest.py').read()\nopen('guest.py', 'w').write(t + '#')\n")
    (folder / "guest.py").write_text("x = 1\n")
    return folder


@pytest.fixture
def contained():  # type: ignore[no-untyped-def]
    strongest = probe().strongest
    if strongest is None:
        pytest.skip("no containment rung works on this machine")
    with Containment(run="canary-test", rung=strongest, clock=SystemClock()) as made:
        yield made


def test_unconfined_every_door_opens(project: Path) -> None:
    """The planted failure: without a sandbox the same script reaches everything, so a silent canary means something."""
    targets = canary_targets(examine(project))
    environment = {**os.environ, "OPENAI_API_KEY": "x"}
    done = subprocess.run(
        [sys.executable, "-I", str(_SCRIPT), msgspec.json.encode(targets).decode()],
        capture_output=True, text=True, timeout=60, check=True, env=environment,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(targets)
    closed = {a["action"] for a in answers if not a["reached"]}
    assert closed <= {"network"}, closed  # a test machine may have no route outwards
    assert (project / "judge.py").read_text() == "print(1.0)\n"
    assert sorted(p.name for p in project.iterdir()) == ["edit.py", "guest.py", "judge.py", "loop.py"]


def test_contained_no_door_opens(project: Path, contained: Containment) -> None:
    diagnosis = examine(project)
    targets = canary_targets(diagnosis)
    assert any("judge.py" in t.path for t in targets)
    report = canary(contained, canary_spec(), targets)
    assert report.reached == ()
    assert report.untried == () or report.rung == "R3"
    assert len(report.attempts) == len(targets) + 2


def test_unconfined_a_control_socket_can_be_reached(tmp_path: Path) -> None:
    door = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(door))
        listener.listen()
        targets = canary_targets(examine(tmp_path), tmp_path)
        knocks = [t for t in targets if t.action == "connect"]
        assert [t.path for t in knocks] == [str(door)]
        done = subprocess.run(
            [sys.executable, "-I", str(_SCRIPT), msgspec.json.encode(knocks).decode()],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    assert json.loads(done.stdout)["reached"]


def test_contained_a_control_socket_cannot_be_reached(tmp_path: Path, contained: Containment) -> None:
    door = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(door))
        listener.listen()
        report = canary(contained, canary_spec(), canary_targets(examine(tmp_path), tmp_path))
    assert any(a.action == "connect" for a in report.attempts)
    assert report.reached == ()


def test_a_door_that_is_opened_is_reported(project: Path, contained: Containment) -> None:
    spec = msgspec.structs.replace(canary_spec(), read_only=((project, str(project)),), env={"MY_API_KEY": "v"})
    report = canary(contained, spec, canary_targets(examine(project)))
    reached = {(a.action, Path(a.path).name) for a in report.reached}
    print(f"{report.rung}: {sorted(reached)}")
    assert ("read", "judge.py") in reached or (contained.rung == "R1" and os.getuid() == 0 and not _readable(project))
    assert ("environment", "") in reached
    assert not any(action == "write" for action, _ in reached)
    assert "v" not in [a.detail for a in report.reached]


def _readable(project: Path) -> bool:
    return bool((project / "judge.py").stat().st_mode & 0o004)


def test_a_canary_that_says_too_little_is_not_believed() -> None:
    doors = [Target(name="its own workspace", action="write", path="."), Target(name="network", action="network")]
    good = [
        {"name": "its own workspace", "action": "write", "path": ".", "reached": True, "detail": ""},
        {"name": "network", "action": "network", "path": "", "reached": False, "detail": "no"},
    ]
    lines = [json.dumps(line).encode() for line in good]
    assert len(_read(b"\n".join(lines), doors)) == 2
    with pytest.raises(BlindError, match="1 of 2"):
        _read(lines[0], doors)
    with pytest.raises(BlindError, match="not readable"):
        _read(b"garbage", doors)
    mute = json.dumps({**good[0], "reached": False}).encode()
    with pytest.raises(BlindError, match="own workspace"):
        _read(b"\n".join([mute, lines[1]]), doors)


def test_a_canary_that_does_not_finish_is_an_error(contained: Containment) -> None:
    targets = [Target(name=f"door {i}", action="read", path=f"/nowhere/{i}") for i in range(3)]
    with pytest.raises(BlindError, match="did not finish"):
        canary(contained, canary_spec(), targets, timeout_s=0.001)
