"""The tuned weight: fast up, slow down, no unit of its own."""

import random

import pytest

from subcritical.errors import InputError
from subcritical.utility import FixedPrice, Multiplier, calm_per_violation

SETTINGS = {"budget": 0.02, "start": 0.01, "batch": 25}


def feed(multiplier, flags):
    for flagged in flags:
        multiplier.observe(flagged)


def test_it_rises_while_every_episode_is_flagged_and_falls_slowly_after():
    multiplier = Multiplier(**SETTINGS)
    feed(multiplier, [True] * 250)
    assert multiplier.weight == pytest.approx(0.01 * 2**10)
    feed(multiplier, [False] * 250)
    assert multiplier.weight == pytest.approx(0.01 * 2**10 * 0.99**10)
    assert (multiplier.batches, multiplier.violations) == (20, 10)


def test_nothing_moves_before_a_batch_is_full():
    multiplier = Multiplier(**SETTINGS)
    feed(multiplier, [True] * 24)
    assert (multiplier.weight, multiplier.batches) == (0.01, 0)


def test_false_alarms_at_their_stated_rate_rarely_raise_it_and_at_an_unstated_rate_they_do():
    dice = random.Random(1)
    flags = [dice.random() < 0.1 for _ in range(25 * 400)]
    stated = Multiplier(**SETTINGS, false_alarm_rate=0.1)
    silent = Multiplier(**SETTINGS)
    feed(stated, flags)
    feed(silent, flags)
    print(f"violations of 400: {stated.violations} with the rate stated, {silent.violations} without")
    assert stated.violations <= 20 < silent.violations


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_guest_that_weighs_gain_against_price_stops_at_any_scale(scale):
    """It changes itself whenever that pays; the share of batches in violation is what the two factors allow."""
    multiplier = Multiplier(**{**SETTINGS, "start": 1e-4})
    while multiplier.batches < 2000:
        multiplier.observe(multiplier.weight < 0.5 * scale)
    late = multiplier.violations
    while multiplier.batches < 6000:
        multiplier.observe(multiplier.weight < 0.5 * scale)
    share = (multiplier.violations - late) / 4000
    print(f"scale {scale:g}: weight {multiplier.weight:.3g}, batches in violation {share:.4f}")
    assert 0.5 * scale * 0.9 < multiplier.weight < 0.5 * scale * 2
    assert share <= 1.05 / (1 + calm_per_violation(2.0, 0.99))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"budget": 1.0}, "budget"),
        ({"start": 0.0}, "start"),
        ({"start": float("nan")}, "start"),
        ({"miss_rate": 1.0}, "miss_rate"),
        ({"miss_rate": 0.5, "false_alarm_rate": 0.5}, "false_alarm_rate"),
        ({"batch": 0}, "batch"),
        ({"growth": 1.0}, "growth"),
        ({"decay": 1.0}, "decay"),
        ({"alpha": 0.0}, "alpha"),
    ],
)
def test_values_outside_their_range_are_refused(change, named):
    with pytest.raises(InputError, match=named):
        Multiplier(**{**SETTINGS, **change})


@pytest.mark.parametrize("weight", [-1.0, float("inf"), float("nan")])
def test_a_fixed_price_is_a_number(weight):
    with pytest.raises(InputError, match="weight"):
        FixedPrice(weight)


def test_a_weight_that_runs_away_says_so():
    multiplier = Multiplier(budget=0.0, start=1e300, batch=1, growth=1e10)
    with pytest.raises(InputError, match="range of numbers"):
        feed(multiplier, [True] * 3)
