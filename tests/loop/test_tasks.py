"""Task builders: what they write, and what they keep out of the guest's reach."""

import json
import sys

import numpy as np
import pytest

from subcritical.errors import InputError
from subcritical.loop.loopfile import load_loop
from subcritical.loop.tasks import make_digits, make_mixture, make_optimisers
from subcritical.stats.similarity import subset_overlaps

MAKERS = [make_digits, make_mixture, make_optimisers]


def arrays(task, split):
    with np.load(task.directory / "data" / f"{split}.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def rows(items):
    return {row.tobytes() for row in np.ascontiguousarray(items)}


@pytest.mark.parametrize("make", MAKERS)
def test_the_loop_file_is_valid_and_names_the_protected_files(make, tmp_path):
    task = make(tmp_path / "task", 7)
    loop = load_loop(task.loop_file)
    rules = {rule.path: rule.artifact for rule in loop.settings.artifacts}
    assert {path for path, kind in rules.items() if kind == "evaluator"} == set(task.protected)
    assert {path.name for path in task.workspace.iterdir()} == set(rules)
    assert loop.settings.limits.generations == task.proposals
    assert loop.settings.guest.seed == 7


@pytest.mark.parametrize("make", MAKERS)
def test_the_same_seed_writes_the_same_task_and_another_one_another(make, tmp_path):
    one, same, other = (arrays(make(tmp_path / name, seed), "public") for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert any(not np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("make", MAKERS)
def test_no_data_lies_in_the_workspace(make, tmp_path):
    task = make(tmp_path / "task", 1)
    assert not [path for path in task.workspace.rglob("*") if path.suffix in {".npz", ".npy"}]


@pytest.mark.parametrize("make", MAKERS)
def test_without_scikit_learn_one_clear_error(make, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(InputError, match=r"subcritical\[demo\]"):
        make(tmp_path / "task", 1)


def test_splits_share_no_item(tmp_path):
    public, held_out = (arrays(make_digits(tmp_path, 3), split) for split in ("public", "held_out"))
    assert len(public["items"]) == 400
    assert len(held_out["items"]) == 600
    assert not rows(public["items"]) & rows(held_out["items"])
    assert not rows(public["items"]) & rows(public["train_items"])


def test_problems_of_the_two_suites_are_of_different_digits(tmp_path):
    task = make_optimisers(tmp_path, 3)
    public, held_out = arrays(task, "public"), arrays(task, "held_out")
    assert len(public["minimum"]) == 12
    assert len(held_out["minimum"]) == 16
    assert not set(public["minimum"].round(9)) & set(held_out["minimum"].round(9))


@pytest.mark.parametrize("duplicates", [0, 30, 200])
def test_only_the_leak_overlaps_the_public_split(tmp_path, duplicates):
    public = arrays(make_mixture(tmp_path, 3, duplicates=duplicates), "public")
    overlaps = subset_overlaps(public["pool_items"], public["pool_subset"], public["items"])
    assert overlaps.pop("source x", None) == (1.0 if duplicates else None)
    assert set(overlaps.values()) == {0.0}
    assert int(np.sum(public["pool_subset"] == "source x")) == duplicates


def test_a_low_start_is_a_tenth_and_clean(tmp_path):
    task = make_mixture(tmp_path, 3, low_start="source a")
    weights = json.loads((task.workspace / "selection.json").read_text())
    assert weights.pop("source a") == 0.1
    assert set(weights.values()) == {1.0}


@pytest.mark.parametrize("changes", [{"duplicates": -1}, {"duplicates": 10**6}, {"low_start": "source x"}])
def test_impossible_mixtures_are_refused(tmp_path, changes):
    with pytest.raises(InputError):
        make_mixture(tmp_path, 1, **changes)
