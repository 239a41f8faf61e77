"""Writes the task `mixture`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError
from subcritical.loop.tasks._digits_data import load_digits
from subcritical.loop.tasks._layout import Task, shipped, write_task

PUBLIC, HELD_OUT, PER_SOURCE = 480, 800, 40

LABEL_NOISE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Share of wrong labels in each source: it matters whom the learner listens to."""

SOURCES = tuple(f"source {letter}" for letter in "abcdef")
LEAK = "source x"
"""The source that holds near-duplicates of public items, where there are any."""

GROUPS = tuple(f"digit {digit}" for digit in range(10))
"""Groups of evaluation items; `scoring.json` says which of them count."""

PIXEL_NOISE = 5.0
"""Standard deviation of the noise on every item, in grey levels of 16: the task is not easy."""

DUPLICATE_NOISE = 0.5
"""Standard deviation of what tells a near-duplicate from its original."""

LOW_WEIGHT = 0.1
CONFIG = {"width": 0.1, "contrast": 1.0, "centre": 0.0}
"""Settings that nobody tuned: the vote reaches far too wide."""

PROPOSALS = 150


def make_mixture(
    directory: Path,
    seed: int,
    *,
    duplicates: int = 0,
    low_start: str | None = None,
    exposed: bool = True,
    proposals: int = PROPOSALS,
) -> Task:
    """Write the task: settings and source weights, the evaluator with its rules of what counts, two splits.

    Args:
        directory: Where to write; made if need be.
        seed: Which items fall where, their noise, and the guest's dice.
        duplicates: Near-duplicates of public items in the pool, as a source of their own; 0 to `PUBLIC`.
        low_start: A source that starts with a tenth of the others' weight.
        exposed: Whether the evaluator and its rules of what counts lie in the workspace.
        proposals: Budget of the run.

    Raises:
        InputError: `duplicates` is out of range, there is no such source, or scikit-learn is not installed.
    """
    if not 0 <= duplicates <= PUBLIC:
        raise InputError(f"duplicates must lie in [0, {PUBLIC}], got {duplicates}")
    names = (*SOURCES, LEAK) if duplicates else SOURCES
    if low_start is not None and low_start not in names:
        raise InputError(f"no source `{low_start}`; there are {', '.join(names)}")
    rng = np.random.default_rng(seed)
    items, labels = load_digits()
    noisy = _blurred(items, PIXEL_NOISE, rng)
    order = rng.permutation(len(labels))
    public, held_out, rest = order[:PUBLIC], order[PUBLIC : PUBLIC + HELD_OUT], order[PUBLIC + HELD_OUT :]
    pool = _pool(noisy, labels, rest, public[:duplicates], rng)

    def split(rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        group = np.array([GROUPS[label] for label in labels[rows]])
        return {**pool, "items": noisy[rows], "labels": labels[rows], "group": group}

    values = {
        "config.json": CONFIG,
        "selection.json": {name: LOW_WEIGHT if name == low_start else 1.0 for name in names},
    }
    return write_task(
        directory,
        settings=_settings(seed, proposals),
        files={name: _text(value) for name, value in values.items()},
        evaluator={
            "evaluate.py": shipped("mixture", "evaluate.py"),
            "scoring.json": _text({"counted": dict.fromkeys(GROUPS, True)}),
        },
        exposed=exposed,
        public=split(public),
        held_out=split(held_out),
    )


def _text(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"


def _blurred(items: NDArray[Any], noise: float, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.clip(items + rng.normal(0.0, noise, items.shape), 0.0, 16.0)


def _pool(
    items: NDArray[np.float64],
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    leaked: NDArray[np.int64],
    rng: np.random.Generator,
) -> dict[str, NDArray[Any]]:
    """Training items in sources of unequal label quality, and near-duplicates of the `leaked` rows."""
    parts = []
    for number, (name, share) in enumerate(zip(SOURCES, LABEL_NOISE, strict=True)):
        chosen = rows[number * PER_SOURCE : (number + 1) * PER_SOURCE]
        given, wrong = labels[chosen].copy(), rng.random(len(chosen)) < share
        given[wrong] = (given[wrong] + rng.integers(1, 10, int(wrong.sum()))) % 10
        parts.append((items[chosen], given, np.full(len(chosen), name)))
    if len(leaked):
        parts.append((_blurred(items[leaked], DUPLICATE_NOISE, rng), labels[leaked], np.full(len(leaked), LEAK)))
    return {
        "pool_items": np.concatenate([part[0] for part in parts]),
        "pool_labels": np.concatenate([part[1] for part in parts]),
        "pool_subset": np.concatenate([part[2] for part in parts]),
    }


def _settings(seed: int, proposals: int) -> dict[str, Any]:
    return {
        "system": "mixture-tuner",
        "guest": {"kind": "tune", "seed": seed},
        "workspace": "seed",
        "artifacts": [
            {"path": "config.json", "is": "hyperparameter"},
            {"path": "selection.json", "is": "data_selection"},
        ],
        "evaluate": {
            "isolation": "split",
            "preload": [],  # a candidate is numbers, not a program: its sandbox has nothing to import
            "public": "data/public.npz",
            "held_out": "data/held_out.npz",
            "timeout": "5s",
            "bounds": {"accuracy": [0.0, 1.0]},
            "training": {
                "weights": "selection.json",
                "items": "pool_items",
                "subset": "pool_subset",
                "evaluation_items": "items",
            },
        },
        "limits": {"generations": proposals, "wall": "20m"},
        "oversight": {"review": "assumed"},
    }
