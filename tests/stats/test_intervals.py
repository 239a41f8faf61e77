"""Intervals and exact tests against independent computations."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from subcritical.errors import InputError
from subcritical.stats import (
    Interval,
    binomial_upper_tail,
    clopper_pearson,
    difference_interval,
    fisher_greater,
    normal_quantile,
    normal_tail,
    paired_greater,
    spending,
    two_proportion_z,
    wilson,
)

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(deadline=None)
@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_intervals_agree_with_scipy(pair, level):
    result = reference.binomtest(*pair)
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        theirs = result.proportion_ci(level, method)
        mine = ours(*pair, level=level)
        assert mine.low == pytest.approx(theirs.low, abs=1e-9)
        assert mine.high == pytest.approx(theirs.high, abs=1e-9)


def test_known_values():
    # 3 of 100: the interval printed for a false-alarm rate.
    interval = clopper_pearson(3, 100)
    assert (interval.low, interval.high) == (pytest.approx(0.006230, abs=1e-6), pytest.approx(0.085176, abs=1e-6))
    assert clopper_pearson(0, 100).high == pytest.approx(1 - 0.025 ** (1 / 100))
    # Newcombe 1998, table II, first row: 56/70 against 48/80.
    gap = difference_interval((56, 70), (48, 80))
    assert (gap.low, gap.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


@settings(deadline=None)
@given(counts, counts)
def test_fisher_agrees_with_scipy(first, second):
    (a, n), (b, m) = first, second
    theirs = reference.fisher_exact([[a, n - a], [b, m - b]], alternative="greater").pvalue
    assert fisher_greater(first, second) == pytest.approx(theirs, rel=1e-6, abs=1e-12)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_paired_is_a_sign_test(gained, lost):
    n = gained + lost
    expected = 1.0 if n == 0 else sum(math.comb(n, i) for i in range(gained, n + 1)) / 2**n
    assert paired_greater(gained, lost) == pytest.approx(expected)


@settings(deadline=None)
@given(counts, st.floats(0, 1))
def test_upper_tail_agrees_with_scipy(pair, p):
    assert binomial_upper_tail(*pair, p) == pytest.approx(reference.binom.sf(pair[0] - 1, pair[1], p), abs=1e-10)


def test_two_proportion_z_is_the_root_of_pearsons_chi_square():
    table = [[60, 40], [45, 75]]
    chi = reference.chi2_contingency(table, correction=False).statistic
    assert two_proportion_z((60, 100), (45, 120)) ** 2 == pytest.approx(chi)
    assert two_proportion_z((0, 10), (0, 20)) == 0.0
    assert normal_tail(normal_quantile(0.999)) == pytest.approx(0.001)


def test_spending_adds_up_to_alpha_for_any_number_of_looks():
    assert sum(spending(0.01, i) for i in range(1, 5000)) < 0.01
    assert sum(spending(0.01, i) for i in range(1, 5000)) > 0.00999


def test_clopper_pearson_covers_and_wald_does_not():
    """The planted failure: the textbook interval misses its level by far where ours keeps it."""
    n, p = 30, 0.03
    weights = [reference.binom.pmf(k, n, p) for k in range(n + 1)]
    exact = sum(w for k, w in enumerate(weights) if clopper_pearson(k, n).contains(p))
    half = [1.96 * math.sqrt(k / n * (1 - k / n) / n) for k in range(n + 1)]
    wald = sum(w for k, w in enumerate(weights) if abs(k / n - p) <= half[k])
    assert exact >= 0.95
    assert wald < 0.7


def test_bad_input_is_refused():
    for k, n in ((-1, 3), (4, 3), (0, 0)):
        for function in (wilson, clopper_pearson):
            with pytest.raises(InputError):
                function(k, n)
    for level in (0.0, 1.0, float("nan")):
        with pytest.raises(InputError):
            wilson(1, 2, level=level)
    with pytest.raises(InputError):
        spending(0.1, 0)
    with pytest.raises(InputError):
        paired_greater(-1, 0)


def test_interval_sides():
    assert Interval(None, 1.0).contains(-1e9)
    assert not Interval(0.0, None).contains(-1e-9)
    assert all(Interval(a, b).contains(0.5) for a, b in product((None, 0.0), (None, 1.0)))
    assert np.isfinite(normal_quantile(0.5))
