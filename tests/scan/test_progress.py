"""What `scan` shows while it reads: on a terminal alone, harmless whatever sources are called, never among the data."""

import json
import os
import pty
import re
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from rich.progress import Task

from subcritical.app.scanning import scan
from subcritical.cli.main import main
from subcritical.cli.scan import _Events

COMMAND = [sys.executable, "-c", "from subcritical.cli.main import main; main()", "scan", "."]
OWN = re.compile(r"\x1b\[[\d;]*m|\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\r\n?")
"""What the display itself sends: colours, the cursor hidden and shown, its line wiped."""
HOSTILE = "z\x1b]0;owned\x07\x1b[2J\u202e[red]x["
SHOWN = r"z\x1b]0;owned\x07\x1b[2J\u202e[red]x[/red]\n.jsonl"


@pytest.fixture
def folder(tmp_path):
    line = json.dumps({"role": "user", "content": "hello"}) + "\n"
    (tmp_path / "a.jsonl").write_text(line * 600)
    (tmp_path / HOSTILE).mkdir()
    (tmp_path / HOSTILE / "red]\n.jsonl").write_text(line * 7)
    return tmp_path


def on_terminal(folder, *words):
    """Stdout, and what a terminal got as stderr."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "24"}
    with (folder.parent / "stdout").open("w+b") as stdout:
        process = subprocess.Popen([*COMMAND, *words], cwd=folder, env=environment, stdout=stdout, stderr=theirs)
        os.close(theirs)
        got = b""
        while data := _read(ours):
            got += data
        os.close(ours)
        assert process.wait() == 0, got
        stdout.seek(0)
        return stdout.read(), got.decode()


def _read(file):
    try:
        return os.read(file, 1 << 16)
    except OSError:  # Linux says so when the last writer is gone
        return b""


def test_a_terminal_sees_what_is_read_and_the_data_stay_as_they_are(folder):
    elsewhere = subprocess.run(
        COMMAND, cwd=folder, env={**os.environ, "FORCE_COLOR": "1"}, capture_output=True, check=True
    )
    assert elsewhere.stderr == b"", "no terminal, whatever is said about colours"
    stdout, shown = on_terminal(folder)
    assert stdout == elsewhere.stdout
    plain = OWN.sub("", shown)
    assert re.search(r"607 events, [\d,]+/s 0:\d\d:\d\d ", plain), "of both sources"
    assert SHOWN in plain
    assert not re.findall(r"[\x00-\x1f\x7f\u202e]", plain), "planted: the name does act if it is not made visible"
    assert shown.endswith("\x1b[?25h\r\x1b[1A\x1b[2K"), "the cursor is back and the line is wiped"


def test_a_terminal_sees_nothing_but_the_summary_where_programs_are_served(folder, monkeypatch):
    monkeypatch.chdir(folder)
    stdout, shown = on_terminal(folder, "--json")
    assert stdout.decode() == CliRunner().invoke(main, ["scan", ".", "--json"]).stdout
    assert re.fullmatch(r"0 findings in 607 events, \d+ detectors, 0 blind\r\n", shown)


def test_a_source_is_told_as_it_begins_and_its_events_as_they_are_read(folder):
    told = []
    scan([folder / "a.jsonl", folder / HOSTILE], progress=lambda source, events: told.append((source, events)))
    (first, second) = (str(folder / "a.jsonl"), str(folder / HOSTILE / "red]\n.jsonl"))
    assert told == [(first, 0), (first, 512), (first, 600), (second, 0), (second, 7)]


def test_the_rate_is_over_the_whole_time():
    now = [time.monotonic()]
    task = Task(0, "", None, 3000, _get_time=lambda: now[0])
    assert _Events().render(task).plain == "3,000 events, 3,000/s", "not begun"
    task.start_time = now[0]
    now[0] += 2
    assert _Events().render(task).plain == "3,000 events, 1,500/s"
