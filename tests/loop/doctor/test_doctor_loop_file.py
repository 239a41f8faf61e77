"""A loop file under examination: each opening is named with the line of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from subcritical.loop.doctor import Diagnosis, examine
from subcritical.loop.loopfile import load_loop

GOOD_EVALUATOR = """\
import numpy as np


def evaluate(candidate, data):
    guessed = candidate.call("predict", data["x"])
    right = int(np.sum(guessed == data["y"]))
    return {"metrics": {"accuracy": {"value": right / len(data["y"])}}, "primary": "accuracy", "direction": "up"}
"""

GOOD = """\
system: test
guest: {kind: evolve}
workspace: seed
artifacts:
  - {path: evaluate.py, is: evaluator}
  - {path: solution.py, is: code}
evaluate:
  run: evaluate.py
  public: data/public.npz
  held_out: data/held.npz
  bounds: {accuracy: [0.0, 1.0]}
oversight: {review_cycle: 1d}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "seed").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "seed" / "solution.py").write_text("def predict(x):\n    return x > 0\n")
    (tmp_path / "seed" / "evaluate.py").write_text(GOOD_EVALUATOR)
    (tmp_path / "evaluate.py").write_text(GOOD_EVALUATOR)
    (tmp_path / "data" / "public.npz").write_bytes(b"x")
    (tmp_path / "data" / "held.npz").write_bytes(b"y")
    return tmp_path


def look(project: Path, text: str) -> Diagnosis:
    (project / "my.yaml").write_text(text)
    return examine(project / "my.yaml")


def test_a_careful_loop_file_has_no_holes(project: Path) -> None:
    diagnosis = look(project, GOOD)
    assert diagnosis.holes == ()
    assert diagnosis.project == "loop"
    assert {p.name for p in diagnosis.producers} >= {"evaluate.py", "data/public.npz", "data/held.npz"}
    assert examine(load_loop(project / "my.yaml")) == diagnosis


@pytest.mark.parametrize(
    ("old", "new", "kind", "line"),
    [
        ("{path: evaluate.py, is: evaluator}", "{path: evaluate.py, is: code}", "artifact-rule", 5),
        ("{path: evaluate.py, is: evaluator}", '{path: "*.py", is: code}', "artifact-rule", 5),
        ("{path: solution.py, is: code}", '{path: "**", is: code}', "artifact-rule", 6),
        ("  run: evaluate.py", "  run: evaluate.py\n  isolation: shared", "shared-isolation", 9),
        (
            "guest: {kind: evolve}",
            "guest: {kind: command, run: [sh, a.sh], env: {OPENAI_API_KEY: x}}",
            "keys-passed",
            2,
        ),
        ("  held_out: data/held.npz\n", "", "no-held-out", 8),
        ("  bounds: {accuracy: [0.0, 1.0]}\n", "", "metric-unchecked", 8),
        ("oversight:", "containment: {minimum: R3}\noversight:", "weak-containment", 12),
        ("oversight:", "limits: {network: {socket: s.sock}}\noversight:", "network-open", 12),
        ("oversight:", "tripwires:\n  - {on: {severity: high}, action: notify}\noversight:", "no-tripwire", 13),
        ("oversight:", 'scratch: ["*.py"]\noversight:', "artifact-rule", 12),
    ],
)
def test_each_opening_is_named_with_its_line(project: Path, old: str, new: str, kind: str, line: int) -> None:
    assert old in GOOD
    found = {(h.id, h.file, h.line) for h in look(project, GOOD.replace(old, new)).holes}
    assert (kind, "my.yaml", line) in found, found


@pytest.mark.parametrize(
    ("body", "kind", "line"),
    [
        (
            'import json\ndef evaluate(c, data):\n    m = json.loads(c.read("metrics.json"))\n    return m\n',
            "score-file-by-guest",
            3,
        ),
        (
            'def judge(guest, data):\n    return {"metrics": {"a": {"value": guest.call("score")}}}\n',
            "score-from-output",
            2,
        ),
        (
            'import pickle\ndef evaluate(c, data):\n    w = pickle.loads(c.read("w.bin"))\n    return {"v": w == data["y"]}\n',
            "unsafe-load",
            3,
        ),
        (
            "import solution\ndef evaluate(c, data):\n    return solution.predict(data) == data\n",
            "candidate-in-evaluator",
            1,
        ),
        (
            'def evaluate(c, data):\n    space = {}\n    exec(c.read("solution.py"), space)\n    return space["f"](data) == 3\n',
            "candidate-in-evaluator",
            3,
        ),
    ],
)
def test_an_evaluator_that_goes_around_the_pipe(project: Path, body: str, kind: str, line: int) -> None:
    (project / "evaluate.py").write_text(body)
    found = {(h.id, h.file, h.line) for h in look(project, GOOD).holes}
    assert (kind, "evaluate.py", line) in found, found


def test_the_evaluator_may_lie_in_the_workspace_and_be_renamed(project: Path) -> None:
    (project / "evaluate.py").unlink()
    (project / "seed" / "evaluate.py").rename(project / "seed" / "zebra.py")
    text = GOOD.replace("run: evaluate.py", "run: zebra.py").replace("path: evaluate.py", "path: zebra.py")
    assert look(project, text).holes == ()
    opened = look(project, text.replace("zebra.py, is: evaluator", "zebra.py, is: tool"))
    assert [(h.id, h.line) for h in opened.holes] == [("artifact-rule", 5)]
