"""Guest `self_tuning`: an optimiser that looks for its own next parameters."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_harness import guest_command, run_guest

from subcritical.errors import InputError, SourceError
from subcritical.loop.guests.strategy import search, traits
from subcritical.loop.tasks import make_optimisers
from subcritical.loop.tasks.optimisers import improver_versions, paired_gains, read_improver, starting_states
from subcritical.loop.tasks.optimisers.suite import log_gains

SIX = st.lists(st.floats(-1e9, 1e9), min_size=6, max_size=6)


def arrays(task, split):
    with np.load(task.directory / "data" / f"{split}.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@given(SIX)
def test_any_six_numbers_are_a_bounded_optimiser(parameters):
    own = traits(parameters)
    assert 0.001 < own.step < 10
    assert 1 <= own.growth <= 3
    assert 0.3 - 1e-9 <= own.decay <= 1
    assert 1 <= own.parents <= own.offspring <= 16
    assert 0 <= own.momentum <= 1


@pytest.mark.parametrize("parameters", [[0.0] * 5, [float("nan")] * 6, [[0.0] * 6], []])
def test_anything_else_is_refused(parameters):
    with pytest.raises(ValueError, match="finite parameters"):
        traits(parameters)


@given(SIX, st.integers(1, 60))
def test_a_search_uses_exactly_its_budget_and_returns_a_point_it_evaluated(parameters, budget):
    seen = {}

    def objective(points):
        values = np.square(points - 3.0).sum(axis=1)
        seen.update({tuple(p): v for p, v in zip(points, values, strict=True)})
        return values

    found, value = search(objective, np.zeros(2), parameters, budget=budget, rng=np.random.default_rng(1))
    assert len(seen) == budget
    assert seen[tuple(found)] == value == min(seen.values())


def test_a_good_optimiser_beats_the_seed_and_values_that_are_not_finite_are_worst(tmp_path):
    task = make_optimisers(tmp_path, 0)
    seed = json.loads((task.workspace / "improver.json").read_text())["parameters"]
    public = arrays(task, "public")
    good = [0.5, 0.0, 0.0, -2.0, -1.0, -2.0]
    assert log_gains(good, public, seed=1).mean() > log_gains(seed, public, seed=1).mean() + 0.5
    found, value = search(lambda p: [np.nan] * len(p), np.zeros(2), good, budget=9, rng=np.random.default_rng(1))
    assert value == float("inf")
    assert np.isfinite(found).all()


def test_the_minimum_is_one(tmp_path):
    task = make_optimisers(tmp_path, 1)
    for split in ("public", "held_out"):
        suite = arrays(task, split)
        assert np.isfinite(log_gains([0.5, 0.0, 0.0, -2.0, -1.0, -2.0], suite, seed=2)).all()
        assert (suite["minimum"] > 0).all()


def test_recursion_generations_change_hands_and_files_are_restored(tmp_path):
    task = make_optimisers(tmp_path / "task", 4, proposals=36)
    command = guest_command("self_tuning", "--seed", 4, "--per-generation", 12)
    ran = run_guest(task, command, tmp_path)
    assert ran.returncode == 0, ran.complaint
    assert len(ran.log) == 36
    assert ran.left == ran.best
    assert all(entry.changed == ["improver.json"] for entry in ran.log)
    assert {entry.claim for entry in ran.log} == {f"improver of generation {g}" for g in (1, 2, 3)}
    contents = [ran.seed["improver.json"], *(version.files["improver.json"] for version in ran.versions)]
    versions = improver_versions(contents)
    assert 2 <= len(versions) <= 4
    assert ran.held_out[1].value > ran.held_out[0].value


def test_the_frozen_control_differs_only_after_the_first_generation(tmp_path):
    task = make_optimisers(tmp_path / "task", 4, proposals=12)
    runs = []
    for name, extra in (("recursive", ()), ("frozen", ("--frozen",))):
        command = guest_command("self_tuning", "--seed", 4, "--per-generation", 8, *extra)
        ran = run_guest(task, command, tmp_path / name)
        runs.append([v.files["improver.json"] for v in ran.versions if v.number < 8])
    assert runs[0] == runs[1]
    assert runs[0]


def test_paired_gains_use_the_same_states_and_dice(tmp_path):
    task = make_optimisers(tmp_path, 2)
    public, held_out = arrays(task, "public"), arrays(task, "held_out")
    _, seed = read_improver((task.workspace / "improver.json").read_bytes())
    states = starting_states(seed, 6, seed=1)
    assert states == starting_states(seed, 6, seed=1)
    assert len(set(states)) == 6
    same = paired_gains(seed, seed, states=states[:2], public=public, held_out=held_out, budget=8, seed=3)
    assert same.new == same.old  # an improver against itself: k is exactly 1
    assert same.k in (1.0, None)
    better = tuple(np.add(seed, (1.5, 1.0, 1.0, 0.0, -1.0, 0.0)))
    pair = paired_gains(better, seed, states=states[:2], public=public, held_out=held_out, budget=12, seed=3)
    assert pair.new != pair.old
    with pytest.raises(InputError):
        paired_gains(seed, seed, states=[], public=public, held_out=held_out, budget=8, seed=3)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"generation": true, "parameters": [0,0,0,0,0,0]}', b'{"generation": 1, "parameters": [1e999,0,0,0,0,0]}',
     b'{"generation": 1, "parameters": [0,0,0]}', b'{"generation": 1, "parameters": "abcdef"}', b"[" * 100_000, b"\xff"],
)  # fmt: skip
def test_a_hostile_improver_is_refused(content):
    with pytest.raises(SourceError):
        read_improver(content)


def test_the_last_accepted_one_of_a_generation_is_its_version():
    contents = [
        json.dumps({"generation": g, "parameters": [v] * 6}).encode() for g, v in ((0, 0), (1, 0.1), (1, 0.2), (3, 9))
    ]
    assert improver_versions(contents) == ((0.0,) * 6, (0.2,) * 6, (3.0,) * 6)
