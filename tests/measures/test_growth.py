"""Measures of growth: right on what is known, and 'cannot tell' with a reason on everything else."""

import numpy as np
import pytest

from subcritical.errors import InputError
from subcritical.measures import (
    History,
    Point,
    acceleration,
    average_doubling_time,
    average_velocity,
    doubling_time,
    level,
    oversight_ratio,
    returns,
    speed_up,
    time_to_threshold,
    uplift,
    velocity,
)


def scores(values, scale="raw", se=None, **more):
    points = tuple(Point(time=float(i), score=float(v), se=se) for i, v in enumerate(values))
    return History(points=points, scale=scale, **more)


def doubling(period, n=40, noise=0.05, seed=1):
    generator = np.random.default_rng(seed)
    return 2.0 ** (np.arange(n) / period + generator.normal(0, noise, n))


def test_velocity_and_doubling_time_of_a_clean_exponential():
    history = scores(doubling(5.0), scale="log2")
    for speed in (velocity(history), average_velocity(history)):
        assert speed.low < 0.2 < speed.high
        assert speed.unit == "doublings/round"
    for time in (doubling_time(history), average_doubling_time(history)):
        assert time.low < 5.0 < time.high


def test_a_metric_where_less_is_better_rises_when_it_falls():
    history = scores(1 / doubling(5.0), scale="log2", direction="down")
    assert velocity(history).estimate == pytest.approx(0.2, abs=0.03)


def test_counts_go_to_the_logit_scale_with_their_own_noise():
    generator = np.random.default_rng(1)
    rates = 1 / (1 + np.exp(-(-1 + 0.05 * np.arange(40))))
    points = tuple(
        Point(time=float(i), n=400, successes=float(generator.binomial(400, p))) for i, p in enumerate(rates)
    )
    history = History(points=points)
    assert history.unit == "logits"
    assert velocity(history).low < 0.05 < velocity(history).high
    assert level(history).estimate == pytest.approx(-1 + 0.05 * 39, abs=0.2)


def test_a_flat_history_has_no_finite_doubling_time():
    generator = np.random.default_rng(3)
    flat = doubling_time(scores(2.0 ** generator.normal(0, 0.3, 30), scale="log2"))
    assert flat.estimate is None or flat.high is None
    assert flat.why


@pytest.mark.parametrize("measure", [level, velocity, average_velocity, doubling_time, acceleration, returns])
def test_too_little_is_said_not_guessed(measure):
    found = measure(scores([1.0, 2.0, 4.0], scale="log2"))
    assert found.estimate is None
    assert found.why


def test_acceleration_names_its_p_value_and_its_break():
    t = np.arange(40)
    values = 2.0 ** (np.where(t < 20, 0.1 * t, 2 + 0.4 * (t - 20)) + np.random.default_rng(1).normal(0, 0.05, 40))
    found = acceleration(scores(values, scale="log2"), draws=200)
    assert found.low < 4 < found.high
    assert "sup-F" in found.why
    assert "p 0.00" in found.why


def test_a_speed_up_says_when_it_could_first_have_been_said():
    t = np.arange(60)
    noise = np.random.default_rng(1).normal(0, 0.1, 60)
    found = speed_up(scores(np.where(t < 30, 0.1 * t, 3 + 0.3 * (t - 30)) + noise), 30.0)
    straight = speed_up(scores(0.1 * t + noise), 30.0)
    assert found.estimate > 3.43
    assert "first at" in found.why
    assert "never above" in straight.why
    assert speed_up(scores(0.1 * t + noise), 2.0).estimate is None
    assert speed_up(scores(0.1 * t + noise), 1e9).estimate is None


def test_returns_need_work_and_recover_it():
    generator = np.random.default_rng(4)
    work = np.cumsum(generator.exponential(1, 40)) + 1
    dx = np.diff(np.log2(work))
    y = np.r_[0, np.cumsum(0.8 * dx + 0.05 * np.sqrt(dx) * generator.normal(size=39))]
    points = tuple(Point(time=float(i), score=2.0**v, work=w) for i, (v, w) in enumerate(zip(y, work, strict=True)))
    found = returns(History(points=points, scale="log2"))
    assert found.low < 0.8 < found.high
    assert "column `work`" in returns(scores(doubling(5), scale="log2")).why
    assert "log2" in returns(scores(doubling(5))).why


def test_time_to_threshold_has_a_distribution_and_a_never():
    history = scores(doubling(5.0, noise=0.02), scale="log2")
    found = time_to_threshold(history, 39 / 5 + 1)
    assert found.low < 5 < found.high
    never = time_to_threshold(history, 1e4)
    assert never.estimate is None
    assert "do not reach it" in never.why


def test_uplift_is_paired():
    found = uplift([2.0, 4.0, 8.0, 16.0], [1.0, 2.0, 4.0, 8.0])
    assert found.estimate == pytest.approx(2.0)
    assert uplift([2.0], [1.0]).estimate is None
    with pytest.raises(InputError, match="one pair"):
        uplift([2.0], [1.0, 2.0])
    with pytest.raises(InputError, match="positive"):
        uplift([0.0, 1.0, 1.0], [1.0, 2.0, 1.0])


def test_the_oversight_ratio_counts_reviews_per_cycle():
    found = oversight_ratio(40, 4)
    assert found.low < 0.1 < found.high
    assert oversight_ratio(40, 0).estimate == 0.0
    assert "no review" in oversight_ratio(40, 0).why
    assert oversight_ratio(0, 3).estimate is None
    with pytest.raises(InputError):
        oversight_ratio(-1, 0)


@pytest.mark.parametrize(("scale", "value"), [("log2", 0.0), ("logit", 1.5), ("raw", float("nan"))])
def test_a_value_that_has_no_place_on_the_scale_is_named(scale, value):
    with pytest.raises(InputError, match="time 0"):
        velocity(scores([value] * 8, scale=scale))
