"""A gate as hosts ask it: through its socket, with people beside it."""

import json
import socket
import threading
import time

import pytest
from gate_cases import make_project, opened

from subcritical.errors import ConfigError, InputError
from subcritical.ledger import verify_journal
from subcritical.pipeline import Pipeline
from subcritical.pipeline.control import send_order, send_status
from subcritical.schema import Approval, Event, Finding, Order, ToolCall, ToolResult
from subcritical.watch.gate import Gate
from subcritical.watch.gate_file import load_gate
from subcritical.watch.integrity import Integrity
from subcritical.watch.server import GateServer


def test_protected_outside_and_defining_files_are_refused_and_the_rest_is_not(tmp_path):
    with opened(tmp_path) as gate:
        assert gate.write("solution.py") == gate.write("prompts/system.md") == gate.write("new.txt") == "approve"
        for path in ("evaluate.py", "limits.json", "/etc/passwd", "../x", "goal.json", "tests/hidden/new.py"):
            assert gate.write(path) == "reject", path
        assert gate.ask("Read", {"file_path": "evaluate.py"})[1] == "approve"
        may, verdict, reason = gate.ask("mcp__files__move", {"source": "evaluate.py", "destination": "x"})
        assert (may, verdict, reason) == (False, "reject", "evaluate.py: evaluator is protected")
    data = [r.data for r in gate.records() if isinstance(r, Event)]
    calls = [d for d in data if isinstance(d, ToolCall)]
    refused = [d for d in data if isinstance(d, ToolResult)]
    assert (len(calls), len(refused)) == (11, 7)
    assert json.loads(calls[0].arguments) == {"file_path": "solution.py", "content": "x"}


@pytest.mark.parametrize("mode", ["warn", "monitor"])
def test_other_modes_let_pass_and_record_what_enforce_would_refuse(tmp_path, mode):
    with opened(tmp_path, mode=mode, tripwires=[]) as gate:
        assert gate.ask("Write", {"file_path": "evaluate.py"})[1:] == ("approve", "evaluate.py: evaluator is protected")
    (approval,) = [r.data for r in gate.records() if isinstance(r, Event) and isinstance(r.data, Approval)]
    assert (approval.verdict, approval.reasons) == ("accepted", ("evaluate.py: evaluator is protected",))


def test_what_cannot_be_read_passes_or_not_as_the_gate_file_says(tmp_path):
    with opened(tmp_path / "open") as gate:
        assert gate.sh("python mystery.py") == "approve"
    with opened(tmp_path / "strict", unclear="reject") as gate:
        assert gate.sh("python mystery.py") == "reject"
        assert gate.sh("cat data.csv") == "approve"


def test_a_command_too_long_to_be_read_to_its_end_is_refused(tmp_path):
    with opened(tmp_path) as gate:
        assert gate.sh("echo " + "x" * 120_000 + "; rm evaluate.py") == "reject"
        assert gate.sh(";".join(["echo 1"] * 2000) + "; rm evaluate.py") == "reject"


def test_a_person_pauses_resumes_and_stops_it(tmp_path):
    with opened(tmp_path) as gate:
        assert send_order(gate.run, Order.PAUSE, by="ann", reason="look").outcome == "confirmed"
        assert gate.write("solution.py") == "pause"
        assert gate.ask("", asks="go_on")[1] == "pause"
        send_order(gate.run, Order.RESUME, by="ann", reason="looked")
        assert gate.write("solution.py") == "approve"
        stopped = send_order(gate.run, Order.STOP, by="ann", reason="enough")
        assert "its host's to end" in stopped.detail
        assert gate.write("solution.py") in {"terminate", "unavailable"}
        assert gate.wait_until_over() is False
        assert gate.write("solution.py") == "unavailable"


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "evaluate.py").write_text("def evaluate(): return 9\n"),
        lambda root: (root / "evaluate.py").unlink(),
        lambda root: (root / "tests" / "hidden" / "test_b.py").write_text(""),
        lambda root: ((root / "limits.json").unlink(), (root / "limits.json").symlink_to("data.csv")),
    ],
)
def test_a_protected_file_that_changed_by_a_way_nobody_saw_holds_every_call(tmp_path, change):
    with opened(tmp_path) as gate:
        assert gate.sh("python mystery.py") == "approve"
        change(gate.root)
        may, verdict, reason = gate.ask("Bash", {"command": "ls"})
        assert (may, verdict) == (False, "pause")
        assert "protected files changed" in reason
        assert "protected files changed" in "; ".join(send_status(gate.run).reasons)


def test_planted_failure_a_gate_that_does_not_look_at_files_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(Integrity, "changes", lambda _: {})
    with opened(tmp_path) as gate:
        (gate.root / "evaluate.py").write_text("evil")
        assert gate.sh("ls") == "approve"


def test_a_changed_hook_or_setting_holds_every_call(tmp_path):
    hook = tmp_path / "hook.sh"
    hook.write_text("#!/bin/sh\n")
    with opened(tmp_path, besides=[hook]) as gate:
        hook.write_text("#!/bin/sh\nexit 0\n")
        assert gate.sh("ls") == "pause"


@pytest.mark.parametrize("mode", ["enforce", "monitor"])
def test_an_attempt_is_a_finding_and_a_tripwire_may_hold_the_agent_for_it(tmp_path, mode):
    rule = {"on": {"technique": "RSI-T0300"}, "action": "pause"}
    with opened(tmp_path, mode=mode, tripwires=[rule]) as gate:
        assert gate.write("solution.py") == "approve"
        assert gate.write("evaluate.py") == "pause"
        assert gate.write("solution.py") == "pause"
    found = {(r.detector, str(r.severity)) for r in gate.records() if isinstance(r, Finding)}
    assert ("evaluator_tampering", "high" if mode == "enforce" else "critical") in found


