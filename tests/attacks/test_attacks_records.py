"""C7 (a tree), C29, C32, C38, C40: what is read, kept, counted and shown."""

import ast
import contextlib
import os
import re
import shutil
import stat
import subprocess
import threading
from pathlib import Path

import click.testing
import numpy as np
import pytest
import yaml

import subcritical
from subcritical.app import sandboxing
from subcritical.cli import main
from subcritical.clock import SystemClock
from subcritical.errors import GatewayError, LedgerError
from subcritical.gateway import Gateway, PathRule, Store, _apply
from subcritical.ledger import Journal, read_journal
from subcritical.loop.assembly import RunOptions, run_loop
from subcritical.loop.loopfile import load_loop
from subcritical.loop.run_directory import RunDirectory
from subcritical.report import render_html, render_text
from subcritical.sandbox import collect
from subcritical.schema import Artifact, Event, Finding, Message, Proposal, Score

SOURCES = Path(subcritical.__file__).parent

# -- C29: git ----------------------------------------------------------------------------------------


def hostile_repository(directory, marker):
    """A repository whose every hook, monitor, filter and pager writes a marker."""
    trap = directory / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {marker}\n")
    trap.chmod(0o755)
    subprocess.run(["git", "init", "-q", str(directory)], check=True, env=GIT_ENV)
    with (directory / ".git" / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {trap}\n\tpager = {trap}\n\thooksPath = {directory}/.git/hooks\n\tsshCommand = {trap}\n"
            f'[filter "x"]\n\tclean = {trap}\n\tsmudge = {trap}\n[diff "x"]\n\ttextconv = {trap}\n\tcommand = {trap}\n'
        )
    (directory / ".gitattributes").write_text("* filter=x diff=x\n")
    for name in ("post-checkout", "pre-commit", "post-index-change"):
        shutil.copy(trap, directory / ".git" / "hooks" / name)
    (directory / "solution.py").write_text("x = 2\n")
    return trap


GIT_ENV = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
needs_git = pytest.mark.skipif(
    shutil.which("git") is None, reason="git is not installed, so nobody can be attacked by it"
)


@needs_git
def test_c29_a_hostile_repository_is_bytes_and_is_refused(tmp_path, monkeypatch):
    """Collecting, reviewing and storing start no program at all: PATH leads to one that would be seen."""
    marker = tmp_path / "executed"
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    hostile_repository(workspace, marker)
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "git").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (shims / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{shims}:{os.environ['PATH']}")
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(a))
    handle = os.open(workspace, os.O_RDONLY)
    try:
        found = collect(handle)
    finally:
        os.close(handle)
    gateway = Gateway(Store(tmp_path / "store"), rules=[PathRule("solution.py", Artifact.CODE)])
    gateway.seed({"solution.py": b"x = 1\n"})
    reviewed = gateway.review(found.files, proposal="p", requester="guest", refused_paths=found.refused)
    print(len(found.files), reviewed.refusals[:3])
    assert ".git/config" in found.files
    assert not reviewed.allowed
    assert any(".git/config" in reason for reason in reviewed.refusals)
    with pytest.raises(GatewayError):
        gateway.apply(reviewed)
    assert started == []
    assert not marker.exists()


@needs_git
def test_c29_control_a_broker_that_asks_git_runs_the_guests_program(tmp_path):
    marker = tmp_path / "executed"
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    hostile_repository(workspace, marker)
    subprocess.run(["git", "-C", str(workspace), "status", "--short"], check=False, env=GIT_ENV, capture_output=True)
    subprocess.run(["git", "-C", str(workspace), "add", "solution.py"], check=False, env=GIT_ENV, capture_output=True)
    assert marker.exists()


