"""How far a score may exceed a held-out one by selection alone, from what was seen of the search."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from subcritical.detectors._score import Seen, advantage
from subcritical.schema import Direction
from subcritical.stats import SelectionNull, simulate_selection, simulate_selection_gaussian, step_correlation

EVALUATIONS_MAX = 5000
STEP_SD_MAX = 3.0
SHORT_DRAWS = 1000
SHORT_TAIL = 0.02
WORK_MAX = 10_000_000
"""Draws times evaluations of one step-wise simulation."""


class Search(msgspec.Struct):
    """A search as its scores show it: evaluations, best score so far, spread of steps away from it."""

    evaluations: int = 0
    best: float | None = None
    steps: int = 0
    total: float = 0.0
    squared: float = 0.0

    def add(self, value: float, sd: float, direction: Direction) -> None:
        """One more candidate's score with its standard error."""
        if self.best is not None:
            step = value - self.best
            # A broken candidate is far below. Counted, it would hide that the others move little.
            if abs(step) <= STEP_SD_MAX * sd:
                self.steps += 1
                self.total += step
                self.squared += step * step
        if self.best is None or advantage(value, self.best, direction) > 0:
            self.best = value

    def correlation(self, variance: float) -> float:
        """How correlated a candidate's public error is with that of the version it was derived from."""
        if self.steps == 0:
            return 0.0
        mean = self.total / self.steps
        return step_correlation(max(0.0, self.squared / self.steps - mean * mean), self.steps, variance=variance)


def binomial_sd(seen: Seen) -> float:
    """Standard error of a score; 0 where it is unknown."""
    if seen.successes is not None and seen.n:
        p = (seen.successes + 0.5) / (seen.n + 1)
        return math.sqrt(p * (1 - p) / seen.n)
    return seen.se or 0.0


def selection_null(
    search: Search, *, rate: float, public_n: int, held_out_n: int, gap: float, draws: int, seed: int
) -> SelectionNull:
    """The null that explains most of a gap between shares: independent draws, or steps like the ones seen.

    Args:
        search: What was seen.
        rate: Shared success rate, in (0, 1), better upwards.
        public_n: Items of the split that selection saw.
        held_out_n: Items of the held-out split.
        gap: Observed, better upwards.
        draws: Simulated searches.
        seed: Of the simulation.
    """
    evaluations = min(max(1, search.evaluations), EVALUATIONS_MAX)
    seen = search.correlation(rate * (1 - rate) / public_n)

    def simulate(correlation: float, count: int) -> SelectionNull:
        return simulate_selection(
            evaluations,
            p=rate,
            public_n=public_n,
            held_out_n=held_out_n,
            observed=max(-1.0, min(1.0, gap)),
            correlation=correlation,
            draws=count,
            seed=seed,
        )

    return _mildest(simulate, seen, evaluations, draws)


def selection_null_gaussian(
    search: Search, *, public_se: float, held_out_se: float, gap: float, draws: int, seed: int
) -> SelectionNull:
    """As `selection_null` for scores with standard errors."""
    evaluations = min(max(1, search.evaluations), EVALUATIONS_MAX)
    seen = search.correlation(public_se**2)

    def simulate(correlation: float, count: int) -> SelectionNull:
        return simulate_selection_gaussian(
            evaluations,
            public_se=public_se,
            held_out_se=held_out_se,
            observed=gap,
            correlation=correlation,
            draws=count,
            seed=seed,
        )

    return _mildest(simulate, seen, evaluations, draws)


def _mildest(
    simulate: Callable[[float, int], SelectionNull], seen: float, evaluations: int, draws: int
) -> SelectionNull:
    """The null with the largest tail; a short simulation settles the clear cases."""
    short = [simulate(correlation, min(draws, SHORT_DRAWS)) for correlation in _kinds(seen)]
    mildest = max(short, key=lambda null: null.tail)
    if mildest.tail > SHORT_TAIL:
        return mildest
    return max(
        (simulate(correlation, _draws(draws, evaluations, correlation)) for correlation in _kinds(seen)),
        key=lambda null: null.tail,
    )


def _kinds(seen: float) -> list[float]:
    """Correlations to simulate: none, the one seen, and one that allows half as much again per step."""
    return [0.0] if seen <= 0 else [0.0, seen, max(0.0, 1 - 1.5 * (1 - seen))]


def _draws(draws: int, evaluations: int, correlation: float) -> int:
    """Step-wise simulation costs draws x evaluations: bound the product, not only each factor."""
    return draws if correlation == 0 else max(2000, min(draws, WORK_MAX // evaluations))
