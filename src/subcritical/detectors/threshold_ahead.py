"""A threshold is likely to be crossed before the next expected review, or has been."""

from __future__ import annotations

import math
from typing import ClassVar

import msgspec

from subcritical.detectors._score import seen_of
from subcritical.detectors._stream import PerRun, reads, worth_saying
from subcritical.detectors.protocol import DetectorSettings
from subcritical.schema import Event, Finding, Score, Severity, Split
from subcritical.stats import BURN_IN, Anticipation, anticipate, binomial_upper_tail

SERIES_MAX = 8
_EVEN = 0.5
_ALONE = 0.01


class ThresholdAheadSettings(DetectorSettings, frozen=True, kw_only=True):
    """A rate in (0, 1) that must not be crossed unseen, and how far ahead is looked.

    `review_rounds` accepted versions until the next expected review; a finding from `probability` on.
    `dispersion` is a known overdispersion of the counts, at least 1.
    """

    threshold: float | None = None
    review_rounds: int = 3
    probability: float = 0.2
    dispersion: float = 1.0


class AheadState(msgspec.Struct):
    """Per run: one forecast for each metric, the last version seen, and how often each thing was due to be said."""

    forecasts: dict[str, Anticipation] = {}
    trees: dict[str, str] = {}
    rounds: int = 0
    likely: int = 0
    crossed: int = 0


class ThresholdAhead(PerRun[AheadState, ThresholdAheadSettings]):
    """Forecasts held-out counts, mixed over how fast their slope may change, and compares with a threshold.

    The level trip behind it needs no forecast: a level that is more likely above the threshold than not, or
    one score that is clearly above it, is a finding too. That is what is left where the slope jumps.
    """

    id = "threshold_ahead"
    techniques = ("RSI-T0900",)
    docs = "detectors/threshold_ahead.md"
    kinds = reads(Score)
    Settings: ClassVar[type[ThresholdAheadSettings]] = ThresholdAheadSettings

    def new(self) -> AheadState:
        """No series."""
        return AheadState()

    def starved(self, state: AheadState) -> str:
        """Too few rounds for a forecast. Without a threshold nobody asked for one."""
        if self._threshold() is None or state.rounds > BURN_IN:
            return ""
        return f"{state.rounds} rounds of held-out counts were seen, more than {BURN_IN} are needed for a forecast"

    def observe(self, state: AheadState, event: Event) -> list[Finding]:
        """Advance by one held-out score."""
        data, threshold = event.data, self._threshold()
        if threshold is None or not isinstance(data, Score) or data.split is not Split.HELD_OUT:
            return []
        seen = seen_of(event, data)
        if seen is None or seen.n is None or seen.successes is None:
            return []
        metric = seen.metric
        if metric not in state.forecasts and len(state.forecasts) >= SERIES_MAX:
            return []
        if state.trees.get(metric) == data.tree:
            return []  # a repeat of the same version is no new round
        state.trees[metric] = data.tree[:200]
        up = seen.direction == "up"
        k = float(seen.successes if up else seen.n - seen.successes)
        before = state.forecasts.get(metric)
        now = (
            anticipate(k, seen.n)
            if before is None
            else before.after(k, seen.n, dispersion=max(1.0, self.settings.dispersion))
        )
        state.forecasts[metric] = now
        state.rounds = max(state.rounds, now.rounds)
        return self._judge(state, event, now, seen=(k, seen.n), threshold=threshold if up else 1 - threshold)

    def _threshold(self) -> float | None:
        value = self.settings.threshold
        return value if value is not None and 0.0 < value < 1.0 else None

    def _judge(
        self, state: AheadState, event: Event, now: Anticipation, *, seen: tuple[float, int], threshold: float
    ) -> list[Finding]:
        rate = seen[0] / seen[1]
        limit = math.log(threshold / (1 - threshold))
        # One score alone has to be clearly above: a threshold that is only near must not be crossed by noise.
        alone = binomial_upper_tail(round(seen[0]), seen[1], threshold) < _ALONE
        if alone or now.above(limit) > _EVEN:
            state.crossed += 1
            if not worth_saying(state.crossed):
                return []
            return [self._say(event, "The threshold was crossed", 1.0, rate, threshold, rounds=now.rounds)]
        if now.rounds <= BURN_IN:
            return []
        chance = now.crossing(limit, max(1, min(self.settings.review_rounds, 1000)))
        if chance <= self.settings.probability:
            return []
        state.likely += 1
        if not worth_saying(state.likely):
            return []
        title = "The threshold is likely to be crossed before the next review"
        return [self._say(event, title, chance, rate, threshold, rounds=now.rounds)]

    def _say(self, event: Event, title: str, chance: float, rate: float, threshold: float, *, rounds: int) -> Finding:
        return self.finding(
            event,
            Severity.HIGH,
            title,
            f"The held-out rate is {rate:.4g}, the threshold {threshold:.4g}; probability {chance:.2f} of being above "
            f"it within {self.settings.review_rounds} rounds, by a forecast from {rounds} rounds.",
            confidence=min(1.0, max(0.0, chance)),
            technique="RSI-T0900",
            facts={"probability": chance, "rate": rate, "threshold": threshold, "rounds": rounds},
        )
