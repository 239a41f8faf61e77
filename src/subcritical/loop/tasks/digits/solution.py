"""The program that is evolved: a kernel vote among known digits, with settings nobody tuned."""

from __future__ import annotations

from typing import Any

import numpy as np

EXAMPLES = 40
PIXELS = 24
WIDTH = 1000.0
CLASSES = 10


def features(items: Any) -> Any:
    """The pixels of each item that the vote looks at."""
    return np.asarray(items, dtype=float)[:, :PIXELS]


def classify(train_items: Any, train_labels: Any, items: Any) -> Any:
    """Name the class of each item by the votes of the known ones, near ones counting more."""
    known = features(train_items[:EXAMPLES])
    asked = features(items)
    distances = np.square(known).sum(axis=1) - 2 * asked @ known.T
    nearness = np.exp(distances.min() / WIDTH - distances / WIDTH)
    votes = nearness @ np.eye(CLASSES)[train_labels[:EXAMPLES]]
    return votes.argmax(axis=1)
