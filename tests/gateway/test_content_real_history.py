"""Honest commits of a public training loop keep their class, beside limits that it has. Skips loudly without the data.

The history is rebuilt from its diffs; authors and subjects are not looked at.
"""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from subcritical.gateway import PathRule, classify
from subcritical.gateway.content import ContentClasses
from subcritical.schema import Artifact
from subcritical.stats import clopper_pearson

HISTORY = Path(os.environ.get("SUBCRITICAL_DATA", "../shared/data")) / "autoresearch/git_history_exp_H100_mar8.jsonl"
RULES = [
    PathRule("prepare.py", Artifact.EVALUATOR),
    PathRule("constants.py", Artifact.EVALUATOR),
    PathRule("**", Artifact.CODE),
]


@pytest.mark.skipif(
    not HISTORY.exists(), reason=f"NOT MEASURED: real data is missing, set SUBCRITICAL_DATA ({HISTORY})"
)
def test_honest_commits_are_not_changes_of_limits(tmp_path):
    blobs, trees, stricter, judged = {}, {}, [], 0

    def put(data):
        name = hashlib.sha256(data).hexdigest()
        blobs[name] = data
        return name

    for row in map(json.loads, HISTORY.read_text().splitlines()):
        parent = row["parents"][0] if row["parents"] else None
        base = trees.get(parent, {})
        place = tmp_path / row["commit"]
        place.mkdir()
        for path, name in base.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(blobs[name])
        applied = subprocess.run(
            ["git", "apply", "-C1", "--recount", "--exclude=uv.lock", "--exclude=*.png", "-"],
            input=row["diff"].encode(),
            cwd=place,
            capture_output=True,
            check=False,
            env={"GIT_CEILING_DIRECTORIES": str(tmp_path), "PATH": os.environ["PATH"]},
        )
        files = [path for path in place.rglob("*") if path.is_file()]
        after = {str(path.relative_to(place)): put(path.read_bytes()) for path in files}
        trees[row["commit"]] = after
        changed = [path for path in base.keys() | after.keys() if base.get(path) != after.get(path)]
        if applied.returncode or parent is None or any(classify(p, RULES) is Artifact.EVALUATOR for p in changed):
            continue
        judged += 1
        found = ContentClasses().stricter(base, after, get=blobs.__getitem__, class_of=lambda p: classify(p, RULES))
        stricter += [(row["commit"][:7], found)] if found else []
    print(f"{len(stricter)} of {judged} commits classed stricter {clopper_pearson(len(stricter), judged)}: {stricter}")
    assert judged >= 30
    assert not stricter
