"""Usable scores for measures."""

from __future__ import annotations

import math

from subcritical.errors import InputError
from subcritical.schema import Measurement, Score


def counts(score: Score) -> tuple[int, int] | None:
    """(better items, n) of a score on countable items, None where it is not one."""
    n, successes = score.n, score.successes
    if score.status != "ok" or n is None or successes is None or n <= 0 or not 0 <= successes <= n:
        return None
    return (successes, n) if score.direction == "up" else (n - successes, n)


def noisy(score: Score) -> tuple[float, float] | None:
    """(value with better upwards, standard error) of a score, None where the noise is unknown."""
    pair = counts(score)
    if pair is not None:
        rate = pair[0] / pair[1]
        smooth = (pair[0] + 0.5) / (pair[1] + 1)
        return rate, math.sqrt(smooth * (1 - smooth) / pair[1])
    if score.status != "ok" or score.value is None or score.se is None:
        return None
    if not (math.isfinite(score.value) and math.isfinite(score.se) and score.se >= 0):
        return None
    return (score.value if score.direction == "up" else -score.value), score.se


def check_level(level: float) -> None:
    """Raise InputError unless `level` is a coverage in (0, 1)."""
    if not 0.0 < level < 1.0:
        raise InputError(f"level {level} must lie in (0, 1)")


def cannot(name: str, why: str, *, unit: str, method: str, level: float, n: int = 0) -> Measurement:
    """'Cannot tell', with its reason."""
    return Measurement(
        name=name, estimate=None, low=None, high=None, level=level, unit=unit, method=method, n=n, why=why
    )
