"""Forecast of a binomial score a few rounds ahead, mixed over how fast its slope may change.

One local linear trend for each assumed variance of the slope; each is weighted by how well it foretold
the rounds so far, older rounds counting less. What it cannot see: a slope that jumps several-fold between
two rounds is only known once rounds on it have been seen.
"""

from __future__ import annotations

import math

import msgspec
from scipy import special

from subcritical.errors import InputError
from subcritical.stats.trend import TrendSettings, TrendState, trend_predict, trend_start, trend_step

SLOPE_DRIFTS = (1e-6, 1e-5, 1e-4)
"""Variances of the slope's change per round, (logits per round) squared."""

LEVEL_DRIFT = 1e-5
SLOPE_SD = 0.05
BURN_IN = 12
"""Rounds before a forecast means anything."""

FORGETTING = 0.98
HORIZON_MAX = 1000
_SETTINGS = tuple(
    TrendSettings(slope_sd=SLOPE_SD, level_drift=LEVEL_DRIFT, slope_drift=drift) for drift in SLOPE_DRIFTS
)


class Anticipation(msgspec.Struct, frozen=True):
    """State after some rounds: one trend per hypothesis, and their log weights."""

    trends: tuple[TrendState, ...]
    log_weights: tuple[float, ...]
    rounds: int

    @property
    def weights(self) -> tuple[float, ...]:
        """Posterior weights, summing to 1."""
        top = max(self.log_weights)
        raw = [math.exp(one - top) for one in self.log_weights]
        return tuple(one / sum(raw) for one in raw)

    def after(self, successes: float, n: float, *, dispersion: float = 1.0) -> Anticipation:
        """The state with one more round.

        Args:
            successes: In [0, n].
            n: Items, > 0.
            dispersion: Overdispersion, >= 1.

        Raises:
            InputError: A value is out of range.
        """
        steps = [
            trend_step(trend, successes, n, settings, dispersion=dispersion)
            for trend, settings in zip(self.trends, _SETTINGS, strict=True)
        ]
        kept = [FORGETTING * old + step.log_predictive for old, step in zip(self.log_weights, steps, strict=True)]
        top = max(kept)
        return Anticipation(tuple(step.state for step in steps), tuple(one - top for one in kept), self.rounds + 1)

    def ahead(self, rounds: int) -> tuple[tuple[float, float, float], ...]:
        """(weight, mean, variance) of the level so many rounds ahead, per hypothesis; logits.

        Raises:
            InputError: rounds is not in [1, 1000].
        """
        if not 1 <= rounds <= HORIZON_MAX:
            raise InputError(f"a forecast of {rounds} rounds; give between 1 and {HORIZON_MAX}")
        found = []
        for weight, trend, settings in zip(self.weights, self.trends, _SETTINGS, strict=True):
            state = trend
            for _ in range(rounds):
                state = trend_predict(state, settings)
            found.append((weight, state.level, state.p00))
        return tuple(found)

    def above(self, threshold: float) -> float:
        """P(the level is above `threshold` now); logits."""
        return sum(
            weight * float(special.ndtr((trend.level - threshold) / math.sqrt(trend.p00)))
            for weight, trend in zip(self.weights, self.trends, strict=True)
        )

    def crossing(self, threshold: float, rounds: int) -> float:
        """P(the level is above `threshold` at one of the next `rounds` rounds), from below.

        The largest of the single rounds' probabilities: a lower bound of the joint one, and near it while the
        level rises.

        Args:
            threshold: Logits.
            rounds: In [1, 1000].
        """
        return max(
            sum(
                weight * float(special.ndtr((mean - threshold) / math.sqrt(variance)))
                for weight, mean, variance in self.ahead(one)
            )
            for one in range(1, rounds + 1)
        )

    def quantile(self, share: float, rounds: int) -> float:
        """The level's quantile `share` in (0, 1), so many rounds ahead; logits."""
        if not 0.0 < share < 1.0:
            raise InputError(f"quantile {share} must lie in (0, 1)")
        parts = self.ahead(rounds)
        low = min(mean - 10 * math.sqrt(variance) for _, mean, variance in parts)
        high = max(mean + 10 * math.sqrt(variance) for _, mean, variance in parts)
        for _ in range(60):
            middle = (low + high) / 2
            below = sum(w * float(special.ndtr((middle - mean) / math.sqrt(v))) for w, mean, v in parts)
            low, high = (middle, high) if below < share else (low, middle)
        return (low + high) / 2


def anticipate(successes: float, n: float) -> Anticipation:
    """State after the first round.

    Raises:
        InputError: Counts out of range.

    Source: West & Harrison 1997, chapter 12 (mixtures of dynamic models); the binomial step is `trend_step`.
    """
    return Anticipation(
        tuple(trend_start(successes, n, settings) for settings in _SETTINGS), (0.0,) * len(_SETTINGS), 1
    )
