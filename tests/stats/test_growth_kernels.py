"""Local linear trend, hinge, increments, Rasch, anticipation: what they must get right, and what they refuse."""

import math

import numpy as np
import pytest

from subcritical.errors import InputError
from subcritical.stats import (
    anticipate,
    bootstrap_slope,
    hinge,
    increments_ratio,
    local_trend,
    rasch_ability,
    sequential_hinge,
    time_to_level,
)


def noisy_line(slope, n, sd, seed):
    generator = np.random.default_rng(seed)
    t = np.arange(n, dtype=float)
    return t, slope * t + generator.normal(0, sd, n)


@pytest.mark.parametrize("known", [True, False])
def test_the_trend_covers_a_constant_slope(known):
    held = 0
    for seed in range(60):
        t, y = noisy_line(0.05, 40, 0.2, seed)
        _, interval = local_trend(t, y, np.full(40, 0.2) if known else None).slope_interval(0.95)
        held += interval.low <= 0.05 <= interval.high
    assert held >= 55


def test_the_trend_does_not_depend_on_units():
    t, y = noisy_line(0.05, 40, 0.2, 1)
    one, _ = local_trend(t, y, None).slope_interval(0.95)
    other, _ = local_trend(t * 7, y * 100 + 3, None).slope_interval(0.95)
    assert other == pytest.approx(one * 100 / 7, rel=1e-2)


def test_the_trend_follows_a_bend():
    t = np.arange(60, dtype=float)
    y = np.where(t < 30, 0.02 * t, 0.6 + 0.1 * (t - 30)) + np.random.default_rng(1).normal(0, 0.05, 60)
    slope, interval = local_trend(t, y, np.full(60, 0.05)).slope_interval(0.95)
    assert slope == pytest.approx(0.1, abs=0.03)
    assert interval.low > 0.03


def test_time_to_level_is_about_distance_over_slope():
    t, y = noisy_line(0.1, 60, 0.02, 2)
    trend = local_trend(t, y, np.full(60, 0.02))
    times = time_to_level(trend, float(y[-1]) + 1.0, step=0.5, steps=200)
    assert float(np.median(times)) == pytest.approx(10.0, abs=1.5)
    assert math.isinf(time_to_level(trend, float(y[-1]) + 1e6, step=0.5, steps=5)[0])


@pytest.mark.parametrize(
    ("t", "y"),
    [
        (np.arange(4.0), np.arange(4.0)),
        (np.zeros(6), np.arange(6.0)),
        (np.arange(6.0), np.full(6, np.nan)),
        (np.arange(6.0), np.arange(7.0)),
    ],
)
def test_unusable_histories_are_refused(t, y):
    with pytest.raises(InputError):
        local_trend(t, y, None)


def test_a_hinge_is_found_and_a_line_is_none():
    t = np.linspace(0, 3, 24)
    generator = np.random.default_rng(4)
    bent = hinge(t, np.where(t < 1.5, t, 1.5 + 4 * (t - 1.5)) + generator.normal(0, 0.1, 24))
    straight = hinge(t, t + generator.normal(0, 0.1, 24))
    assert bent.p < 0.01
    assert bent.at == pytest.approx(1.5, abs=0.3)
    assert bent.interval.low < 4 < bent.interval.high
    assert straight.p > 0.05


def test_sup_f_is_the_best_of_all_single_breaks():
    t = np.linspace(0, 3, 16)
    y = t + np.random.default_rng(8).normal(0, 0.5, 16)

    def rest(*columns):
        design = np.stack([np.ones_like(t), t, *columns], axis=1)
        return float(((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum())

    least = min(rest(np.maximum(0.0, t - t[j])) for j in range(2, 14))
    assert hinge(t, y, draws=100).statistic == pytest.approx((rest() - least) / (least / 12), rel=1e-9)


def test_the_sequential_form_needs_a_past_and_sees_a_doubled_slope():
    t = np.sort(np.random.default_rng(5).uniform(0, 6, 100))
    noise = np.random.default_rng(6).normal(0, 0.3, 100)
    doubled = sequential_hinge(t, np.where(t < 3, 2 * t, 6 + 4 * (t - 3)) + noise, 3.0)
    straight = sequential_hinge(t, 2 * t + noise, 3.0)
    assert doubled[-1] > 4 > straight.max()
    with pytest.raises(InputError, match="up to the cutoff"):
        sequential_hinge(t, t, 0.1)


def test_increments_recover_r_and_levels_would_not_have_to():
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        x = np.log2(1 + np.cumsum(generator.exponential(1, 30)))
        dx = np.diff(x)
        y = np.r_[0, np.cumsum(1.2 * dx + 0.3 * np.sqrt(dx) * generator.normal(size=29))]
        r, interval = increments_ratio(x, y)
        held += interval.low <= 1.2 <= interval.high
        assert interval.low < r < interval.high
    assert held >= 180


def test_increments_refuse_input_that_does_not_grow():
    with pytest.raises(InputError, match="must grow"):
        increments_ratio(np.array([1.0, 2.0, 2.0, 3.0]), np.arange(4.0))


def test_rasch_ability_is_where_the_answers_say():
    generator = np.random.default_rng(1)
    difficulty = generator.normal(0, 1.5, 4000)
    right = generator.random(4000) < 1 / (1 + np.exp(-(0.7 - difficulty)))
    theta, interval = rasch_ability(right, difficulty)
    wide = rasch_ability(right, difficulty, dispersion=4.0)[1]
    assert theta == pytest.approx(0.7, abs=0.12)
    assert interval.high - interval.low == pytest.approx((wide.high - wide.low) / 2, rel=0.02)
    all_right, _ = rasch_ability(np.ones(10, dtype=bool), np.zeros(10))
    assert 2 < all_right < 10
    with pytest.raises(InputError):
        rasch_ability(np.ones(3, dtype=bool), np.zeros(2))


def test_anticipation_learns_which_hypothesis_holds():
    generator = np.random.default_rng(2)
    state = anticipate(100, 400)
    for t in range(60):
        p = 1 / (1 + math.exp(-(-1 + 0.03 * t)))
        state = state.after(int(generator.binomial(400, p)), 400)
    assert sum(state.weights) == pytest.approx(1.0)
    assert state.weights[0] > state.weights[2]
    assert state.quantile(0.05, 3) < state.quantile(0.5, 3) < state.quantile(0.95, 3)
    assert state.crossing(10.0, 3) < 1e-6 < state.crossing(-10.0, 3)
    with pytest.raises(InputError, match="rounds"):
        state.ahead(0)


def test_a_bootstrap_slope_is_about_the_true_one():
    t, y = noisy_line(0.5, 50, 1.0, 3)
    slope, interval = bootstrap_slope(t, y)
    assert interval.low < 0.5 < interval.high
    assert interval.low < slope < interval.high
    with pytest.raises(InputError, match="at least"):
        bootstrap_slope(t[:4], y[:4])
