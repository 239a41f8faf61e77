"""Binomial local linear trend on the logit scale: one Laplace step per round."""

from __future__ import annotations

import math

import msgspec

from subcritical.errors import InputError

NEWTON_STEPS = 4
DISPERSION_MEMORY = 100
DISPERSION_CAP = 9.0
MARGIN = 0.5
"""Standard errors added to a pooled dispersion."""


class TrendSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Variances per round, logit squared: start of the slope (`slope_sd`), level drift, slope drift."""

    slope_sd: float = 0.05
    level_drift: float = 1e-4
    slope_drift: float = 1e-7


class TrendState(msgspec.Struct, frozen=True):
    """Mean and covariance of level and slope (logits, logits per round)."""

    level: float
    slope: float
    p00: float
    p01: float
    p11: float


class TrendStep(msgspec.Struct, frozen=True):
    """One round: the state afterwards, the log predictive and the standardised innovation."""

    state: TrendState
    log_predictive: float
    innovation: float


def logistic(x: float) -> float:
    """1/(1+e^-x) without overflow."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def _check(successes: float, n: float) -> None:
    if not (n > 0 and 0 <= successes <= n):
        raise InputError(f"successes {successes} of n {n}: n must be positive and successes in [0, n]")


def trend_start(successes: float, n: float, settings: TrendSettings) -> TrendState:
    """State after the first round.

    Args:
        successes: Correct items, in [0, n].
        n: Items, > 0.
        settings: Prior variances.

    Raises:
        InputError: Counts out of range.

    Source: West, Harrison & Migon 1985, JASA 80:73.
    """
    _check(successes, n)
    level = math.log((successes + 0.5) / (n - successes + 0.5))
    return TrendState(level, 0.0, 4.0 / n + 0.02, 0.0, settings.slope_sd**2)


def trend_predict(state: TrendState, settings: TrendSettings) -> TrendState:
    """State one round ahead, before it is observed."""
    return TrendState(
        state.level + state.slope,
        state.slope,
        state.p00 + 2 * state.p01 + state.p11 + settings.level_drift,
        state.p01 + state.p11,
        state.p11 + settings.slope_drift,
    )


def trend_step(
    state: TrendState, successes: float, n: float, settings: TrendSettings, *, dispersion: float = 1.0
) -> TrendStep:
    """Predict one round and update on it (Laplace approximation, four Newton steps).

    Args:
        state: After the round before.
        successes: Correct items of this round, in [0, n].
        n: Items of this round, > 0.
        settings: Prior variances.
        dispersion: Overdispersion of the counts, >= 1.

    Returns:
        The step; the log predictive leaves out the binomial constant.

    Raises:
        InputError: Counts or dispersion out of range.

    Source: West, Harrison & Migon 1985; the predictive is the usual Laplace form. Cost: O(1).
    """
    _check(successes, n)
    if not dispersion >= 1.0:
        raise InputError(f"dispersion {dispersion} must be at least 1")
    prior = trend_predict(state, settings)
    p_prior = logistic(prior.level)
    spread = p_prior * (1 - p_prior)
    variance = dispersion * spread / n + spread**2 * prior.p00
    innovation = (successes / n - p_prior) / math.sqrt(variance) if variance > 0 else 0.0
    x = prior.level
    for _ in range(NEWTON_STEPS):
        p = logistic(x)
        gradient = (successes - n * p) / dispersion - (x - prior.level) / prior.p00
        x += gradient / (n * p * (1 - p) / dispersion + 1 / prior.p00)
        x = min(max(x, -30.0), 30.0)
    p = logistic(x)
    weight = n * p * (1 - p) / dispersion
    gain = prior.p00 * weight / (1 + prior.p00 * weight)
    likelihood = (successes * math.log(max(p, 1e-300)) + (n - successes) * math.log(max(1 - p, 1e-300))) / dispersion
    log_predictive = likelihood - (x - prior.level) ** 2 / (2 * prior.p00) - 0.5 * math.log1p(prior.p00 * weight)
    after = TrendState(
        x,
        prior.slope + prior.p01 / prior.p00 * (x - prior.level),
        (1 - gain) * prior.p00,
        (1 - gain) * prior.p01,
        prior.p11 - gain * prior.p01**2 / prior.p00,
    )
    return TrendStep(after, log_predictive, innovation)


