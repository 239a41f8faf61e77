"""Hooks of Claude Code and Codex: the wrapper is run as a host runs it, and judged by the hosts' own rules.

Both hosts block on exit 2 with a text on stderr, and run the tool on any other exit status and on exit 2 without a
text (Codex). The hosts themselves: test_live_hosts.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from gate_cases import BROKEN, broken_gate, event, make_project, opened

from subcritical.cli.main import main
from subcritical.errors import InputError
from subcritical.watch.hooks import commands_of, install, may_be_written_by_others

HOSTS = ("claude-code", "codex")


def installed(tmp_path, host, socket):
    settings = tmp_path / "host" / "settings.json"
    install(host, gate_socket=Path(socket), folder=tmp_path / "hooks", settings=settings)
    return settings


def run_hook(settings, stdin):
    """As a host does: the command of its settings, the event on stdin."""
    (command,) = commands_of(settings)
    return subprocess.run(["/bin/sh", "-c", command], input=stdin, capture_output=True, timeout=60, check=False)


def blocked(ran):
    return ran.returncode == 2 and bool(ran.stderr.strip())


@pytest.mark.parametrize("host", HOSTS)
def test_the_gate_decides(tmp_path, host):
    with opened(tmp_path) as gate:
        settings = installed(tmp_path, host, gate.socket)
        fine = run_hook(settings, event("Bash", {"command": "ls"}, gate.root))
        assert (fine.returncode, fine.stdout, fine.stderr) == (0, b"", b"")
        refused = run_hook(settings, event("Write", {"file_path": "evaluate.py"}, gate.root))
        assert blocked(refused)
        assert b"evaluator is protected" in refused.stderr


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("host", HOSTS)
def test_a_gate_that_does_not_do_its_work_blocks_everything(tmp_path, host, kind):
    with broken_gate(tmp_path, kind) as socket:
        ran = run_hook(installed(tmp_path, host, socket), event("Bash", {"command": "ls"}))
    print(kind, ran.returncode, ran.stderr)
    assert blocked(ran)


@pytest.mark.parametrize("stdin", [b"", b"garbage", b"[]", b"{}", b"\xff", b'{"tool_name": "Bash"'])
def test_an_event_that_cannot_be_read_blocks(tmp_path, stdin):
    with opened(tmp_path) as gate:
        assert blocked(run_hook(installed(tmp_path, "codex", gate.socket), stdin))


@pytest.mark.parametrize("gone", ["python", "ask.py", "timeout"])
def test_a_part_that_is_missing_blocks(tmp_path, gone):
    with opened(tmp_path) as gate:
        settings = installed(tmp_path, "codex", gate.socket)
        wrapper = next((tmp_path / "hooks").iterdir())
        text = wrapper.read_text()
        lost = {"python": "/bin/python", "ask.py": "/ask.py", "timeout": "timeout -k"}[gone]
        assert lost in text
        wrapper.write_text(text.replace(lost, "/nowhere/" + lost.strip("/"), 1))
        assert blocked(run_hook(settings, event("Bash", {"command": "ls"})))


def test_planted_failure_the_same_question_without_the_wrapper_lets_the_tool_run(tmp_path):
    with broken_gate(tmp_path, "missing") as socket:
        settings = installed(tmp_path, "codex", socket)
        wrapper = next((tmp_path / "hooks").iterdir())
        lines = [line for line in wrapper.read_text().splitlines() if line.startswith("timeout")]
        wrapper.write_text(
            "#!/bin/sh\n" + lines[0].replace("ask.py", "no_such_file.py").replace("/python", "/no_python") + "\n"
        )
        assert not blocked(run_hook(settings, event("Bash", {"command": "ls"})))


def test_a_tampered_hook_is_seen_at_the_next_call_by_the_gate(tmp_path):
    """What runs then is no longer ours; the gate holds whoever still asks, and the record says it."""
    make_project(tmp_path)
    settings = tmp_path / "host" / "settings.json"
    socket = tmp_path / "runs" / "g" / "gate.sock"
    written = install("claude-code", gate_socket=socket, folder=tmp_path / "hooks", settings=settings)
    with opened(tmp_path, besides=written) as gate:
        assert run_hook(settings, event("Bash", {"command": "ls"}, gate.root)).returncode == 0
        settings.write_text(json.dumps({"hooks": {}}))
        assert gate.sh("ls") == "pause"


def test_what_was_in_the_settings_stays_and_a_second_install_changes_nothing(tmp_path):
    settings = tmp_path / "settings.json"
    other = {"matcher": "Bash", "hooks": [{"type": "command", "command": "mine"}]}
    settings.write_text(json.dumps({"model": "m", "hooks": {"PreToolUse": [other], "Stop": []}}))
    for _ in range(2):
        install("claude-code", gate_socket=tmp_path / "s", folder=tmp_path / "hooks", settings=settings)
        kept = json.loads(settings.read_text())
        assert (kept["model"], kept["hooks"]["Stop"], kept["hooks"]["PreToolUse"][1]) == ("m", [], other)
        assert len(commands_of(settings)) == 2


@pytest.mark.parametrize("text", ["[]", "{", '{"hooks": 1}', '{"hooks": {"PreToolUse": {}}}'])
def test_settings_that_are_not_understood_are_left_as_they_are(tmp_path, text):
    settings = tmp_path / "settings.json"
    settings.write_text(text)
    with pytest.raises(InputError, match=r"settings\.json"):
        install("codex", gate_socket=tmp_path / "s", folder=tmp_path / "hooks", settings=settings)
    assert settings.read_text() == text


def test_who_else_could_write_a_file(tmp_path):
    file = tmp_path / "safe" / "hook"
    file.parent.mkdir(mode=0o700)
    file.write_text("")
    file.chmod(0o600)
    assert not may_be_written_by_others(file)
    file.chmod(0o666)
    assert may_be_written_by_others(file)
    file.chmod(0o600)
    file.parent.chmod(0o777)
    assert may_be_written_by_others(file)


class TestDoctor:
    def check(self, tmp_path, settings, run, host="claude-code"):
        arguments = ["doctor", tmp_path / "gate.yaml", "--host", host, "--settings", settings, "--run", run, "--json"]
        ran = CliRunner().invoke(main, [str(argument) for argument in arguments])
        return ran, {c["name"].split(":")[0]: c["holds"] for c in json.loads(ran.stdout)["checks"]}

    @pytest.mark.parametrize("host", HOSTS)
    def test_it_says_protected_after_a_call_was_denied(self, tmp_path, host):
        with opened(tmp_path) as gate:
            settings = installed(tmp_path, host, gate.socket)
            ran, checks = self.check(tmp_path, settings, gate.run, host)
            assert json.loads(ran.stdout)["protected"], ran.output
            assert (ran.exit_code, checks["canary denied"], checks["gate open"]) == (0, True, True)

    def test_a_hook_that_lets_the_canary_through_is_no_protection(self, tmp_path):
        with opened(tmp_path) as gate:
            settings = installed(tmp_path, "claude-code", gate.socket)
            wrapper = next((tmp_path / "hooks").iterdir())
            wrapper.write_text("#!/bin/sh\nexit 0\n")
            ran, checks = self.check(tmp_path, settings, gate.run)
            assert (ran.exit_code, checks["canary denied"]) == (1, False)

    def test_a_gate_that_is_closed_denies_and_is_no_gate(self, tmp_path):
        make_project(tmp_path)
        settings = installed(tmp_path, "claude-code", tmp_path / "nothing.sock")
        ran, checks = self.check(tmp_path, settings, tmp_path)
        assert (ran.exit_code, checks["canary denied"], checks["gate open"]) == (1, True, False)

    def test_settings_inside_the_project_are_within_reach(self, tmp_path):
        with opened(tmp_path) as gate:
            settings = gate.root / "settings.json"
            install("claude-code", gate_socket=Path(gate.socket), folder=tmp_path / "hooks", settings=settings)
            ran, checks = self.check(tmp_path, settings, gate.run)
            assert (ran.exit_code, checks["out of reach"]) == (1, True)  # the wrapper is; the settings are not
            assert "lies inside the project" in ran.stdout

    def test_settings_without_a_hook_of_ours(self, tmp_path):
        with opened(tmp_path) as gate:
            settings = tmp_path / "settings.json"
            settings.write_text("{}")
            assert self.check(tmp_path, settings, gate.run)[0].exit_code == 1


def test_the_commands_of_the_readme(tmp_path):
    """`watch` in a process of its own, `hook install` before it, Ctrl-C after it."""
    gate_file = make_project(tmp_path)
    runs, settings = tmp_path / "runs", tmp_path / "host" / "settings.json"
    call = CliRunner().invoke(
        main, ["hook", "install", "--host", "claude-code", "--run", str(runs / "agent"), "--settings", str(settings)]
    )
    assert call.exit_code == 0, call.output
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [
        Path(sys.executable).parent / "subcritical",
        "watch",
        gate_file,
        "--runs",
        runs,
        "--name",
        "agent",
        "--guard",
        settings,
    ]
    watching = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert "the gate is open" in watching.stderr.readline()
        assert run_hook(settings, event("Bash", {"command": "ls"}, tmp_path / "project")).returncode == 0
        assert blocked(run_hook(settings, event("Bash", {"command": "rm evaluate.py"}, tmp_path / "project")))
        status = CliRunner().invoke(main, ["status", str(runs / "agent")])
        assert "RUNNING" in status.output.upper()
    finally:
        watching.send_signal(2)
        _, said = watching.communicate(timeout=60)
    assert (watching.returncode, "the gate is closed" in said) == (0, True)
    again = CliRunner().invoke(main, ["watch", str(gate_file), "--runs", str(runs), "--name", "agent"])
    assert (again.exit_code, "watch --resume agent" in again.output) == (2, True)
    assert blocked(run_hook(settings, event("Bash", {"command": "ls"}, tmp_path / "project")))
