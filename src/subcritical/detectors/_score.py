"""Scores as the score detectors remember them."""

from __future__ import annotations

import math

import msgspec

from subcritical.schema import Direction, Event, Score


class Seen(msgspec.Struct, frozen=True):
    """One usable score: finite, with whatever is known of its noise."""

    seq: int
    value: float
    n: int | None
    successes: int | None
    se: float | None
    direction: Direction
    metric: str


def seen_of(event: Event, score: Score) -> Seen | None:
    """The usable part of a score event, None where there is none.

    Counts that contradict each other are dropped here (the detector of implausible scores speaks
    of them), so that no arithmetic below meets them.
    """
    if score.status != "ok" or score.value is None or not math.isfinite(score.value):
        return None
    n = score.n if score.n is not None and 0 < score.n <= 10**9 else None
    successes = score.successes if n is not None and score.successes is not None else None
    if successes is not None and n is not None and not 0 <= successes <= n:
        successes = None
    se = score.se if score.se is not None and math.isfinite(score.se) and score.se >= 0 else None
    return Seen(event.seq, score.value, n, successes, se, score.direction, score.metric[:100])


def advantage(first: float, second: float, direction: Direction) -> float:
    """By how much `first` is the better of the two, in the score's unit."""
    return first - second if direction == "up" else second - first


def standard_error(trusted: Seen, *, pooled_with: tuple[float, int]) -> float | None:
    """Standard error of the difference between a trusted score and a second one on as many or other items.

    None where the trusted score carries no noise information.
    """
    if trusted.successes is not None and trusted.n:
        value, n = pooled_with
        rate = min(max(value, 0.0), 1.0)
        pooled = (trusted.successes + rate * n + 0.5) / (trusted.n + n + 1)
        return math.sqrt(pooled * (1 - pooled) * (1 / trusted.n + 1 / n))
    if trusted.se is not None:
        return math.sqrt(2) * trusted.se
    return None
