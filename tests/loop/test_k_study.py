"""Causal k of the self-tuning guest over seeds and budgets, beside its frozen-improver control. Slow: `make quality`.

The guest's own arithmetic (six numbers and a search) is run here without a harness; k of a contained run is
measured the same way from the versions it left.
"""

import json

import numpy as np
import pytest

from subcritical.loop.guests.strategy import search
from subcritical.loop.tasks import make_optimisers
from subcritical.loop.tasks.optimisers import paired_gains, read_improver, starting_states
from subcritical.loop.tasks.optimisers.suite import log_gains
from subcritical.measures import gain_ratio, k, no_k
from subcritical.schema import Score, Split

SEEDS, GENERATIONS, STARTS = 20, 3, 8


def arrays(task, split):
    with np.load(task.directory / "data" / f"{split}.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def lineage(start, public, budget, seed, *, frozen):
    """Versions of the improver, the first one included."""
    versions, judged = [start], np.random.default_rng([seed, 7])

    def objective(points):
        return [-float(log_gains(point, public, seed=int(judged.integers(1 << 31))).mean()) for point in points]

    for generation in range(GENERATIONS):
        improver = start if frozen else versions[-1]
        dice = np.random.default_rng([seed, generation])
        found, _ = search(objective, np.asarray(versions[-1]), improver, budget=budget, rng=dice)
        versions.append(tuple(float(value) for value in found))
    return versions


def worth(parameters, suite):
    return float(np.mean([log_gains(parameters, suite, seed=s).mean() for s in range(4)]))


@pytest.mark.quality
@pytest.mark.parametrize("budget", [24, 40])
def test_k_over_seeds_beside_the_frozen_control(tmp_path, budget):
    gains = {1: [], 2: []}
    ends = {"recursive": [], "frozen": [], "start": []}
    for seed in range(SEEDS):
        task = make_optimisers(tmp_path / str(seed), seed)
        public, held_out = arrays(task, "public"), arrays(task, "held_out")
        _, start = read_improver((task.workspace / "improver.json").read_bytes())
        recursive = lineage(start, public, budget, seed, frozen=False)
        ends["recursive"].append(worth(recursive[-1], held_out))
        ends["frozen"].append(worth(lineage(start, public, budget, seed, frozen=True)[-1], held_out))
        ends["start"].append(worth(start, held_out))
        states = starting_states(start, STARTS, seed=seed)
        for step, pairs in gains.items():
            pair = paired_gains(
                recursive[step],
                recursive[step - 1],
                states=states,
                public=public,
                held_out=held_out,
                budget=budget,
                seed=seed,
            )
            pairs.append((np.mean(pair.new), np.mean(pair.old)))
    better = sum(r > f for r, f in zip(ends["recursive"], ends["frozen"], strict=True))
    shown = {name: round(float(np.mean(values)), 3) for name, values in ends.items()}
    print(
        f"budget {budget}, {SEEDS} seeds, {STARTS} starts near the seed version: held-out {shown}; recursive better {better}/20"
    )
    for step, pairs in gains.items():
        new, old = (list(map(float, column)) for column in zip(*pairs, strict=True))
        for method in ("fieller", "bootstrap"):
            found = k(new, old, method=method)
            print(f"  k_{step} ({method}): {found.estimate} [{found.low}, {found.high}] {found.why}")
    assert better >= 15


def test_a_saturating_optimiser_without_versions_has_no_k():
    """Its gains fall from round to round; that is headroom, not an improver, and it is never called k."""
    scores = [
        Score(
            proposal=f"p{g}",
            tree=f"t{g}",
            split=Split.HELD_OUT,
            metric="accuracy",
            value=value,
            n=2000,
            successes=int(2000 * value),
        )
        for g, value in enumerate(0.9 - 0.6 * np.exp(-np.arange(12) / 3))
    ]
    ratio = gain_ratio(scores)
    assert ratio.name == "gain_ratio"
    assert ratio.high < 1
    found = no_k("the guest's improver has no versions")
    assert found.estimate is None
    assert json.loads(json.dumps(found.why))
