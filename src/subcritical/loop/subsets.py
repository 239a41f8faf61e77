"""How a guest's choice of training data relates to what it is judged on.

The harness, not the guest, computes which training items nearly duplicate an evaluation item; the
guest only chooses weights.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from subcritical.errors import InputError
from subcritical.loop.loopfile import Training
from subcritical.schema import SubsetUse
from subcritical.stats import near_duplicates

_MAX_SUBSETS = 1000


class SubsetAudit:
    """Shares and overlaps of the training subsets of one loop.

    Args:
        split: The public split (`.npz`), read without pickle.
        training: Names of the arrays in it, and of the weights file in the workspace.

    Raises:
        InputError: An array is missing or has the wrong shape.
    """

    def __init__(self, split: Path, training: Training) -> None:
        """Find near-duplicates once; they do not change during a run."""
        self.weights_path = training.weights
        try:
            with np.load(split, allow_pickle=False) as arrays:
                items = np.asarray(arrays[training.items], dtype=float)
                subset = np.asarray(arrays[training.subset]).astype(str)
                evaluation = np.asarray(arrays[training.evaluation_items], dtype=float)
        except (KeyError, ValueError, OSError) as error:
            raise InputError(f"{split.name}: evaluate.training cannot be read: {error}") from error
        if len(items) != len(subset) or len(np.unique(subset)) > _MAX_SUBSETS:
            raise InputError(f"{split.name}: one subset name per training item, at most {_MAX_SUBSETS} subsets")
        duplicates = near_duplicates(items.reshape(len(items), -1), evaluation.reshape(len(evaluation), -1))
        names = np.unique(subset)
        self._size = {str(name): int(np.sum(subset == name)) for name in names}
        self._overlap = {str(name): float(np.mean(duplicates[subset == name])) for name in names}

    def uses(self, weights: bytes, reference: bytes) -> tuple[SubsetUse, ...]:
        """Shares of the training weight per subset, now and in the seed version.

        Args:
            weights: The proposed weights file: a JSON object, subset -> weight >= 0.
            reference: The same file of the seed version.

        Returns:
            One entry per subset; empty if the proposed file cannot be read as weights.
        """
        now, before = self._shares(weights), self._shares(reference)
        if now is None or before is None:
            return ()
        return tuple(
            SubsetUse(subset=name, weight=now[name], reference=before[name], overlap=self._overlap[name])
            for name in self._size
        )

    def _shares(self, data: bytes) -> dict[str, float] | None:
        """Share of the total training weight per subset: item weight times number of items."""
        try:
            weights = json.loads(data)
        except (ValueError, RecursionError):
            return None
        if not isinstance(weights, dict):
            return None
        weights = weights.get("weights", weights)
        if not isinstance(weights, dict):
            return None
        mass: dict[str, float] = {}
        for name, size in self._size.items():
            value = weights.get(name, 0.0)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                return None
            mass[name] = float(value) * size
        total = math.fsum(mass.values())
        return {name: value / total for name, value in mass.items()} if total > 0 else None
