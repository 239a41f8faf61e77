"""A loop's own forecast: what it needs, what it says, and that its back-test can fail."""

import math

import numpy as np
import pytest

from subcritical.errors import InputError
from subcritical.forecast import forecast_loop


def counts(levels, n, seed, noise=0.0):
    generator = np.random.default_rng(seed)
    rates = 1 / (1 + np.exp(-(np.asarray(levels) + generator.normal(0, noise, len(levels)))))
    return generator.binomial(n, rates).tolist()


def test_too_few_rounds_are_named():
    found = forecast_loop([5] * 12, [10] * 12)
    assert not found.logits
    assert "more than 12 are needed" in found.why


def test_a_steady_rise_is_carried_on():
    levels = -1 + 0.05 * np.arange(60)
    found = forecast_loop(counts(levels, 500, 1), [500] * 60, ahead=10, threshold=0.9)
    middle = found.logits[2]
    assert middle[9] == pytest.approx(levels[-1] + 0.5, abs=0.25)
    assert found.logits[0][9] < middle[9] < found.logits[4][9]
    assert 0 < found.crossing < 1
    assert found.back_tests[0].coverage >= 0.8


def test_a_far_threshold_is_unlikely_and_a_passed_one_certain():
    levels = np.full(40, -0.5)
    far = forecast_loop(counts(levels, 300, 2), [300] * 40, threshold=0.95)
    passed = forecast_loop(counts(levels, 300, 2), [300] * 40, threshold=0.1)
    assert far.crossing < 0.01
    assert passed.crossing > 0.99
    assert passed.first_likely == 1


def test_the_back_test_fails_where_the_noise_is_not_what_is_claimed():
    levels = np.full(80, 0.0)
    successes = counts(levels, 2000, 3, noise=0.3)
    honest = forecast_loop(successes, [2000] * 80, dispersion=0.3**2 * 2000 / 4)
    wrong = forecast_loop(successes, [2000] * 80)
    assert wrong.back_tests[0].coverage < honest.back_tests[0].coverage


@pytest.mark.parametrize("threshold", [0.0, 1.0, math.nan])
def test_a_threshold_is_a_rate(threshold):
    with pytest.raises(InputError, match="threshold"):
        forecast_loop([5] * 20, [10] * 20, threshold=threshold)


def test_columns_have_one_length():
    with pytest.raises(InputError, match="one pair a round"):
        forecast_loop([5] * 20, [10] * 21)
