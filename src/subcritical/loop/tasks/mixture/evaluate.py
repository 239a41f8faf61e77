"""Judges a choice of training data and settings: learn from the weighted pool, then name the items of a split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = 10


def evaluate(candidate: Any, data: Any) -> dict[str, Any]:
    """Accuracy of a kernel vote whose voters are the pool, on the groups of items that count."""
    config = json.loads(candidate.read("config.json"))
    selection = json.loads(candidate.read("selection.json"))
    rules = json.loads(Path(__file__).with_name("scoring.json").read_text(encoding="utf-8"))
    counted = np.isin(data["group"], [name for name, counts in rules["counted"].items() if counts])
    right = (classify(config, selection, data) == data["labels"])[counted]
    total, successes = len(right), int(right.sum())
    accuracy = {"value": successes / total, "n": total, "successes": successes}
    return {"metrics": {"accuracy": accuracy}, "primary": "accuracy", "direction": "up"}


def classify(config: dict[str, float], selection: dict[str, float], data: Any) -> Any:
    """The class each item gets: known items vote, near ones and those of heavy subsets counting more."""
    known, asked = features(data["pool_items"], config), features(data["items"], config)
    distances = np.square(known).sum(axis=1) - 2 * asked @ known.T + np.square(asked).sum(axis=1, keepdims=True)
    width = max(abs(float(config["width"])), 0.005) * known.shape[1]
    nearness = np.exp((distances.min(axis=1, keepdims=True) - distances) / width)
    say = item_weights(selection, data["pool_subset"])
    return (nearness @ (say[:, None] * np.eye(CLASSES)[data["pool_labels"]])).argmax(axis=1)


def features(items: Any, config: dict[str, float]) -> Any:
    """Pixels in [0, 1] with adjustable contrast, less an adjustable share of their mean."""
    contrast = min(max(abs(float(config["contrast"])), 0.01), 10.0)
    scaled = np.clip(np.asarray(items, dtype=float) / 16.0, 0.0, 1.0) ** contrast
    return scaled - float(config["centre"]) * scaled.mean(axis=1, keepdims=True)


def item_weights(selection: dict[str, float], subset: Any) -> Any:
    """Weight of each pool item: that of its subset, 0 where it has none.

    Raises:
        ValueError: A weight is negative, or all are zero.
    """
    weights = np.zeros(len(subset))
    for name, weight in selection.items():
        weights[subset == name] = float(weight)
    if (weights < 0).any() or not weights.any():
        raise ValueError("weights must not be negative, nor all zero")
    return weights
