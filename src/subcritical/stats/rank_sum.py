"""Whether one sample tends to be smaller than another, exactly and without a model of either."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from subcritical.errors import InputError

LARGEST = 64
"""Values of a sample; above it the exact distribution is not worth its cost."""


def rank_sum_smaller(first: Sequence[float], second: Sequence[float]) -> float:
    """Exact one-sided p value of 'values of `first` tend to be smaller than those of `second`'.

    Exact where all values differ and are exchangeable under the null; equal values count against the claim, so that
    with ties the p value is too large, never too small.

    Args:
        first: 1 to `LARGEST` numbers.
        second: 1 to `LARGEST` numbers.

    Raises:
        InputError: A sample is empty, or larger than that.

    Source: Mann and Whitney 1947, Annals of Mathematical Statistics 18:50; their recursion. Cost: O(n^2 m^2).
    """
    n, m = len(first), len(second)
    if not (0 < n <= LARGEST and 0 < m <= LARGEST):
        raise InputError(f"samples of {n} and {m}: both must hold 1 to {LARGEST} values")
    smaller = sum(int(one < other) for one in first for other in second)
    return float(_ways(n, m)[smaller:].sum())


def _ways(n: int, m: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Chance of each number of pairs in which the first is smaller, 0 to n m."""
    # Of the largest of all values, n in n+m times it is a first one, which then is smaller than none of the others.
    rows = [np.ones(1) for _ in range(m + 1)]
    for i in range(1, n + 1):
        next_rows = [np.ones(1)]
        for j in range(1, m + 1):
            ways = np.zeros(i * j + 1)
            ways[: len(rows[j])] += rows[j] * (i / (i + j))
            ways[i : i + len(next_rows[j - 1])] += next_rows[j - 1] * (j / (i + j))
            next_rows.append(ways)
        rows = next_rows
    return rows[m]
