"""Simulated selection against honest searches run item by item."""

import numpy as np
import pytest

from subcritical.errors import InputError
from subcritical.stats import (
    search_errors,
    simulate_selection,
    simulate_selection_gaussian,
    step_correlation,
)


def search_by_items(rng, evaluations, p, public_n, held_out_n, share):
    """Gap of a real search without progress: each step redraws a share of all items."""
    items = rng.random((2, max(public_n, held_out_n))) < p
    public, held = items[0, :public_n], items[1, :held_out_n]
    steps = []
    for _ in range(evaluations - 1):
        new = [np.where(rng.random(s.size) < share, rng.random(s.size) < p, s) for s in (public, held)]
        steps.append(float(new[0].mean() - public.mean()))
        if new[0].sum() > public.sum():
            public, held = new
    return float(public.mean() - held.mean()), steps


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_the_null_matches_searches_over_items(share):
    rng = np.random.default_rng(3)
    gaps, spreads = [], []
    for _ in range(100):
        gap, steps = search_by_items(rng, 80, 0.7, 200, 300, share)
        gaps.append(gap)
        spreads.append(np.var(steps))
    correlation = step_correlation(float(np.mean(spreads)), 80, variance=0.7 * 0.3 / 200)
    null = simulate_selection(80, p=0.7, public_n=200, held_out_n=300, correlation=correlation)
    print(f"share {share}: mean gap {np.mean(gaps):.4f}, expected {null.expected:.4f} at correlation {correlation:.2f}")
    assert correlation == pytest.approx(1 - share, abs=0.1)  # what is redrawn at random is correlated by 1 - share
    assert null.expected == pytest.approx(np.mean(gaps), abs=0.02)


def test_small_steps_overfit_more_than_independent_draws():
    """The planted failure: the best of m independent draws is no bound for a hill climber."""
    rng = np.random.default_rng(4)
    gaps = [search_by_items(rng, 150, 0.7, 200, 300, 0.1)[0] for _ in range(60)]
    independent = simulate_selection(150, p=0.7, public_n=200, held_out_n=300)
    assert np.mean(gaps) > 1.5 * independent.expected


def test_tail_is_a_p_value_and_seeded():
    null = simulate_selection(50, p=0.8, public_n=300, held_out_n=400, observed=0.05)
    again = simulate_selection(50, p=0.8, public_n=300, held_out_n=400, observed=0.05)
    assert null == again
    tails = [
        simulate_selection(50, p=0.8, public_n=300, held_out_n=400, observed=g).tail
        for g in (-1.0, 0.0, 0.05, 0.1, 1.0)
    ]
    assert tails == sorted(tails, reverse=True)
    assert tails[0] == 1.0
    assert tails[-1] == pytest.approx(1 / 4001)


def test_one_evaluation_is_no_selection():
    null = simulate_selection(1, p=0.8, public_n=300, held_out_n=400, draws=20_000)
    assert null.expected == pytest.approx(0, abs=2e-3)


def test_gaussian_form_is_the_same_model():
    one = simulate_selection(40, p=0.5, public_n=400, held_out_n=400, draws=20_000).expected
    two = simulate_selection_gaussian(40, public_se=0.025, held_out_se=0.025, draws=20_000).expected
    assert one == pytest.approx(two, abs=2e-3)
    assert simulate_selection(10, p=0.5, public_n=10**7, held_out_n=10**7).expected < 1e-3


def test_known_maximum():
    errors = search_errors(150, correlation=0.0, draws=40_000, rng=np.random.default_rng(1))
    assert errors.mean() == pytest.approx(2.63, abs=0.05)


def test_bad_input_is_refused():
    for wrong in ({"p": 0.0}, {"public_n": 0}, {"draws": 10**9}, {"correlation": 1.0}, {"evaluations": 0}):
        arguments = {"evaluations": 5, "p": 0.5, "public_n": 10, "held_out_n": 10, **wrong}
        with pytest.raises(InputError):
            simulate_selection(arguments.pop("evaluations"), **arguments)
    with pytest.raises(InputError):
        simulate_selection_gaussian(5, public_se=-1.0, held_out_se=1.0)
