"""Score when a version was selected minus its score measured afresh."""

from __future__ import annotations

from subcritical.measures._difference import difference
from subcritical.measures._score import cannot
from subcritical.schema import Measurement, Score


def selection_inflation(selected: Score, fresh: Score, *, level: float = 0.95) -> Measurement:
    """How much of the score that selected a version vanishes when it is measured again.

    Args:
        selected: The score selection used.
        fresh: A score of the same version on data or seeds that no earlier evaluation used.
        level: Two-sided coverage, in (0, 1).

    Returns:
        `selection_inflation`, unit of the score; None with a reason where `fresh` is not fresh.

    Raises:
        InputError: `level` is out of range.
    """
    name, method = "selection_inflation", "difference of two scores"
    if selected.tree != fresh.tree:
        return cannot(name, "the two scores are of different versions", unit="score", method=method, level=level)
    if not fresh.fresh or fresh.selected_on:
        why = "the second score is not fresh: it shares data or seeds with what selection saw"
        return cannot(name, why, unit="score", method=method, level=level)
    return difference(name, selected, fresh, level=level)
