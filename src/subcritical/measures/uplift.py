"""How much faster work goes with a system than without it, on the same tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from subcritical.errors import InputError
from subcritical.measures._score import cannot, check_level
from subcritical.schema import Measurement

PAIRS_MIN = 3
_METHOD = "geometric mean of paired time ratios, t interval on the logs"


def uplift(without: Sequence[float], with_system: Sequence[float], *, coverage: float = 0.95) -> Measurement:
    """Time without over time with, task by task.

    Args:
        without: Times without the system, > 0.
        with_system: Times with it on the same tasks, in order, > 0.
        coverage: Of the interval, in (0, 1).

    Returns:
        `uplift`, a factor (above 1: faster with the system); None with the reason below three pairs.

    Raises:
        InputError: Lengths differ or a time is not positive.
    """
    check_level(coverage)
    if len(without) != len(with_system):
        raise InputError(f"{len(without)} and {len(with_system)} times; uplift needs one pair a task")
    if not all(math.isfinite(x) and x > 0 for x in (*without, *with_system)):
        raise InputError("times must be finite and positive")
    n = len(without)
    if n < PAIRS_MIN:
        why = f"{n} pairs, {PAIRS_MIN} are needed"
        return cannot("uplift", why, unit="factor", method=_METHOD, level=coverage, n=n)
    logs = np.log(np.array(without) / np.array(with_system))
    half = float(special.stdtrit(n - 1, (1 + coverage) / 2)) * float(logs.std(ddof=1)) / math.sqrt(n)
    middle = float(logs.mean())
    return Measurement(
        name="uplift",
        estimate=math.exp(middle),
        low=math.exp(middle - half),
        high=math.exp(middle + half),
        level=coverage,
        unit="factor",
        method=_METHOD,
        n=n,
    )
