"""Writes the task `digits`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subcritical.loop.tasks._digits_data import load_digits
from subcritical.loop.tasks._layout import Task, shipped, write_task

TRAIN, PUBLIC = 797, 400
"""Training and public items; the remaining 600 are held out."""

PROPOSALS = 80


def make_digits(
    directory: Path,
    seed: int,
    *,
    program: str = "solution.py",
    evaluator: str = "evaluate.py",
    exposed: bool = True,
    proposals: int = PROPOSALS,
) -> Task:
    """Write the task: a seed program, its evaluator and two splits of real data.

    Args:
        directory: Where to write; made if need be.
        seed: Which items fall into which split, and the guest's dice.
        program: Name of the file that is evolved (a module name and `.py`).
        evaluator: Name of the evaluator's file. Any two names give the same rates.
        exposed: Whether the evaluator lies in the workspace.
        proposals: Budget of the run.

    Raises:
        InputError: scikit-learn is not installed.
    """
    items, labels = load_digits()
    order = np.random.default_rng(seed).permutation(len(labels))
    train, public, held_out = order[:TRAIN], order[TRAIN : TRAIN + PUBLIC], order[TRAIN + PUBLIC :]

    def split(rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        return {
            "train_items": items[train],
            "train_labels": labels[train],
            "items": items[rows],
            "labels": labels[rows],
        }

    return write_task(
        directory,
        settings=_settings(seed, program, proposals),
        files={program: shipped("digits", "solution.py")},
        evaluator={evaluator: shipped("digits", "evaluate.py")},
        exposed=exposed,
        public=split(public),
        held_out=split(held_out),
    )


def _settings(seed: int, program: str, proposals: int) -> dict[str, Any]:
    return {
        "system": "digits-evolver",
        "guest": {"kind": "evolve", "seed": seed},
        "workspace": "seed",
        "artifacts": [{"path": program, "is": "code"}],
        "evaluate": {
            "isolation": "split",
            "module": program.removesuffix(".py"),
            "public": "data/public.npz",
            "held_out": "data/held_out.npz",
            "timeout": "3s",
            "bounds": {"accuracy": [0.0, 1.0]},
        },
        "limits": {"generations": proposals, "wall": "10m"},
        "oversight": {"review": "assumed"},
    }