def trend_step_gaussian(state: TrendState, value: float, variance: float, settings: TrendSettings) -> TrendStep:
    """Predict one round and update on a value with Gaussian noise; exact.

    Args:
        state: After the round before.
        value: Of this round, in the unit of the state.
        variance: Of its noise, > 0.
        settings: Prior variances, in the same unit.

    Raises:
        InputError: The value is not finite, or the variance not positive.

    Source: Kalman 1960. Cost: O(1).
    """
    if not (math.isfinite(value) and variance > 0):
        raise InputError(f"value {value} must be finite and its variance {variance} positive")
    prior = trend_predict(state, settings)
    total = prior.p00 + variance
    gap = value - prior.level
    gain = prior.p00 / total
    after = TrendState(
        prior.level + gain * gap,
        prior.slope + prior.p01 / total * gap,
        (1 - gain) * prior.p00,
        (1 - gain) * prior.p01,
        prior.p11 - prior.p01**2 / total,
    )
    return TrendStep(after, -0.5 * (math.log(total) + gap * gap / total), gap / math.sqrt(total))


class Dispersion(msgspec.Struct, frozen=True):
    """Running estimate of overdispersion from squared innovations; biased low by its cap."""

    total: float = 0.0
    count: float = 0.0

    def after(self, innovation: float) -> Dispersion:
        """The estimate with one more innovation."""
        keep = 1 - 1 / DISPERSION_MEMORY
        return Dispersion(self.total * keep + min(innovation**2, DISPERSION_CAP), self.count * keep + 1)

    @property
    def value(self) -> float:
        """At least 1."""
        return max(1.0, self.total / self.count) if self.count > 0 else 1.0


def pooled_dispersion(chi: float, free: int) -> float:
    """Overdispersion from Pearson's statistic pooled over versions that were evaluated more than once.

    Args:
        chi: Sum over versions of (successes - n p)^2 / (n p (1 - p)) of each repeat, p the version's own rate.
        free: Sum over versions of (repeats - 1), >= 0.

    Returns:
        The estimate plus half its standard error, at least 1; 1.0 without repeats. The half makes up for the cut:
        without overdispersion the estimate can only stray upwards, so a threshold calibrated there would be too low
        elsewhere (docs/measures/jumps.md).

    Raises:
        InputError: A value is negative.
    """
    if chi < 0 or free < 0:
        raise InputError(f"chi-square {chi} and degrees of freedom {free} must not be negative")
    return max(1.0, chi / free * (1 + MARGIN * math.sqrt(2 / free))) if free else 1.0


def pearson_dispersion(successes: list[float], n: list[float]) -> float:
    """Overdispersion of repeated evaluations of one version.

    Args:
        successes: Of each repeat.
        n: Items of each repeat; two repeats or more.

    Returns:
        Pearson's statistic over (repeats - 1), at least 1; 1.0 where all or no item succeeded.

    Raises:
        InputError: Fewer than two repeats or counts out of range.

    Source: McCullagh & Nelder 1989, section 4.5.
    """
    if len(successes) != len(n) or len(n) < 2:  # noqa: PLR2004
        raise InputError("overdispersion needs at least two repeats")
    for k_i, n_i in zip(successes, n, strict=True):
        _check(k_i, n_i)
    p = sum(successes) / sum(n)
    if not 0.0 < p < 1.0:
        return 1.0
    chi = sum((k_i - n_i * p) ** 2 / (n_i * p * (1 - p)) for k_i, n_i in zip(successes, n, strict=True))
    return max(1.0, chi / (len(n) - 1))