def starts_git(tree):
    """Strings that a call could use as a command: `git`, or a path or command line that begins with it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            first = node.value.strip().split(" ", 1)[0]
            if first == "git" or first.endswith("/git"):
                yield node


def test_c29_no_code_of_ours_names_git_as_a_program():
    """`git` appears in the doctor's prose, and in the names that readers look for; it is argv[0] nowhere.

    Detectors look for commands that others ran; none of them can start a process (`tests/test_tidy.py`).
    """
    found = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if re.search(r"""["'/ ]git["' ]""", path.read_text("utf-8"))  # most files need no parsing
        and list(starts_git(ast.parse(path.read_text("utf-8"))))
        and not {"doctor", "detectors"} & set(path.parts)
    }
    print(found)
    assert found == {"ingest/git_history.py", "watch/words.py"}
    assert list(starts_git(ast.parse("subprocess.run(['git', 'status'])")))  # the control: it would be seen


# -- C7 and the collector: a tree made to hurt its reader ------------------------------------------------


def test_c7_a_tree_made_to_hurt_its_reader(tmp_path):
    deep = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=deep)
        below = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "esc\x1b[31m").write_text("x")
    os.link(tmp_path / "esc\x1b[31m", tmp_path / "second")
    handle = os.open(tmp_path, os.O_RDONLY)
    found = collect(handle)
    print(found.refused)
    assert found.files == {}
    assert len(found.refused) == 5
    assert not any("\x1b" in path for path, _ in found.refused)
    # The control: a reader that recurses is what such a tree is for.
    with pytest.raises((RecursionError, OSError)):  # whichever ends first, the stack or the descriptors
        recursing(handle, 0)
    os.close(handle)
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def recursing(directory, depth):
    for name in os.listdir(directory):
        if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
            try:
                recursing(below, depth + 1)
            finally:
                os.close(below)


# -- C38: writes that race a kill ------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


