"""The exact rank sum test against counting every order."""

from itertools import combinations

import numpy as np
import pytest

from subcritical.errors import InputError
from subcritical.stats import rank_sum_smaller


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (4, 4), (5, 2)])
def test_it_counts_every_order(n, m):
    rng = np.random.default_rng(n * 10 + m)
    values = rng.permutation(n + m).astype(float)
    seen = sum(values[i] < values[j] for i in range(n) for j in range(n, n + m))
    orders = list(combinations(range(n + m), n))
    as_many = 0
    for first in orders:
        second = [place for place in range(n + m) if place not in first]
        as_many += sum(i < j for i in first for j in second) >= seen
    assert rank_sum_smaller(values[:n], values[n:]) == pytest.approx(as_many / len(orders))


def test_ties_never_make_it_surer():
    assert rank_sum_smaller([1.0] * 8, [1.0] * 8) == pytest.approx(1.0)


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (65, 3)])
def test_sizes_are_checked(sizes):
    with pytest.raises(InputError, match="samples of"):
        rank_sum_smaller([0.0] * sizes[0], [1.0] * sizes[1])
