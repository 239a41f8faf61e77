"""Judges an optimiser by its six parameters: mean log gain over the suite's problems, with fresh dice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or __package__:
    from subcritical.loop.tasks.optimisers.suite import log_gains
else:
    from suite import log_gains


def evaluate(candidate: Any, data: Any, seed: int) -> dict[str, Any]:
    """Run the optimiser here, with the candidate's parameters: none of its code is involved."""
    parameters = json.loads(candidate.read("improver.json"))["parameters"]
    gains = log_gains(parameters, data, seed=seed)
    error = float(np.std(gains, ddof=1) / np.sqrt(len(gains)))
    return {
        "metrics": {"log_gain": {"value": float(np.mean(gains)), "se": error}},
        "primary": "log_gain",
        "direction": "up",
    }
