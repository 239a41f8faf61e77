"""Bets on ranks: fair by counting every order, and never surer than they may be."""

from itertools import permutations

import numpy as np
import pytest

from subcritical.stats import OrderBets


def after(values):
    bets = OrderBets()
    for value in values:
        bets.see(float(value))
    return bets


def test_over_every_order_the_capital_is_one_on_average():
    orders = list(permutations(range(6)))
    assert np.mean([sum(after(order).capital) for order in orders]) == pytest.approx(1.0)


def test_it_is_read_at_any_time_and_wrong_no_more_often_than_promised():
    """Heavy tails, 1000 runs of 300 values, read after each: the smallest p of a run is below .05 in at most 5 %."""
    rng, wrong = np.random.default_rng(5), 0
    for _ in range(1000):
        bets = OrderBets()
        lowest = 1.0
        for value in rng.standard_cauchy(300):
            bets.see(value)
            lowest = min(lowest, bets.p)
        wrong += lowest <= 0.05
    assert wrong <= 50


def test_values_that_fall_are_found_soon_and_late():
    assert after(range(9, 0, -1)).p < 0.01
    steady = np.random.default_rng(2).uniform(9, 11, 60)
    assert after(steady).p > 0.05
    assert after([*steady, *np.linspace(8, 1, 8)]).p < 0.05


def test_values_that_rise_or_stay_win_nothing():
    assert after(range(50)).p == after([3.0] * 50).p == 1.0


def test_what_is_kept_is_bounded():
    bets = after(range(3000, 0, -1))
    assert len(bets.values) <= 256
    assert sum(bets.capital) <= 1.01e9