class KilledAt:
    """Ends at the nth system call that changes the disk; a write is cut in half before that."""

    def __init__(self, patched, number):
        self.left = number
        for module, name in ((os, "write"), (os, "fsync"), (os, "replace"), (Path, "replace"), (Path, "write_bytes")):
            patched.setattr(module, name, self._wrapped(getattr(module, name), name))

    def _wrapped(self, real, name):
        def call(*arguments):
            self.left -= 1
            if self.left:
                return real(*arguments)
            if name in {"write", "write_bytes"}:
                real(arguments[0], arguments[1][: len(arguments[1]) // 2])
            raise Killed

        return call


VERSIONS = ({"solution.py": b"x = 1\n"}, {"solution.py": b"x = 22\n" * 50, "more.py": b"y = 3\n"})


def killed_everywhere(tmp_path, monkeypatch):
    """Apply a second version, ended before each step in turn; yields the head that a new process finds."""
    for number in range(1, 100):
        directory = tmp_path / str(number)
        rules = [PathRule("*.py", Artifact.CODE)]
        Gateway(Store(directory), rules=rules).seed(VERSIONS[0])
        ended = False
        with monkeypatch.context() as patched:
            KilledAt(patched, number)
            gateway = Gateway(Store(directory), rules=rules)
            try:
                gateway.apply(gateway.review(VERSIONS[1], proposal="p", requester="guest"))
            except Killed:
                ended = True
        again = Gateway(Store(directory), rules=rules)
        yield number, ended, again
        if not ended:
            return


def test_c38_a_write_ended_at_any_step_leaves_the_old_or_the_new_version(tmp_path, monkeypatch):
    seen = []
    for _, ended, gateway in killed_everywhere(tmp_path, monkeypatch):
        head = gateway.store.head()
        files = gateway.store.tree(head.tree)
        assert files == VERSIONS[head.version]
        seen.append(head.version)
        if head.version == 0:  # recovery: the same change goes through afterwards
            applied = gateway.apply(gateway.review(VERSIONS[1], proposal="again", requester="guest"))
            assert gateway.store.tree(applied.tree) == VERSIONS[1]
        assert ended or head.version == 1
    print(f"heads after each step: {seen}")
    assert len(seen) > 8
    assert {0, 1} == set(seen)
    assert seen == sorted(seen)


def test_c38_control_a_head_written_in_place_is_left_in_halves(tmp_path, monkeypatch):
    def in_place(store, head, _last_step):
        store.head_path.write_bytes(_apply.msgspec.json.encode(head))
        return True

    monkeypatch.setattr(_apply, "_replace", in_place)
    broken = 0
    for _, _, gateway in killed_everywhere(tmp_path, monkeypatch):
        try:
            gateway.store.head()
        except LedgerError:
            broken += 1
    assert broken >= 1


def racing(gateway, count):
    """Every thread reviewed against the same base; all apply at once. Returns how many succeeded."""
    reviewed = [
        gateway.review({"solution.py": f"y = {n}\n".encode()}, proposal=str(n), requester="guest") for n in range(count)
    ]
    barrier, done = threading.Barrier(count), []

    def apply(one):
        barrier.wait(10)
        with contextlib.suppress(GatewayError):
            done.append(gateway.apply(one))

    threads = [threading.Thread(target=apply, args=(one,)) for one in reviewed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return len(done)


def test_c38_of_changes_that_race_exactly_one_is_applied(tmp_path, monkeypatch):
    gateway = Gateway(Store(tmp_path / "store"), rules=[PathRule("*.py", Artifact.CODE)])
    gateway.seed(VERSIONS[0])
    assert racing(gateway, 6) == 1
    assert gateway.store.head().version == 1
    # The control: without the comparison with the base, more than one change goes in.
    first = gateway.store.head()
    monkeypatch.setattr(gateway.store, "head", lambda: first)
    assert racing(gateway, 6) > 1


# -- C32: asking until luck answers ------------------------------------------------------------------------

GAMER = """\
import json, os
requests = os.fdopen(int(os.environ["SUBCRITICAL_REQUEST_FD"]), "w")
answers = os.fdopen(int(os.environ["SUBCRITICAL_ANSWER_FD"]))
for number in range(40):
    with open("solution.py", "w") as file:
        file.write(f"import random\\nd = random.Random({number})\\ndef classify(x):\\n    return [d.randrange(2) for _ in x]\\n")
    requests.write(json.dumps({"op": "propose"}) + "\\n")
    requests.flush()
    if not answers.readline():
        break
"""
EVALUATOR = """\
import numpy as np
def evaluate(candidate, data):
    right = int(np.sum(np.asarray(candidate.call("classify", data["x"])) == data["y"]))
    n = len(data["y"])
    return {"metrics": {"accuracy": {"value": right / n, "n": n, "successes": right}}, "primary": "accuracy"}
"""


def gamed(directory, rung, evaluations, name):
    """A guest that tries seeds against one split. Returns the records of the run and its result."""
    (directory / "seed").mkdir(parents=True, exist_ok=True)
    (directory / "seed" / "solution.py").write_text("def classify(x):\n    return x * 0\n")
    (directory / "seed" / "evaluate.py").write_text(EVALUATOR)
    (directory / "guest.py").write_text(GAMER)
    rng = np.random.default_rng(7)
    for split in ("public", "held_out"):
        np.savez(directory / f"{split}.npz", x=np.arange(60), y=rng.integers(0, 2, 60))
    settings = {
        "system": "gamer",
        "guest": {"kind": "command", "run": ["python", "guest.py"], "mode": "session"},
        "workspace": "seed",
        "artifacts": [{"path": "solution.py", "is": "code"}, {"path": "evaluate.py", "is": "evaluator"}],
        "evaluate": {
            "run": "evaluate.py",
            "public": "public.npz",
            "held_out": "held_out.npz",
            "bounds": {"accuracy": [0, 1]},
        },
        "limits": {"generations": 100, "evaluations": evaluations, "wall": "60s", "memory": "512MiB", "processes": 16},
        "oversight": {"review": "assumed"},
        "tripwires": [],
    }
    loop_file = directory / "loop.yaml"
    loop_file.write_text(yaml.safe_dump(settings))
    place = RunDirectory.create(directory / "runs", name)
    place.remember(loop_file)
    result = run_loop(load_loop(loop_file), place, options=RunOptions(rung=rung, seed=1), clock=SystemClock())
    return list(read_journal(place.journal)), result


def test_c32_questions_to_the_public_split_are_counted_and_end(rung, tmp_path):
    """Luck is bounded by the budget of questions; what it gains is measured on the split nobody asked.

    The control is the same guest with a larger budget: it asks as often as that allows.
    """
    asked, gaps = {}, {}
    for evaluations in (2, 6):
        records, result = gamed(tmp_path, rung, evaluations, f"run{evaluations}")
        scores = [
            r.data for r in records if isinstance(r, Event) and isinstance(r.data, Score) and r.data.status == "ok"
        ]
        public = [s for s in scores if s.split == "public"]
        held_out = {s.tree: s.value for s in scores if s.split == "held_out"}
        best = max((s for s in public if s.tree in held_out), key=lambda s: s.value)
        asked[evaluations], gaps[evaluations] = len(public), best.value - held_out[best.tree]
        print(
            f"budget {evaluations}: asked {len(public)}, public {best.value:.3f}, held-out {held_out[best.tree]:.3f}, {result.why}"
        )
        print([r.data.text for r in records if isinstance(r, Event) and isinstance(r.data, Message)][-2:])
        assert "evaluations" in result.why
        assert not [
            r for r in records if isinstance(r, Finding) and r.severity.may_pause and r.detector == "score_jump"
        ]
    assert asked == {2: 2, 6: 6}
    assert all(s.selected_on == (s.split == "public") for s in scores)


# -- C40: what an operator's terminal is told ----------------------------------------------------------------

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\x08\r\x7f\u202egpj.exe\u2066"
LOUD = r"import sys; sys.stdout.write('\x1b]0;owned\x07\x1b[2J\x9b31m\x08\r\x7f\u202e\u2066\n'); sys.stderr.write('\x1b[31m\n')"


def controls(text):
    return sorted({character for character in text if not character.isprintable() and character != "\n"})


def told(tmp_path):
    """A run of records whose every text is hostile, as its report shows it."""
    journal = Journal.create(tmp_path / "journal", "run", SystemClock())
    tree = "sha256:" + "0" * 64
    journal.event(Message(source="guest", text=ESCAPES), producer="loop", generation=1)
    journal.event(
        Proposal(
            proposal=f"p{ESCAPES}", base=tree, tree=tree, requester=f"guest{ESCAPES}", changes=(),
            claim=ESCAPES, reported=None, refused_paths=((ESCAPES, ESCAPES),),
        ),
        producer="loop", generation=1,
    )  # fmt: skip
    journal.commit()
    journal.close()
    return list(read_journal(tmp_path / "journal"))


def test_c40_reports_and_the_command_line_show_escapes_as_text(rung, tmp_path, capfd):
    records = told(tmp_path)
    for shown in (render_text(records, title=f"run {ESCAPES}"), render_html(records, title=f"run {ESCAPES}")):
        assert "owned" in shown
        assert controls(shown) == []
    runner = click.testing.CliRunner()
    answer = runner.invoke(main, ["sandbox", "run", "--rung", str(rung), "--", "python3", "-c", LOUD])
    captured = capfd.readouterr()
    text = answer.output + answer.stderr + captured.out + captured.err
    print(repr(text))
    assert "owned" in text
    assert controls(text) == []


def test_c40_control_without_the_escaping_the_terminal_is_told(rung, monkeypatch):
    monkeypatch.setattr(sandboxing, "visible", lambda text, limit=0, **_: text)
    runner = click.testing.CliRunner()
    answer = runner.invoke(main, ["sandbox", "run", "--rung", str(rung), "--", "python3", "-c", LOUD])
    assert "\x1b" in answer.output
