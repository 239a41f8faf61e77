"""How good an optimiser is: how far it gets on a suite of fitting problems with a fixed budget.

Each problem is the regularised logistic regression that tells two digits apart, from real images. Its
minimum is known, so what is left of the gap can be measured.
Stand-alone: it runs inside the evaluation sandbox and imports the standard library and numpy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or __package__:
    from subcritical.loop.guests.strategy import search
else:
    from strategy import search

BUDGET = 120
"""Evaluations an optimiser has on each problem."""

RIDGE = 0.01
GAP_LEAST = 1e-9


def loss(weights: Any, features: Any, signs: Any) -> Any:
    """Regularised logistic loss, in nats.

    Args:
        weights: Shape (rows, dimensions).
        features: Shape (items, dimensions).
        signs: Shape (items,), -1 or 1.
    """
    margins = (weights @ features.T) * signs
    return np.logaddexp(0.0, -margins).mean(axis=1) + RIDGE * np.square(weights).sum(axis=1)


def log_gains(parameters: Sequence[float], suite: Any, *, seed: int) -> Any:
    """Natural logarithm of (gap at the start / gap at the best point found) on each problem.

    Args:
        parameters: The optimiser's six.
        suite: Arrays `features` (problems, items, dimensions), `signs` (problems, items), `minimum` (problems,).
        seed: The dice of the optimiser.

    Returns:
        Shape (problems,): 0 is no progress; it can be negative, since the start is not handed in.

    Raises:
        ValueError: The parameters are not six finite numbers.
    """
    gains = []
    for number, (features, signs, minimum) in enumerate(
        zip(suite["features"], suite["signs"], suite["minimum"], strict=True)
    ):
        start = np.zeros(features.shape[1])
        rng = np.random.default_rng([seed, number])
        _, found = search(_objective(features, signs), start, parameters, budget=BUDGET, rng=rng)
        at_start = float(loss(start[None, :], features, signs)[0])
        gains.append(np.log((at_start - minimum) / max(found - minimum, GAP_LEAST)))
    return np.array(gains)


def _objective(features: Any, signs: Any) -> Callable[[Any], Any]:
    return lambda points: loss(points, features, signs)
