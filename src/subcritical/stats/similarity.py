"""Near-duplicates between training items and evaluation items, and how much weight they carry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError

Floats = NDArray[np.float64]
BLOCK = 512
NEAR = 0.35


def _matrix(items: NDArray[np.generic], name: str) -> Floats:
    flat = np.asarray(items)
    if flat.ndim < 2 or flat.shape[0] == 0:  # noqa: PLR2004
        raise InputError(f"{name} must hold at least one item, shape (items, ...), not {flat.shape}")
    table = flat.reshape(flat.shape[0], -1).astype(np.float64)
    if not np.isfinite(table).all():
        raise InputError(f"{name} must be finite")
    return table


def _nearest(items: Floats, others: Floats, *, skip_self: bool) -> Floats:
    """Euclidean distance of each item to its nearest other, in blocks of bounded memory."""
    norms = (others * others).sum(axis=1)
    nearest = np.empty(items.shape[0])
    for start in range(0, items.shape[0], BLOCK):
        block = items[start : start + BLOCK]
        squared = (block * block).sum(axis=1)[:, None] - 2 * block @ others.T + norms
        if skip_self:
            rows = np.arange(block.shape[0])
            squared[rows, start + rows] = np.inf
        nearest[start : start + BLOCK] = np.sqrt(np.maximum(squared.min(axis=1), 0.0))
    return nearest


def near_duplicates(
    training: NDArray[np.generic], evaluation: NDArray[np.generic], *, near: float = NEAR
) -> NDArray[np.bool_]:
    """Which training items nearly duplicate an evaluation item.

    An item counts if its distance to the nearest evaluation item is below `near` times the median
    distance between an evaluation item and its nearest other evaluation item: the data's own
    spacing is the yardstick, so no unit has to be declared.

    Args:
        training: Shape (n, ...), finite numbers.
        evaluation: Shape (m, ...) with the same item shape, m >= 2.
        near: Fraction of the typical spacing, > 0.

    Returns:
        Shape (n,).

    Raises:
        InputError: Shapes do not fit or a value is not finite.

    It does not see paraphrases, crops or rotations: only closeness in the given features.
    Cost: O((n + m) m d) time, O(512 m) memory.
    """
    train, held = _matrix(training, "training"), _matrix(evaluation, "evaluation")
    if train.shape[1] != held.shape[1]:
        raise InputError(f"items differ in size: {train.shape[1]} and {held.shape[1]}")
    if held.shape[0] < 2 or near <= 0:  # noqa: PLR2004
        raise InputError("two evaluation items or more and a positive `near` are needed")
    spacing = float(np.median(_nearest(held, held, skip_self=True)))
    # A split of exact copies has no spacing; then only exact copies count.
    mask: NDArray[np.bool_] = _nearest(train, held, skip_self=False) <= max(near * spacing, 1e-9)
    return mask


def weighted_overlap(weights: Floats, duplicate: NDArray[np.bool_]) -> float:
    """Share of the training weight that lies on near-duplicates of evaluation items, in [0, 1].

    Args:
        weights: Shape (n,), >= 0, not all 0.
        duplicate: Shape (n,), from `near_duplicates`.

    Raises:
        InputError: Shapes differ, or weights are negative, not finite or all zero.
    """
    weight = np.asarray(weights, dtype=np.float64)
    if weight.shape != duplicate.shape or weight.ndim != 1:
        raise InputError(f"weights {weight.shape} and duplicates {duplicate.shape} must be one line of equal length")
    total = float(weight.sum())
    if not np.isfinite(total) or total <= 0 or (weight < 0).any():
        raise InputError("weights must be finite, not negative and not all zero")
    return float(weight[duplicate].sum() / total)


def subset_overlaps(
    training: NDArray[np.generic], subset: NDArray[np.generic], evaluation: NDArray[np.generic], *, near: float = NEAR
) -> dict[str, float]:
    """Share of near-duplicates in each subset of the training pool.

    Args:
        training: Shape (n, ...).
        subset: Shape (n,), the subset each item belongs to; names are turned into text.
        evaluation: Shape (m, ...).
        near: See `near_duplicates`.

    Raises:
        InputError: Shapes do not fit.
    """
    labels = np.asarray(subset)
    if labels.shape != (np.asarray(training).shape[0],):
        raise InputError(f"one subset for each training item is needed, not {labels.shape}")
    mask = near_duplicates(training, evaluation, near=near)
    return {str(label): float(mask[labels == label].mean()) for label in np.unique(labels)}
