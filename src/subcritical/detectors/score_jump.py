"""A jump of the held-out (or freshly measured) score over its own trend."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from subcritical.detectors._score import Seen, seen_of
from subcritical.detectors._stream import PerRun, reads
from subcritical.detectors.protocol import DetectorSettings
from subcritical.schema import Event, Finding, Score, Severity, Split
from subcritical.stats import (
    BASELINE,
    THRESHOLD_PAIR,
    Dispersion,
    Jump,
    TrendSettings,
    TrendState,
    jump_pair,
    line_dispersion,
    logistic,
    pooled_dispersion,
    trend_start,
    trend_step,
)

Floats = NDArray[np.float64]
ROUNDS_MAX = 512
"""The long baseline is 'all' up to here; then the oldest rounds are forgotten."""
SERIES_MAX = 8
REPEATS_MAX = 32
DISPERSION_MAX = 4.0
MISFIT_KEPT = 0.99
SAME_JUMP = 3
"""Jumps that begin within so many rounds of the last one are the same jump."""
EXPECTED: dict[str, float | int | str | bool | None] = {
    "run_length": 12_000,
    "delay_at_0.6": 2.8,
    "within_5_rounds_at_0.6": 0.97,
    "re_evaluated": "held-out or fresh scores only",
}
"""Said with every alarm: rounds to a false alarm on a straight trend, mean delay at a jump of 0.6 logits with 100
items, and how often it is found within five rounds. At the default threshold, 3,000 histories of
tests/stats/jump_study.py."""

_LOOSE = TrendSettings(slope_sd=0.02, level_drift=1e-3, slope_drift=1e-6)


class ScoreJumpSettings(DetectorSettings, frozen=True, kw_only=True):
    """Thresholds.

    `threshold` of the paired statistic (8.2: about 5 % false alarms per 200 rounds of a straight
    trend). A jump of at least `steps_min` typical round-to-round changes is `medium`, a smaller one
    `low`; never more by itself, since an honest discovery looks the same. With `pause_from` (logits,
    or units of a score with standard errors) a jump at least that large is `high`. `dispersion` is
    a known overdispersion; the larger of it and the running estimate counts.
    """

    threshold: float = THRESHOLD_PAIR
    steps_min: float = 5.0
    pause_from: float | None = None
    dispersion: float = 1.0


class Series(msgspec.Struct):
    """One series: values and noise by round, where they came from, and the running overdispersion."""

    binomial: bool
    values: list[float] = []
    noise: list[float] = []
    seqs: list[int] = []
    tree: str = ""
    repeats: list[tuple[float, float]] = []
    trend: TrendState | None = None
    running: Dispersion = Dispersion()
    repeats_chi: float = 0.0
    repeats_free: int = 0
    absorbed_seq: int = 0
    misfit: float = 1.0


class JumpState(msgspec.Struct):
    """Per run: series by metric and split."""

    series: dict[str, Series] = {}
    rounds: int = 0


class ScoreJump(PerRun[JumpState, ScoreJumpSettings]):
    """Binomial (or Gaussian) likelihood ratio of an upward jump, null a straight trend.

    Reads held-out scores and fresh ones. It never reads a number that selection used: the best of
    many evaluations jumps by being chosen. A deterministic repeat says nothing about noise.
    """

    id = "score_jump"
    docs = "detectors/score_jump.md"
    kinds = reads(Score)
    Settings: ClassVar[type[ScoreJumpSettings]] = ScoreJumpSettings

    def new(self) -> JumpState:
        """No series."""
        return JumpState()

    def starved(self, state: JumpState) -> str:
        """Too few rounds for any statistic."""
        if state.rounds > 10:  # noqa: PLR2004  # the statistic starts at the eleventh round
            return ""
        return f"{state.rounds} rounds of held-out or fresh scores were seen, more than 10 are needed"

    def observe(self, state: JumpState, event: Event) -> list[Finding]:
        """Add a round, or pool a fresh repeat into the last one, and test."""
        data = event.data
        if not isinstance(data, Score) or data.selected_on or data.split is Split.REPORTED:
            return []
        if data.split is not Split.HELD_OUT and not data.fresh:
            return []
        seen = seen_of(event, data)
        if seen is None or (seen.successes is None and not seen.se):
            return []
        series = self._series(state, data, binomial=seen.successes is not None)
        if series is None:
            return []
        if data.tree == series.tree:
            self._pool(series, data, seen)
            return []
        self._add(series, data, seen)
        state.rounds = max(state.rounds, len(series.values))
        return self._test(series, event)

    def _series(self, state: JumpState, data: Score, *, binomial: bool) -> Series | None:
        key = f"{data.split.value} {data.metric[:100]} {'n' if binomial else 'se'}"
        if key not in state.series:
            if len(state.series) >= SERIES_MAX:
                return None
            state.series[key] = Series(binomial)
        return state.series[key]

    def _add(self, series: Series, data: Score, seen: Seen) -> None:
        value, noise = _measured(seen)
        series.values.append(value)
        series.noise.append(noise)
        series.seqs.append(seen.seq)
        series.tree = data.tree
        if series.binomial and len(series.repeats) > 1:
            free = len(series.repeats) - 1
            series.repeats_chi += free * _spread(series.repeats)
            series.repeats_free += free
        series.repeats = [(value, noise)]
        for column in (series.values, series.noise, series.seqs):
            del column[:-ROUNDS_MAX]
        if not series.binomial:
            return
        if series.trend is None:
            series.trend = trend_start(value, noise, _LOOSE)
            return
        step = trend_step(series.trend, value, noise, _LOOSE)
        series.trend = step.state
        series.running = series.running.after(step.innovation)

    def _pool(self, series: Series, data: Score, seen: Seen) -> None:
        """A fresh repeat of the same version sharpens its round and tells about overdispersion."""
        if not data.fresh or data.deterministic or len(series.repeats) >= REPEATS_MAX:
            return
        value, noise = _measured(seen)
        series.repeats.append((value, noise))
        if series.binomial:
            series.values[-1] += value
            series.noise[-1] += noise

    def _test(self, series: Series, event: Event) -> list[Finding]:
        values, noise = np.array(series.values), np.array(series.noise)
        phi = self._dispersion(series, values, noise)
        jump = jump_pair(values, noise, binomial=series.binomial, dispersion=phi)
        if jump.statistic <= self.settings.threshold:
            return []
        size = _size(series, jump.start)
        steps = size / max(_typical_step(series, jump.start), 1e-12)
        severity = Severity.MEDIUM if steps >= self.settings.steps_min else Severity.LOW
        if self.settings.pause_from is not None and size >= self.settings.pause_from:
            severity = Severity.HIGH
        finding = self._said(event, series, jump, size=size, phi=phi, steps=steps, severity=severity)
        # What follows is judged against the level after the jump, without losing the trend before it.
        _absorb(series, jump.start, size)
        since = series.seqs[jump.start]
        near = series.seqs[max(0, jump.start - SAME_JUMP)] <= series.absorbed_seq
        series.absorbed_seq = since
        # The first estimate of a jump's size is rough; correcting it is not a second jump.
        return [] if near else [finding]

    def _dispersion(self, series: Series, values: Floats, noise: Floats) -> float:
        """The largest overdispersion known: declared, from repeats, or from how the past strayed from its trend."""
        if not series.binomial:
            # Absorbed jumps leave the past straighter than it was: remember how far it strayed.
            series.misfit = max(series.misfit * MISFIT_KEPT, line_dispersion(values, noise))
            return max(self.settings.dispersion, series.misfit)
        # All versions that were repeated: one quiet version does not erase what others showed.
        phi = max(series.running.value, pooled_dispersion(series.repeats_chi, series.repeats_free))
        return max(self.settings.dispersion, min(phi, DISPERSION_MAX))

    def _said(
        self, event: Event, series: Series, jump: Jump, *, size: float, phi: float, steps: float, severity: Severity
    ) -> Finding:
        unit = "logits" if series.binomial else "units"
        return self.finding(
            event,
            severity,
            "The score jumped above its trend",
            f"About {size:.3g} {unit} above the level before; statistic {jump.statistic:.1f} against a threshold of "
            f"{self.settings.threshold:g}. A jump is no fault: it needs a cause that somebody can name.",
            confidence=0.95,
            since=series.seqs[jump.start],
            facts={
                "statistic": jump.statistic,
                "size": size,
                "dispersion": phi,
                "typical_steps": steps,
                "baseline": jump.baseline,
                "rounds": len(series.values),
                **EXPECTED,
            },
        )


def _measured(seen: Seen) -> tuple[float, float]:
    """Value and noise with 'better' upwards: successes and n, or value and standard error."""
    up = seen.direction == "up"
    if seen.successes is not None and seen.n:
        return float(seen.successes if up else seen.n - seen.successes), float(seen.n)
    return (seen.value if up else -seen.value), float(seen.se or 0.0)


def _spread(repeats: list[tuple[float, float]]) -> float:
    """Pearson's statistic of one version's repeats over its degrees of freedom; may be below 1 by chance."""
    k, n = sum(one[0] for one in repeats), sum(one[1] for one in repeats)
    p = min(max(k / n, 0.0), 1.0)
    if not 0.0 < p < 1.0:
        return 1.0
    chi = sum((one[0] - one[1] * p) ** 2 / (one[1] * p * (1 - p)) for one in repeats)
    return chi / (len(repeats) - 1)


def _level(series: Series, part: slice) -> float:
    """Pooled level of some rounds, on the scale of the null line."""
    if not series.binomial:
        return float(np.mean(series.values[part]))
    k, n = sum(series.values[part]), sum(series.noise[part])
    return math.log((k + 0.5) / (n - k + 0.5))


def _typical_step(series: Series, start: int) -> float:
    """Median size of the change from round to round before the jump."""
    levels = [_level(series, slice(i, i + 1)) for i in range(max(0, start - BASELINE), start)]
    steps = [abs(b - a) for a, b in pairwise(levels)]
    return float(np.median(steps)) if steps else 0.0


def _absorb(series: Series, start: int, size: float) -> None:
    """Lift the rounds before a jump by its size, so that one straight trend runs through all of them."""
    for index in range(start):
        if not series.binomial:
            series.values[index] += size
            continue
        n = series.noise[index]
        rate = (series.values[index] + 0.5) / (n + 1)
        series.values[index] = n * logistic(math.log(rate / (1 - rate)) + size)


def _size(series: Series, start: int) -> float:
    """Level from the jump on minus the level of the ten rounds before it."""
    return _level(series, slice(start, None)) - _level(series, slice(max(0, start - 10), start))
