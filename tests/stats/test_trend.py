"""The trend filter against a plain numerical posterior, and what it follows."""

import math

import numpy as np
import pytest

from subcritical.errors import InputError
from subcritical.stats import (
    Dispersion,
    TrendSettings,
    logistic,
    pearson_dispersion,
    pooled_dispersion,
    trend_predict,
    trend_start,
    trend_step,
)

SETTINGS = TrendSettings(slope_sd=0.02, level_drift=2e-4, slope_drift=1e-7)


def test_start_is_the_definition():
    state = trend_start(30, 100, SETTINGS)
    assert state.level == pytest.approx(math.log(30.5 / 70.5))
    assert (state.slope, state.p00, state.p01, state.p11) == (0.0, 4 / 100 + 0.02, 0.0, SETTINGS.slope_sd**2)


def test_update_agrees_with_a_posterior_on_a_grid():
    state = trend_start(30, 100, SETTINGS)
    prior = trend_predict(state, SETTINGS)
    step = trend_step(state, 45, 100, SETTINGS)
    x = np.linspace(prior.level - 3, prior.level + 3, 20001)
    p = 1 / (1 + np.exp(-x))
    log_density = 45 * np.log(p) + 55 * np.log(1 - p) - (x - prior.level) ** 2 / (2 * prior.p00)
    mode = x[np.argmax(log_density)]
    assert step.state.level == pytest.approx(mode, abs=1e-3)
    log_evidence = np.log(np.trapezoid(np.exp(log_density), x)) if hasattr(np, "trapezoid") else None
    if log_evidence is not None:
        assert step.log_predictive == pytest.approx(log_evidence - 0.5 * math.log(2 * math.pi * prior.p00), abs=0.01)


def test_it_follows_a_trend_and_its_innovations_are_standard():
    rng = np.random.default_rng(1)
    innovations = []
    for _ in range(60):
        state = trend_start(20, 100, SETTINGS)
        for t in range(1, 80):
            step = trend_step(state, int(rng.binomial(100, logistic(-1.4 + 0.02 * t))), 100, SETTINGS)
            state = step.state
            if t > 20:
                innovations.append(step.innovation)
    assert state.slope == pytest.approx(0.02, abs=0.015)
    assert np.mean(innovations) == pytest.approx(0, abs=0.1)
    assert np.std(innovations) == pytest.approx(1, abs=0.1)


def test_dispersion_sees_extra_noise():
    rng = np.random.default_rng(2)
    estimates = []
    for sd in (0.0, 0.3):
        running, state = Dispersion(), trend_start(100, 200, SETTINGS)
        for _ in range(150):
            theta = rng.normal(0, sd)
            step = trend_step(state, int(rng.binomial(200, logistic(theta))), 200, SETTINGS)
            state, running = step.state, running.after(step.innovation)
        estimates.append(running.value)
    assert estimates[0] < 1.3
    assert estimates[1] > 2
    k = [float(rng.binomial(200, logistic(rng.normal(0, 0.3)))) for _ in range(200)]
    assert pearson_dispersion(k, [200.0] * 200) == pytest.approx(1 + 200 * 0.25 * 0.09, rel=0.35)
    assert pearson_dispersion([0, 0], [10, 10]) == 1.0
    assert Dispersion().value == 1.0


def test_extremes_do_not_break_it():
    state = trend_start(0, 1, SETTINGS)
    for successes in (0, 10**6, 0, 10**6):
        step = trend_step(state, successes, 10**6, SETTINGS)
        assert math.isfinite(step.log_predictive)
        assert math.isfinite(step.innovation)
        state = step.state
    assert logistic(-1e9) == 0.0
    assert logistic(1e9) == 1.0
    with pytest.raises(InputError):
        trend_step(state, 5, 3, SETTINGS)
    with pytest.raises(InputError):
        trend_step(state, 1, 3, SETTINGS, dispersion=0.5)
    with pytest.raises(InputError):
        pearson_dispersion([1], [2])


def test_pooled_dispersion_is_about_the_true_one_and_never_below_one():
    rng = np.random.default_rng(1)
    free = 200
    for phi in (1.0, 2.0, 4.0):
        found = np.mean([pooled_dispersion(float(phi * rng.chisquare(free)), free) for _ in range(200)])
        assert phi <= found <= phi * 1.15
    assert pooled_dispersion(0.0, 50) == 1.0
    assert pooled_dispersion(0.0, 0) == 1.0
    with pytest.raises(InputError):
        pooled_dispersion(-1.0, 3)
