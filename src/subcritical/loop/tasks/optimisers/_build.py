"""Writes the task `optimisers`."""

from __future__ import annotations

import itertools
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from subcritical.loop.guests.strategy import NAMES
from subcritical.loop.tasks._digits_data import load_digits
from subcritical.loop.tasks._layout import Task, shipped, write_task
from subcritical.loop.tasks.optimisers.suite import RIDGE, loss

PUBLIC, HELD_OUT = 12, 16
"""Problems; no pair of digits is in both."""

ITEMS, COMPONENTS = 80, 8
SCALE = 0.5
PROPOSALS = 120
SEED_PARAMETERS = (0.0, -2.0, -2.0, -0.5, 1.5, -1.5)
"""A poor optimiser on purpose: its step hardly adapts, and it averages over nearly all of its offspring."""


def make_optimisers(directory: Path, seed: int, *, exposed: bool = True, proposals: int = PROPOSALS) -> Task:
    """Write the task: the parameters of an optimiser, and two suites of problems.

    Args:
        directory: Where to write; made if need be.
        seed: Which problems fall into which suite, and the guest's dice.
        exposed: Whether the evaluator lies in the workspace.
        proposals: Budget of the run.

    Raises:
        InputError: scikit-learn is not installed.
    """
    rng = np.random.default_rng(seed)
    pairs = list(itertools.combinations(range(10), 2))
    order = rng.permutation(len(pairs))
    suites = [_suite([pairs[i] for i in chosen], rng) for chosen in (order[:PUBLIC], order[PUBLIC : PUBLIC + HELD_OUT])]
    improver = json.dumps({"generation": 0, "parameters": list(SEED_PARAMETERS), "names": list(NAMES)}, indent=2)
    return write_task(
        directory,
        settings=_settings(seed, proposals),
        files={"improver.json": improver.encode() + b"\n"},
        evaluator={
            "evaluate.py": shipped("optimisers", "evaluate.py"),
            "suite.py": shipped("optimisers", "suite.py"),
            "strategy.py": (files("subcritical.loop.guests") / "strategy.py").read_bytes(),
        },
        exposed=exposed,
        public=suites[0],
        held_out=suites[1],
    )


def _suite(pairs: list[tuple[int, int]], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    items, labels = load_digits()
    problems = []
    for first, second in pairs:
        rows = rng.choice(np.flatnonzero((labels == first) | (labels == second)), size=ITEMS, replace=False)
        pixels = items[rows].astype(float) / 16.0
        centred = pixels - pixels.mean(axis=0)
        components = np.linalg.svd(centred, full_matrices=False)[2][:COMPONENTS]
        features = np.hstack([centred @ components.T, np.ones((ITEMS, 1))]) * SCALE
        signs = np.where(labels[rows] == first, 1.0, -1.0)
        problems.append((features, signs, _minimum(features, signs)))
    return {
        "features": np.array([features for features, _, _ in problems]),
        "signs": np.array([signs for _, signs, _ in problems]),
        "minimum": np.array([minimum for _, _, minimum in problems]),
    }


def _minimum(features: NDArray[Any], signs: NDArray[Any]) -> float:
    """Least loss of a strictly convex problem, to about 1e-12."""

    def value(weights: NDArray[Any]) -> float:
        return float(loss(weights[None, :], features, signs)[0])

    def slope(weights: NDArray[Any]) -> NDArray[Any]:
        wrong = special.expit(-signs * (features @ weights))
        gradient: NDArray[Any] = 2 * RIDGE * weights - features.T @ (signs * wrong) / len(signs)
        return gradient

    found = optimize.minimize(value, np.zeros(features.shape[1]), jac=slope, method="BFGS", options={"gtol": 1e-9})
    return float(found.fun)


def _settings(seed: int, proposals: int) -> dict[str, Any]:
    return {
        "system": "self-tuning-optimiser",
        "guest": {"kind": "self_tuning", "seed": seed},
        "workspace": "seed",
        "artifacts": [{"path": "improver.json", "is": "hyperparameter"}],
        "evaluate": {
            "isolation": "split",
            "preload": [],  # a candidate is numbers, not a program: its sandbox has nothing to import
            "public": "data/public.npz",
            "held_out": "data/held_out.npz",
            "timeout": "5s",
        },
        "limits": {"generations": proposals, "wall": "20m"},
        "oversight": {"review": "assumed"},
    }
