"""Fieller and bootstrap intervals of a ratio."""

import numpy as np
import pytest

from subcritical.errors import InputError
from subcritical.stats import bootstrap_ratio, fieller_from_moments, fieller_ratio


def pairs(rng, n, ratio, spread):
    start = rng.normal(0, 0.3, n)
    return ratio + start + rng.normal(0, spread, n), 1.0 + start + rng.normal(0, spread, n)


def test_fieller_is_the_set_of_ratios_that_a_t_test_does_not_reject():
    from scipy import stats as reference  # noqa: PLC0415

    rng = np.random.default_rng(2)
    top, bottom = pairs(rng, 8, 2.0, 0.3)
    interval = fieller_ratio(top, bottom)
    for value in np.linspace(0.5, 5, 200):
        p = reference.ttest_1samp(top - value * bottom, 0.0).pvalue
        assert interval.contains(value) == (p >= 0.05)


def test_a_denominator_near_zero_gives_a_half_line_or_nothing():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, 10)
    noise -= noise.mean()
    assert fieller_ratio(5 + noise, 0.3 + rng.permutation(noise)).high is None
    assert fieller_ratio(rng.normal(0, 1, 10), rng.normal(0, 1, 10)) is None
    assert fieller_from_moments((-5.0, 0.1), (1.0, 1.0), 0.0, quantile=1.96).low is None
    assert bootstrap_ratio([1, 2, 3, 4], [-1, -1, -2, 0.1]) is None
    assert bootstrap_ratio([1, 2, 3, 4, 2, 3], [2, -1.5, 2, -1, 2, -1]).high is None


def test_bootstrap_is_seeded():
    top, bottom = pairs(np.random.default_rng(3), 8, 2.0, 0.3)
    assert bootstrap_ratio(top, bottom, seed=5) == bootstrap_ratio(top, bottom, seed=5)
    assert bootstrap_ratio(top, bottom, seed=5) != bootstrap_ratio(top, bottom, seed=6)


def test_fieller_covers_where_the_naive_interval_does_not():
    """The naive delta-method interval with a normal quantile is the planted failure."""
    rng = np.random.default_rng(4)
    runs, ours, naive = 600, 0, 0
    for _ in range(runs):
        top, bottom = pairs(rng, 6, 1.9, 0.7)
        interval = fieller_ratio(top, bottom)
        ours += interval is None or interval.contains(1.9)
        ratio = top.mean() / bottom.mean()
        error = np.std(top - ratio * bottom, ddof=1) / np.sqrt(6) / abs(bottom.mean())
        naive += abs(ratio - 1.9) <= 1.96 * error
    print(f"coverage of 95 %: Fieller {ours / runs:.3f}, naive {naive / runs:.3f}")
    assert 0.925 <= ours / runs <= 0.975
    assert naive / runs < ours / runs - 0.02


def test_bad_input_is_refused():
    with pytest.raises(InputError):
        fieller_ratio([1, 2], [1, 2])
    with pytest.raises(InputError):
        fieller_ratio([1, 2, 3], [1, 2, 3, 4])
    with pytest.raises(InputError):
        bootstrap_ratio([1, 2, float("nan")], [1, 2, 3])
    with pytest.raises(InputError):
        bootstrap_ratio([1, 2, 3], [1, 2, 3], draws=10**9)
