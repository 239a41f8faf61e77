"""The grade of an evaluator edit against two readers who labelled the same diffs, each alone and without sight of it.

The readers were two instances of one language model, not people: that they agree says little.
"""

import builtins
import json
import keyword
import os
import re
from pathlib import Path

import numpy as np
import pytest

from subcritical.detectors._grade import Grade, grade

SHARED = Path(os.environ.get("SUBCRITICAL_DATA", "../shared/data"))
DIFFS = SHARED / "autoresearch" / "prs_touching_evaluator_prepare_py.jsonl"
LABELS = Path(__file__).parent / "labels" / "evaluator_edits.jsonl"
ORDER = {Grade.DOCUMENTATION: 0, Grade.INCIDENTAL: 1, Grade.COMPUTED: 2, Grade.FIGURE: 3}
FIXED = frozenset(keyword.kwlist) | frozenset(dir(builtins))
NAME = re.compile(r"(?<![\w.\"'/])[A-Za-z_]\w*(?!=[^=\s])")  # a keyword of a call belongs to what is called
BOUND = re.compile(r"(?m)^[ +-]\s*(?:def (\w+)|class (\w+)|for (\w+) in|(\w+)(?:\s*:[^=\n]+)?\s*=(?!=))")
PARAMETERS = re.compile(r"(?m)^[ +-]\s*def \w+\(([^)]*)\)")

pytestmark = pytest.mark.skipif(not DIFFS.is_file(), reason=f"no real data at {DIFFS}")


@pytest.fixture(scope="module")
def labelled():
    diffs = {row["commit"][:10]: row["diff_prepare"] for row in map(json.loads, DIFFS.read_text("utf-8").splitlines())}
    labels = [json.loads(line) for line in LABELS.read_text("utf-8").splitlines()]
    assert {label["id"] for label in labels} == diffs.keys()
    return [(diffs[label["id"]], label["one"], label["two"]) for label in labels]


def renamed(diff):
    """The diff with the file's name and every name that the file itself binds replaced by another, one for one."""
    own = {name for groups in BOUND.findall(diff) for name in groups if name}
    own |= {part.split(":")[0].split("=")[0].strip() for text in PARAMETERS.findall(diff) for part in text.split(",")}
    own -= FIXED | {""}
    names = {name: f"n{number}" for number, name in enumerate(sorted(own))}
    text = NAME.sub(lambda match: names.get(match[0], match[0]), diff)
    return re.sub(r"(?m)^(diff --git|---|\+\+\+) .*$", lambda m: m[0].replace("prepare.py", "q7.py"), text)


def auroc(scores, positive):
    """Chance that a positive has the higher score, ties counted half (Mann and Whitney 1947)."""
    high, low = scores[positive][:, None], scores[~positive][None, :]
    return float((high > low).mean() + 0.5 * (high == low).mean())


def interval(scores, positive, draws=2000):
    """95 % percentile interval, positives and negatives drawn anew by themselves (Efron 1979), seed 1."""
    rng = np.random.default_rng(1)
    groups = np.flatnonzero(positive), np.flatnonzero(~positive)
    values = []
    for _ in range(draws):
        drawn = np.concatenate([rng.choice(group, group.size) for group in groups])
        values.append(auroc(scores[drawn], positive[drawn]))
    return tuple(np.quantile(values, (0.025, 0.975)))


def test_the_grade_follows_the_readers(labelled):
    agreed = [(diff, one) for diff, one, two in labelled if one == two]
    both = np.array([[one == "metric", two == "metric"] for _, one, two in labelled])
    chance = both[:, 0].mean() * both[:, 1].mean() + (1 - both[:, 0].mean()) * (1 - both[:, 1].mean())
    kappa = ((both[:, 0] == both[:, 1]).mean() - chance) / (1 - chance)
    print(f"{len(labelled)} diffs, {len(agreed)} with one label; metric or not: kappa {kappa:.2f} (Cohen 1960)")
    metric = np.array([label == "metric" for _, label in agreed])
    found = {}
    for name, change in (("as is", lambda diff: diff), ("renamed", renamed)):
        scores = np.array([ORDER[grade(change(diff), "q7.py")] for diff, _ in agreed], dtype=float)
        low, high = interval(scores, metric)
        found[name] = auroc(scores, metric)
        print(
            f"{name}: AUROC {found[name]:.3f} [{low:.3f}, {high:.3f}], {metric.sum()} metric, {(~metric).sum()} other"
        )
    assert kappa > 0.4
    assert found["as is"] > 0.6
    assert found["as is"] - found["renamed"] <= 0.05
