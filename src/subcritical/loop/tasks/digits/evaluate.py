"""Judges a classifier: the share of items that it names correctly."""

from __future__ import annotations

from typing import Any

import numpy as np


def evaluate(candidate: Any, data: Any) -> dict[str, Any]:
    """Accuracy of the candidate's `classify` on the items of one split."""
    answers = candidate.call("classify", data["train_items"], data["train_labels"], data["items"])
    labels = data["labels"]
    total = len(labels)
    right = int(np.sum(np.asarray(answers) == labels))
    accuracy = {"value": right / total, "n": total, "successes": right}
    return {"metrics": {"accuracy": accuracy}, "primary": "accuracy", "direction": "up"}
