"""Real instructions and configurations of public loops; the code beside them is a stand-in of the same shape."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from subcritical.loop.doctor import examine

DATA = Path(os.environ.get("SUBCRITICAL_DATA", Path(__file__).parents[3].parent / "shared" / "data"))

TRAIN = """\
import time
from prepare import TIME_BUDGET, evaluate_bpb

start = time.time()
weights = 0.0
while time.time() - start < TIME_BUDGET:
    weights += 1.0
val_bpb = evaluate_bpb(weights)
print(f"val_bpb: {val_bpb:.6f}")
"""
PREPARE = "TIME_BUDGET = 300\n\n\ndef evaluate_bpb(model):\n    return 1.0 / (1.0 + model)\n"


def real(path: str) -> Path:
    found = DATA / path
    if not found.exists():
        pytest.skip(f"REAL DATA MISSING: {found}; set SUBCRITICAL_DATA")
    return found


def test_autoresearch_by_its_real_instructions(tmp_path: Path) -> None:
    text = real("autoresearch/master/program.md").read_text(encoding="utf-8")
    (tmp_path / "program.md").write_text(text)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "prepare.py").write_text(PREPARE)
    diagnosis = examine(tmp_path)
    found = {(h.id, h.file) for h in diagnosis.holes}
    print(sorted((h.id, h.file, h.line) for h in diagnosis.holes))
    assert diagnosis.project == "autoresearch"
    assert ("scorer-in-guest-process", "train.py") in found
    assert ("evaluator-writable", "prepare.py") in found
    assert ("protected-by-prose", "program.md") in found
    assert ("score-file-by-guest", "program.md") in found
    assert ("limit-in-guest", "train.py") in found
    roles = {r.path: r.role for r in diagnosis.roles}
    assert roles["train.py"] == "candidate"
    lines = text.split("\n")
    prose = next(h for h in diagnosis.holes if h.id == "protected-by-prose")
    assert "prepare.py" in lines[prose.line - 1]


def test_real_run_directories_are_read_without_an_accident() -> None:
    """Result trees hold no loop: nothing may be claimed about them, and nothing may be raised."""
    for folder in ("openevolve_official", "shinka", "dgm", "ai_scientist"):
        diagnosis = examine(real(folder))
        print(folder, diagnosis.files_read, [h.id for h in diagnosis.holes], len(diagnosis.unread))
        assert not [h for h in diagnosis.holes if h.severity == "critical"], folder
