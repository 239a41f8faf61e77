"""The proposed loop file is a valid one, and with its notes followed it has no hole that decides."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from test_doctor_trees import TREES, unpack, write

from subcritical.loop.doctor import canary_targets, examine
from subcritical.loop.loopfile import load_loop

EVALUATOR = "def evaluate(candidate, data):\n    good = candidate.call('f', data['x']) == data['y']\n    return {'v': good.mean()}\n"


@pytest.mark.parametrize("bundle", TREES, ids=lambda b: b.stem)
def test_proposed_loop_file_loads_and_closes(bundle: Path, tmp_path: Path) -> None:
    write(unpack(bundle, "open"), tmp_path)
    diagnosis = examine(tmp_path)
    (tmp_path / "proposed.yaml").write_text(diagnosis.loop_file)
    _follow_the_notes(tmp_path, diagnosis.workspace)
    loop = load_loop(tmp_path / "proposed.yaml")
    evaluator = tmp_path / loop.settings.evaluate.run
    if not evaluator.exists():
        evaluator = tmp_path / diagnosis.workspace / loop.settings.evaluate.run
    evaluator.write_text(EVALUATOR)
    closed = examine(loop)
    assert not [f"{h.id} {h.line} {h.why}" for h in closed.holes if h.severity.rank >= 2]
    assert any(t.action == "read" and t.name == "held-out data" for t in canary_targets(loop))


def _follow_the_notes(root: Path, workspace: str, name: str = "proposed.yaml") -> None:
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / "public.npz").write_bytes(b"a")
    (root / "data" / "held_out.npz").write_bytes(b"b")
    if not (root / workspace).exists():
        (root / workspace).mkdir()
        for path in root.glob("*.py"):
            shutil.copy(path, root / workspace / path.name)
    text = (root / name).read_text()
    run = next(line for line in text.splitlines() if line.startswith("  run:")).split('"')[1]
    if not (root / run).exists():
        (root / run).parent.mkdir(parents=True, exist_ok=True)
        (root / run).write_text(EVALUATOR)


def test_the_proposal_names_what_was_found(tmp_path: Path) -> None:
    bundle = next(b for b in TREES if b.stem == "evaluator_beside_solution")
    text = examine(write(unpack(bundle, "open"), tmp_path)).loop_file
    assert 'workspace: "box"' in text
    assert '{path: "judge.py", is: evaluator}' in text
    assert '{path: "subject.py", is: code}' in text
    assert '"mutator.py"' in text


def test_hostile_names_cannot_add_keys_to_the_proposal(tmp_path: Path) -> None:
    name = 'a", is: code}\\n  - {path: "x.py'
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / f"{name}.py").write_text("# EVOLVE-BLOCK-START\nx = 1\n")
    diagnosis = examine(tmp_path)
    (tmp_path / "p.yaml").write_text(diagnosis.loop_file)
    _follow_the_notes(tmp_path, diagnosis.workspace, "p.yaml")
    rules = load_loop(tmp_path / "p.yaml").settings.artifacts
    assert [r.path for r in rules if r.artifact == "code"] == [f"{name}.py"]