def test_planted_failure_without_the_record_of_the_attempt_no_tripwire_hears_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(Gate, "_record_attempt", lambda *_args, **_more: None)
    rule = {"on": {"technique": "RSI-T0300"}, "action": "pause"}
    with opened(tmp_path, mode="monitor", tripwires=[rule]) as gate:
        assert gate.write("evaluate.py") == "approve"


def test_a_crash_inside_holds_the_gate(tmp_path, monkeypatch):
    monkeypatch.setattr(Gate, "_refusals", lambda *_: 1 / 0)
    with opened(tmp_path) as gate:
        assert gate.ask("Bash", {"command": "ls"})[1:] == ("pause", "the gate crashed; a person must look")
        monkeypatch.undo()
        assert gate.sh("ls") == "pause"


def test_planted_failure_a_crash_that_holds_nothing_is_over_with_its_call(tmp_path, monkeypatch):
    monkeypatch.setattr(Pipeline, "stand_still", lambda *_: None)
    with opened(tmp_path) as gate:
        with monkeypatch.context() as broken:
            broken.setattr(Gate, "_refusals", lambda *_: 1 / 0)
            assert gate.sh("ls") == "pause"
        assert gate.sh("ls") == "approve"


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"[]\n", b'{"tool": 1}\n', b"\xff\xfe\n", b'{"host": "x"}\n', b"[" * 5000]
)
def test_garbage_is_refused_and_the_gate_goes_on(tmp_path, line):
    with opened(tmp_path) as gate:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(10)
            peer.connect(gate.socket)
            peer.sendall(line)
            peer.shutdown(socket.SHUT_WR)
            assert json.loads(peer.recv(4096))["decision"] == "reject"
        assert gate.sh("ls") == "approve"


def test_no_name_of_a_tool_is_taken_for_the_question_whether_to_go_on(tmp_path):
    with opened(tmp_path) as gate:
        for name in ("*", "go_on", ""):
            assert gate.ask(name, {"path": "evaluate.py"})[1] == "reject"


def resume(gate):
    assert send_order(gate.run, Order.RESUME, by="ann", reason="looked").outcome == "confirmed"


def test_a_person_who_has_seen_a_change_lets_it_stay_and_the_next_one_holds_again(tmp_path):
    with opened(tmp_path) as gate:
        (gate.root / "evaluate.py").write_text("other")
        assert gate.sh("ls") == "pause"
        resume(gate)
        assert gate.sh("ls") == gate.sh("ls") == "approve"
        (gate.root / "evaluate.py").write_text("another")
        assert gate.sh("ls") == "pause"


def test_a_change_while_the_gate_is_held_for_something_else_is_told_before_the_resume(tmp_path):
    with opened(tmp_path) as gate:
        send_order(gate.run, Order.PAUSE, by="ann", reason="look")
        (gate.root / "evaluate.py").write_text("other")
        deadline = time.monotonic() + 20
        while "evaluate.py" not in str(send_status(gate.run).reasons) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "evaluate.py: its content has changed" in str(send_status(gate.run).reasons)
        resume(gate)
        assert gate.sh("ls") == "approve"


def test_a_resume_is_for_what_was_told_and_not_for_what_came_after(tmp_path, monkeypatch):
    monkeypatch.setattr(Gate, "alive", lambda _: None)  # nobody looks between the resume and the next call
    with opened(tmp_path) as gate:
        (gate.root / "evaluate.py").write_text("other")
        assert gate.sh("ls") == "pause"
        (gate.root / "evaluate.py").write_text("and another, after ann has looked")
        resume(gate)
        assert gate.sh("ls") == "pause"


def test_a_gate_that_is_opened_again_is_held_by_what_held_it(tmp_path):
    with opened(tmp_path) as gate:
        (gate.root / "evaluate.py").write_text("evil")
        assert gate.sh("ls") == "pause"
    with opened(tmp_path) as again:
        assert again.sh("ls") == "pause"
        resume(again)
        assert again.sh("ls") == "approve"
    starts = [r for r in again.records() if isinstance(r, Event) and getattr(r.data, "order", "") == "start"]
    assert len(starts) == 2


def test_what_changed_while_the_gate_was_closed_holds_it_when_it_is_opened_again(tmp_path):
    with opened(tmp_path) as gate:
        assert gate.sh("ls") == "approve"
    (gate.root / "evaluate.py").write_text("evil")
    with opened(tmp_path) as again:
        assert again.sh("ls") == "pause"


def test_many_hosts_ask_at_once_and_each_call_is_on_record(tmp_path):
    with opened(tmp_path) as gate:
        answers = []
        threads = [threading.Thread(target=lambda n=n: answers.append(gate.write(f"f{n}.py"))) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert answers == ["approve"] * 20
    assert verify_journal(gate.run / "journal").unfinished_bytes == 0
    calls = [r.data for r in gate.records() if isinstance(r, Event) and isinstance(r.data, ToolCall)]
    assert len({call.arguments for call in calls}) == 20


def test_one_socket_one_gate(tmp_path):
    with opened(tmp_path) as gate, pytest.raises(InputError, match="another gate"):
        GateServer(lambda _: None, gate.run)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"root": "nowhere"}, "not a directory"),
        ({"root": "."}, "inside `root`"),
        ({"artifacts": [{"path": "x", "is": "nonsense"}]}, "nonsense"),
        ({"modes": "enforce"}, "mode"),
        ({"tripwires": [{"on": {}, "action": "pause"}]}, "exactly one"),
    ],
)
def test_gate_files_that_make_no_sense_are_refused(tmp_path, changes, said):
    with pytest.raises(ConfigError, match=said):
        load_gate(make_project(tmp_path, **changes))
