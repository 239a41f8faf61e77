"""Sequential tests whose threshold is a guarantee: run length to a false alarm at least A, without calibration.

`TrendSR` mixes jump hypotheses over one trend (Shiryaev-Roberts form); its guarantee holds under its own prior,
whose slope drift is therefore part of it and is stated. `BettingSR` needs no model beyond a declared largest slope
and pays for that in delay. Sources: Shiryaev 1963; Roberts 1966; Shin, Ramdas & Rinaldo 2022 (e-detectors);
Waudby-Smith & Ramdas 2024 (betting).
"""

from __future__ import annotations

import math

import msgspec

from subcritical.errors import InputError
from subcritical.stats.trend import (
    TrendSettings,
    TrendState,
    TrendStep,
    logistic,
    trend_predict,
    trend_start,
    trend_step,
    trend_step_gaussian,
)

FIRST = 8
"""Rounds before which nothing is reported."""

RING = 40
JUMP_SD = 0.7
RUN_LENGTH = 1000.0
EXPONENT_MAX = 300.0
FIRST_ERROR = 0.2
BETS = (0.25, 0.5, 1.0)
_BET_TREND = TrendSettings(slope_sd=0.05, level_drift=1e-4, slope_drift=1e-7)
_SR_TREND = TrendSettings(slope_sd=0.05, level_drift=2e-5, slope_drift=1e-6)


class Alarm(msgspec.Struct, frozen=True):
    """The statistic of a round (log of an e-detector) against its threshold ln A."""

    statistic: float
    threshold: float

    @property
    def fires(self) -> bool:
        """Whether the threshold was reached."""
        return self.statistic >= self.threshold


class _Jump(msgspec.Struct):
    """One hypothesis: the level jumped when this filter was spawned."""

    state: TrendState
    log_ratio: float


class TrendSR:
    """Trend Bayes e-detector for upward jumps of a binomial score.

    Args:
        run_length: A, rounds to a false alarm guaranteed under the model, > 1.
        settings: The null's variances; the guarantee is about these.
        dispersion: Overdispersion of the counts, >= 1.
        ring: Jump ages looked at, in rounds.

    Cost: O(ring) per round, memory constant.
    """

    def __init__(
        self,
        *,
        run_length: float = RUN_LENGTH,
        settings: TrendSettings = _SR_TREND,
        dispersion: float = 1.0,
        ring: int = RING,
    ) -> None:
        """Refuse settings that mean nothing.

        Raises:
            InputError: A value is out of range.
        """
        if not (run_length > 1 and ring >= 1 and dispersion >= 1):
            given = f"run length {run_length}, ring {ring}, dispersion {dispersion}"
            raise InputError(f"{given}: the first must be above 1, the others at least 1")
        self._threshold = math.log(run_length)
        self._settings, self._dispersion, self._ring = settings, dispersion, ring
        self._null: TrendState | None = None
        self._jumps: list[_Jump | None] = [None] * ring
        self._rounds = 0

    def after(self, successes: float, n: float) -> Alarm:
        """Advance by one round.

        Raises:
            InputError: Counts out of range.
        """
        self._rounds += 1
        if self._null is None:
            self._null = self._start(successes, n)
            return Alarm(-math.inf, self._threshold)
        null = self._step(self._null, successes, n)
        for jump in self._jumps:
            if jump is not None:
                self._advance(jump, successes, n, null)
        # The null as it was, with a level that may jump now: its own step then predicts and updates it.
        fresh = _Jump(_wider(self._null, JUMP_SD), 0.0)
        self._advance(fresh, successes, n, null)
        self._jumps[self._rounds % self._ring] = fresh
        self._null = null.state
        return Alarm(self._statistic() if self._rounds >= FIRST else -math.inf, self._threshold)

    def _start(self, successes: float, n: float) -> TrendState:
        return trend_start(successes, n, self._settings)

    def _step(self, state: TrendState, successes: float, n: float) -> TrendStep:
        return trend_step(state, successes, n, self._settings, dispersion=self._dispersion)

    def _advance(self, jump: _Jump, successes: float, n: float, null: TrendStep) -> None:
        step = self._step(jump.state, successes, n)
        jump.state = step.state
        jump.log_ratio += step.log_predictive - null.log_predictive

    def _statistic(self) -> float:
        level = self._null.level if self._null is not None else 0.0
        total = sum(
            math.exp(min(jump.log_ratio, EXPONENT_MAX))
            for jump in self._jumps
            if jump is not None and jump.state.level > level
        )
        return math.log(total) if total > 0 else -math.inf


class GaussianTrendSR(TrendSR):
    """The same for values with standard errors: `after(value, se)`.

    The first standard error sets the unit: it counts as 0.2, about that of a rate of 100 items on the logit scale, so
    that the variances and the jump's prior (3.5 standard errors) mean what they mean there. `dispersion` multiplies
    every variance.
    """

    _unit = 0.0

    def _start(self, value: float, se: float) -> TrendState:
        if not (math.isfinite(value) and math.isfinite(se) and se > 0):
            raise InputError(f"value {value} must be finite and its standard error {se} positive")
        self._unit = FIRST_ERROR / se
        return TrendState(value * self._unit, 0.0, FIRST_ERROR**2 * self._dispersion, 0.0, self._settings.slope_sd**2)

    def _step(self, state: TrendState, value: float, se: float) -> TrendStep:
        variance = (se * self._unit) ** 2 * self._dispersion
        return trend_step_gaussian(state, value * self._unit, variance, self._settings)


def _wider(state: TrendState, jump_sd: float) -> TrendState:
    """The state with a level that may have jumped."""
    return TrendState(state.level, state.slope, state.p00 + jump_sd**2, state.p01, state.p11)


class BettingSR:
    """Betting e-detector: against any score whose logit rises by at most `slope` a round over its own trend's level.

    Args:
        slope: The declared largest slope, logits per round, >= 0.
        run_length: A, > 1.

    The bound is on the mean alone: run-to-run noise larger than binomial does not break it, a slope above the
    declared one does. Cost: O(1) per round.
    """

    def __init__(self, slope: float, *, run_length: float = RUN_LENGTH) -> None:
        """Refuse settings that mean nothing.

        Raises:
            InputError: A value is out of range.
        """
        if not (math.isfinite(slope) and slope >= 0 and run_length > 1):
            raise InputError(f"slope {slope} must not be negative and run length {run_length} must be above 1")
        self._slope, self._threshold = slope, math.log(run_length)
        self._trend: TrendState | None = None
        self._wealth = [0.0] * len(BETS)
        self._rounds = 0

    def after(self, successes: float, n: float) -> Alarm:
        """Advance by one round.

        Raises:
            InputError: Counts out of range.
        """
        self._rounds += 1
        if self._trend is None:
            self._trend = trend_start(successes, n, _BET_TREND)
            return Alarm(-math.inf, self._threshold)
        level = trend_predict(self._trend, _BET_TREND).level + self._slope
        bound = min(max(logistic(level), 1e-9), 1 - 1e-9)
        for index, size in enumerate(BETS):
            gain = logistic(level + size) - bound
            variance = bound * (1 - bound) / n
            stake = min(max(gain / (variance + gain * gain), 0.0), 0.9 / bound)
            self._wealth[index] = (self._wealth[index] + 1) * (1 + stake * (successes / n - bound))
            self._wealth[index] = min(self._wealth[index], 1e300)
        self._trend = trend_step(self._trend, successes, n, _BET_TREND).state
        mean = sum(self._wealth) / len(BETS)
        seen = math.log(mean) if mean > 0 and self._rounds >= FIRST else -math.inf
        return Alarm(seen, self._threshold)
