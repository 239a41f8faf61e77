"""Intervals and tests for proportions. Exact where exactness is cheap.

Only `scipy.special` is used: `scipy.stats` costs most of a second to import, and every sandboxed
start would pay for it.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from scipy import special

from subcritical.errors import InputError


class Interval(msgspec.Struct, frozen=True):
    """Both ends, inclusive; `None` means unbounded on that side."""

    low: float | None
    high: float | None

    def contains(self, value: float) -> bool:
        """Whether `value` lies inside."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def normal_quantile(probability: float) -> float:
    """The standard normal quantile; `probability` in (0, 1)."""
    return float(special.ndtri(probability))


def normal_tail(z: float) -> float:
    """P(Z >= z) for a standard normal Z, accurate far into the tail."""
    return float(special.ndtr(-z))


def _check_counts(successes: int, n: int) -> None:
    if n <= 0 or not 0 <= successes <= n:
        raise InputError(f"successes {successes} of n {n}: n must be positive and successes in [0, n]")


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise InputError(f"level {level} must lie in (0, 1)")


def wilson(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """Two-sided score interval of a proportion.

    Args:
        successes: Between 0 and n.
        n: Number of trials, > 0.
        level: Coverage, in (0, 1).

    Returns:
        Interval inside [0, 1].

    Raises:
        InputError: Counts or level out of range.

    Source: Wilson 1927, JASA 22:209. Coverage is nominal on average, not for each p.
    """
    _check_counts(successes, n)
    _check_level(level)
    z = normal_quantile(0.5 + level / 2)
    p = successes / n
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high)


def clopper_pearson(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """Two-sided exact interval of a proportion: coverage is at least `level` for every p.

    Args:
        successes: Between 0 and n.
        n: Number of trials, > 0.
        level: Coverage, in (0, 1).

    Returns:
        Interval inside [0, 1].

    Raises:
        InputError: Counts or level out of range.

    Source: Clopper & Pearson 1934, Biometrika 26:404.
    """
    _check_counts(successes, n)
    _check_level(level)
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(special.betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(special.betaincinv(successes + 1, n - successes, 1 - tail))
    return Interval(low, high)


def difference_interval(first: tuple[int, int], second: tuple[int, int], *, level: float = 0.95) -> Interval:
    """Interval of p_first - p_second of two independent proportions, each as (successes, n).

    Raises:
        InputError: Counts or level out of range.

    Source: Newcombe 1998, Statistics in Medicine 17:873, method 10 (square-and-add of Wilson limits).
    """
    one = wilson(*first, level=level)
    two = wilson(*second, level=level)
    p, q = first[0] / first[1], second[0] / second[1]
    gap = p - q
    down = math.hypot(p - float(one.low or 0.0), float(two.high or 0.0) - q)
    up = math.hypot(float(one.high or 0.0) - p, q - float(two.low or 0.0))
    return Interval(max(-1.0, gap - down), min(1.0, gap + up))


def two_proportion_z(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Pooled z of p_first - p_second, each as (successes, n); 0.0 where both are all or none.

    Raises:
        InputError: Counts out of range.

    Source: Pearson's chi-square with one degree of freedom, signed root.
    """
    _check_counts(*first)
    _check_counts(*second)
    pooled = (first[0] + second[0]) / (first[1] + second[1])
    variance = pooled * (1 - pooled) * (1 / first[1] + 1 / second[1])
    if variance <= 0.0:
        return 0.0
    return (first[0] / first[1] - second[0] / second[1]) / math.sqrt(variance)


def binomial_upper_tail(successes: int, n: int, p: float) -> float:
    """Exact P(X >= successes) for X ~ Bin(n, p); p in [0, 1].

    Raises:
        InputError: Counts or p out of range.
    """
    _check_counts(successes, n)
    if not 0.0 <= p <= 1.0:
        raise InputError(f"p {p} must lie in [0, 1]")
    if successes == 0:
        return 1.0
    return float(special.betainc(successes, n - successes + 1, p))


def fisher_greater(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Exact one-sided p value of 'p_first > p_second' for unpaired counts (successes, n).

    Raises:
        InputError: Counts out of range.

    Source: Fisher 1935, conditional on both margins. Cost: O(n).
    """
    _check_counts(*first)
    _check_counts(*second)
    (a, n_first), (b, n_second) = first, second
    total = a + b
    values = np.arange(a, min(n_first, total) + 1, dtype=np.float64)

    def log_choose(n: float, k: np.ndarray) -> np.ndarray:
        chosen: np.ndarray = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
        return chosen

    logs = log_choose(n_first, values) + log_choose(n_second, total - values)
    logs -= log_choose(n_first + n_second, np.asarray(float(total)))
    return min(1.0, float(np.exp(special.logsumexp(logs))))


def paired_greater(gained: int, lost: int) -> float:
    """Exact one-sided p value that the second of a pair is better: items `gained` against items `lost`.

    1.0 where no item changed.

    Raises:
        InputError: A count is negative.

    Source: McNemar 1947, exact binomial form.
    """
    if gained < 0 or lost < 0:
        raise InputError(f"gained {gained} and lost {lost} must not be negative")
    if gained + lost == 0:
        return 1.0
    return binomial_upper_tail(gained, gained + lost, 0.5)


def spending(alpha: float, test: int) -> float:
    """Share of `alpha` that the `test`-th (from 1) of an unbounded series of tests may use.

    The shares alpha/(i(i+1)) add up to alpha, so the chance of any false alarm in a series of any
    length stays at most alpha, without a declared number of looks.
    """
    if test < 1:
        raise InputError(f"test {test} counts from 1")
    return alpha / (test * (test + 1))
