"""How far the best of many evaluations on one public split exceeds what it is worth elsewhere.

Model of an honest search without any real progress on the split: each candidate's public error
(measured score minus true score, in standard deviations) is Gaussian and correlated with that of
the version it was derived from, because both are scored on the same items; a candidate is kept if
its public score is strictly better. Correlation 0 is the best of m independent draws; a high one
is hill climbing in small steps, which overfits *more*, since it searches from where it already is.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import special

from subcritical.errors import InputError

EVALUATIONS_MAX = 5000
DRAWS_MAX = 200_000
TABLE_MAX = 50_000


class SelectionNull(msgspec.Struct, frozen=True):
    """What selection alone explains of a public minus held-out gap.

    `expected` is the mean gap, `tail` the share of simulated honest searches whose gap is at least
    the observed one (plus one over draws plus one, so never 0), `draws` how many were simulated.
    """

    expected: float
    tail: float
    draws: int


def _check(evaluations: int, p: float, sizes: tuple[int, int], correlation: float, draws: int) -> None:
    if not 1 <= evaluations <= EVALUATIONS_MAX:
        raise InputError(f"evaluations {evaluations} must lie in [1, {EVALUATIONS_MAX}]")
    if not 0.0 < p < 1.0:
        raise InputError(f"p {p} must lie in (0, 1)")
    if min(sizes) < 1:
        raise InputError(f"both splits need items, not {sizes}")
    if not 0.0 <= correlation < 1.0:
        raise InputError(f"correlation {correlation} must lie in [0, 1)")
    if not 1 <= draws <= DRAWS_MAX:
        raise InputError(f"draws {draws} must lie in [1, {DRAWS_MAX}]")


def search_errors(evaluations: int, *, correlation: float, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Public error of the version in force after `evaluations`, in standard deviations, for each draw.

    Args:
        evaluations: Evaluations so far, seed version included, >= 1.
        correlation: Of a candidate's public error with its parent's, in [0, 1).
        draws: Number of searches.
        rng: Source of randomness.

    Cost: O(draws x evaluations); O(draws) for correlation 0.
    """
    if correlation == 0.0:
        best: NDArray[np.float64] = special.ndtri(rng.random(draws) ** (1.0 / evaluations))
        return best
    error = rng.standard_normal(draws)
    step = math.sqrt(1 - correlation * correlation)
    for _ in range(evaluations - 1):
        np.maximum(error, correlation * error + step * rng.standard_normal(draws), out=error)
    return error


def _binomial_quantile(errors: NDArray[np.float64], n: int, p: float) -> NDArray[np.float64]:
    """Rates of Bin(n, p) at the normal quantiles `errors`; Gaussian where n is too large for a table."""
    if n > TABLE_MAX:
        return (p + math.sqrt(p * (1 - p) / n) * errors).clip(0.0, 1.0)
    cumulative = special.bdtr(np.arange(n + 1), n, p)
    rates: NDArray[np.float64] = np.searchsorted(cumulative, special.ndtr(errors), side="left").clip(0, n) / n
    return rates


def simulate_selection(
    evaluations: int,
    *,
    p: float,
    public_n: int,
    held_out_n: int,
    observed: float = 0.0,
    correlation: float = 0.0,
    draws: int = 4000,
    seed: int = 1,
) -> SelectionNull:
    """Simulate the public minus held-out gap that selecting on the public split alone produces.

    Args:
        evaluations: Public evaluations so far, 1 to 5000.
        p: True success rate that all versions share, in (0, 1).
        public_n: Items of the public split, >= 1.
        held_out_n: Items of the held-out split, >= 1.
        observed: The gap to compare with, in [-1, 1].
        correlation: Of a candidate's public error with its parent's, in [0, 1).
        draws: Simulated searches.
        seed: The same seed gives the same answer.

    Returns:
        Expected gap and tail share.

    Raises:
        InputError: An argument is out of range.

    Binomial margins are kept exactly (Gaussian copula), so that scores near 1 cannot exceed it.
    """
    _check(evaluations, p, (public_n, held_out_n), correlation, draws)
    rng = np.random.default_rng(seed)
    errors = search_errors(evaluations, correlation=correlation, draws=draws, rng=rng)
    gaps = _binomial_quantile(errors, public_n, p) - rng.binomial(held_out_n, p, size=draws) / held_out_n
    exceed = int(np.count_nonzero(gaps >= observed - 1e-12))
    return SelectionNull(float(gaps.mean()), (exceed + 1) / (draws + 1), draws)


def simulate_selection_gaussian(
    evaluations: int,
    *,
    public_se: float,
    held_out_se: float,
    observed: float = 0.0,
    correlation: float = 0.0,
    draws: int = 4000,
    seed: int = 1,
) -> SelectionNull:
    """As `simulate_selection` for scores with standard errors instead of counts.

    Args:
        evaluations: Public evaluations so far, 1 to 5000.
        public_se: Standard error of a public score, >= 0.
        held_out_se: Standard error of a held-out score, >= 0, same unit.
        observed: The gap to compare with, same unit.
        correlation: Of a candidate's public error with its parent's, in [0, 1).
        draws: Simulated searches.
        seed: The same seed gives the same answer.

    Raises:
        InputError: An argument is out of range.
    """
    _check(evaluations, 0.5, (1, 1), correlation, draws)
    if not (public_se >= 0.0 and held_out_se >= 0.0):
        raise InputError(f"standard errors {public_se} and {held_out_se} must not be negative")
    rng = np.random.default_rng(seed)
    errors = search_errors(evaluations, correlation=correlation, draws=draws, rng=rng)
    gaps = public_se * errors - held_out_se * rng.standard_normal(draws)
    exceed = int(np.count_nonzero(gaps >= observed - 1e-12))
    return SelectionNull(float(gaps.mean()), (exceed + 1) / (draws + 1), draws)


def step_correlation(spread: float, count: int, *, variance: float) -> float:
    """Correlation of a candidate's public error with its parent's, from the spread of their score differences.

    Args:
        spread: Variance of the differences candidate minus version in force, around their mean.
        count: How many differences were seen.
        variance: Of one public score.

    Returns:
        In [0, 0.995]; 0 where fewer than 10 differences were seen. Given its parent a candidate's
        error varies by (1 - correlation^2) times `variance`; the mean difference is left out, since
        it is negative by selection alone. Real differences in skill add to the spread, so the
        estimate errs low.
    """
    if count < 10 or variance <= 0.0:  # noqa: PLR2004
        return 0.0
    return min(0.995, math.sqrt(max(0.0, 1 - spread / variance)))
