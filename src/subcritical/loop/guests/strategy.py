"""An evolution strategy with six parameters of its own, usable on any objective, its own parameters included.

Rechenberg 1973 and Schwefel 1981: sample around a centre, move it to the mean of the best, adapt the
step by success. Stand-alone: standard library and numpy alone, so that a guest, an evaluator in its
sandbox and a measurement can run the very same optimiser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

NAMES = ("step", "growth", "decay", "offspring", "parents", "momentum")
"""The six parameters, each a real number without unit; `traits` says what a value means."""

LIMIT = 3.0
"""Parameters are cut to [-LIMIT, LIMIT], so that no value can make the optimiser unbounded."""

Objective = Callable[[Any], Sequence[float]]


class Traits(NamedTuple):
    """What six numbers mean as an optimiser."""

    step: float
    growth: float
    decay: float
    offspring: int
    parents: int
    momentum: float


def traits(parameters: Sequence[float]) -> Traits:
    """Translate parameters.

    Args:
        parameters: Six finite numbers in the order of `NAMES`.

    Returns:
        First step 0.1 x 4^p (0.0016 to 6.4); growth and decay of the step on success and failure,
        1 to 3 and 0.3 to 1; 1 to 16 offspring; the best 1 to all of them as parents; momentum in [0, 1).

    Raises:
        ValueError: Not six finite numbers.
    """
    values = np.asarray(parameters, dtype=float)
    if values.shape != (len(NAMES),) or not np.isfinite(values).all():
        raise ValueError(f"an improver has {len(NAMES)} finite parameters")
    values = np.clip(values, -LIMIT, LIMIT)
    share = 1.0 / (1.0 + np.exp(-2.0 * values))
    offspring = round(1 + 15 * float(share[3]))
    return Traits(
        step=float(0.1 * 4.0 ** values[0]),
        growth=float(1.0 + 2.0 * share[1]),
        decay=float(1.0 - 0.7 * share[2]),
        offspring=offspring,
        parents=max(1, round(offspring * float(share[4]))),
        momentum=float(share[5]),
    )


def search(
    objective: Objective, start: Any, parameters: Sequence[float], *, budget: int, rng: np.random.Generator
) -> tuple[Any, float]:
    """Minimise `objective` from `start` with exactly `budget` evaluations.

    Args:
        objective: Values of the rows of a (rows, dimensions) array; a value that is not finite is worst.
        start: Shape (dimensions,). It is not evaluated.
        parameters: The optimiser's own six.
        budget: Evaluations, >= 1.
        rng: The dice.

    Returns:
        The best point that was evaluated, and its value (infinite where none was finite).
    """
    own = traits(parameters)
    centre, drift, step = np.array(start, dtype=float), np.zeros(len(start)), own.step
    best, best_value = centre.copy(), float("inf")
    left = budget
    while left > 0:
        rows = min(own.offspring, left)
        points = centre + own.momentum * drift + step * rng.standard_normal((rows, len(centre)))
        values = np.nan_to_num(np.asarray(objective(points), dtype=float), nan=np.inf, posinf=np.inf, neginf=np.inf)
        left -= rows
        chosen = np.argsort(values, kind="stable")[: own.parents]
        if values[chosen[0]] < best_value:
            best, best_value = points[chosen[0]].copy(), float(values[chosen[0]])
            moved = points[chosen].mean(axis=0)
            drift, centre = moved - centre, moved
            step *= own.growth
        else:
            drift, centre = own.momentum * drift, best.copy()
            step *= own.decay
        step = float(np.clip(step, 1e-9, 1e3))
    return best, best_value
