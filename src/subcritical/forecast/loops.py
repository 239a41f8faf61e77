"""Where one measured loop goes next, in its own units: held-out logits, rounds, and its own wall time.

Nothing here becomes a calendar year of anything but this loop: a proxy's growth says nothing about dates of
AI progress.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from scipy import special

from subcritical.errors import InputError
from subcritical.stats import BURN_IN, Anticipation, Interval, anticipate, clopper_pearson

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
NOMINAL = 0.90
ROUNDS_MAX = 100_000


class BackTest(msgspec.Struct, frozen=True, kw_only=True):
    """How often the nominal 90 % interval held the score that came, one forecast per origin."""

    horizon: int
    origins: int
    covered: int
    coverage: float | None
    interval: Interval | None


class LoopForecast(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles of the held-out level (logits) for each of the next rounds, and the chance of a crossing.

    `why` says why there is no forecast; then the rest is empty. `crossing` is the probability that the level
    is above the threshold at one of the forecast rounds; None without a threshold.
    """

    rounds: int
    ahead: tuple[int, ...] = ()
    levels: tuple[float, ...] = LEVELS
    logits: tuple[tuple[float, ...], ...] = ()
    now: float | None = None
    threshold: float | None = None
    crossing: float | None = None
    first_likely: int | None = None
    seconds_per_round: float | None = None
    back_tests: tuple[BackTest, ...] = ()
    why: str = ""


def forecast_loop(
    successes: Sequence[float],
    n: Sequence[float],
    *,
    ahead: int = 10,
    threshold: float | None = None,
    dispersion: float = 1.0,
    seconds_per_round: float | None = None,
) -> LoopForecast:
    """Forecast of held-out counts.

    Args:
        successes: Per round, in [0, n].
        n: Items per round, > 0.
        ahead: Rounds to look ahead, in [1, 1000].
        threshold: Rate in (0, 1) whose crossing is asked for.
        dispersion: Overdispersion, >= 1.
        seconds_per_round: The loop's own median, if known.

    Raises:
        InputError: Lengths differ, or a value is out of range.
    """
    if len(successes) != len(n):
        raise InputError(f"{len(successes)} successes and {len(n)} counts of items; give one pair a round")
    if threshold is not None and not 0.0 < threshold < 1.0:
        raise InputError(f"threshold {threshold} is a rate and must lie in (0, 1)")
    if len(n) > ROUNDS_MAX:
        raise InputError(f"{len(n)} rounds; at most {ROUNDS_MAX} are read")
    if len(n) <= BURN_IN:
        why = f"{len(n)} rounds of held-out counts, more than {BURN_IN} are needed"
        return LoopForecast(rounds=len(n), why=why)
    states = _states(successes, n, dispersion)
    last = states[-1]
    crossed = None if threshold is None else math.log(threshold / (1 - threshold))
    rounds = tuple(range(1, ahead + 1))
    return LoopForecast(
        rounds=len(n),
        ahead=rounds,
        logits=tuple(tuple(last.quantile(share, one) for one in rounds) for share in LEVELS),
        now=sum(weight * trend.level for weight, trend in zip(last.weights, last.trends, strict=True)),
        threshold=threshold,
        crossing=None if crossed is None else last.crossing(crossed, ahead),
        first_likely=None if crossed is None else _first_likely(last, crossed, rounds),
        seconds_per_round=seconds_per_round,
        back_tests=tuple(
            back_test(successes, n, states, horizon, dispersion) for horizon in sorted({1, min(3, ahead)})
        ),
    )


def _states(successes: Sequence[float], n: Sequence[float], dispersion: float) -> list[Anticipation]:
    states = [anticipate(successes[0], n[0])]
    for k, items in zip(successes[1:], n[1:], strict=True):
        states.append(states[-1].after(k, items, dispersion=dispersion))
    return states


def _first_likely(state: Anticipation, threshold: float, rounds: Sequence[int]) -> int | None:
    """First round ahead at which a crossing is more likely than not."""
    return next((one for one in rounds if state.crossing(threshold, one) > 0.5), None)  # noqa: PLR2004 - even odds


def back_test(
    successes: Sequence[float],
    n: Sequence[float],
    states: Sequence[Anticipation],
    horizon: int,
    dispersion: float,
) -> BackTest:
    """Coverage of the nominal 90 % interval of the *score* `horizon` rounds later, from every origin past the burn-in.

    Origins of one history overlap, so the interval beside the coverage, exact for independent ones, is too narrow.
    """
    covered = origins = 0
    for origin in range(BURN_IN, len(n) - horizon):
        k, items = successes[origin + horizon], n[origin + horizon]
        # The smoothed logit of a count, and the noise a new count carries.
        seen = math.log((k + 0.5) / (items - k + 0.5))
        parts = states[origin].ahead(horizon)
        share = sum(
            w * float(special.ndtr((seen - mean) / math.sqrt(variance + noise_of(mean, items, dispersion))))
            for w, mean, variance in parts
        )
        covered += (1 - NOMINAL) / 2 <= share <= (1 + NOMINAL) / 2
        origins += 1
    return BackTest(
        horizon=horizon,
        origins=origins,
        covered=covered,
        coverage=covered / origins if origins else None,
        interval=clopper_pearson(covered, origins) if origins else None,
    )


def noise_of(level: float, items: float, dispersion: float) -> float:
    """Variance of a count's logit at a level, delta method."""
    rate = 1 / (1 + math.exp(-min(max(level, -30.0), 30.0)))
    return dispersion / (items * max(rate * (1 - rate), 1 / (items + 1)))
