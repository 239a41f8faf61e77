"""Near-duplicates on real digits, and the weight they carry."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from subcritical.errors import InputError
from subcritical.stats import near_duplicates, subset_overlaps, weighted_overlap


@pytest.fixture(scope="module")
def digits():
    items = load_digits().data.astype(float)
    order = np.random.default_rng(1).permutation(len(items))
    return items[order[:400]], items[order[400:1400]]


def test_clean_pool_has_none_and_planted_ones_are_found(digits):
    public, pool = digits
    rng = np.random.default_rng(2)
    assert near_duplicates(pool, public).mean() <= 0.002
    for noise in (0.0, 0.5):
        copies = np.clip(public[:100] + rng.normal(0, noise, (100, 64)), 0, 16)
        assert near_duplicates(copies, public).all()
    # Not closeness to anything at all: the same noise on items that are not in the split.
    assert near_duplicates(pool + rng.normal(0, 0.5, pool.shape), public).mean() <= 0.002


def test_scale_and_shape_do_not_matter(digits):
    public, pool = digits
    mixed = np.concatenate([pool[:50], public[:50]])
    plain = near_duplicates(mixed, public)
    assert (near_duplicates(mixed * 1000, public * 1000) == plain).all()
    assert (near_duplicates(mixed.reshape(-1, 8, 8), public.reshape(-1, 8, 8)) == plain).all()
    assert plain[50:].all()


def test_overlap_is_weighted(digits):
    public, pool = digits
    items = np.concatenate([pool[:90], public[:10]])
    subset = np.array(["a"] * 60 + ["b"] * 30 + ["leak"] * 10)
    overlaps = subset_overlaps(items, subset, public)
    assert overlaps == {"a": 0.0, "b": 0.0, "leak": 1.0}
    mask = near_duplicates(items, public)
    assert weighted_overlap(np.ones(100), mask) == pytest.approx(0.1)
    assert weighted_overlap(np.where(subset == "leak", 9.0, 1.0), mask) == pytest.approx(0.5)


def test_bad_input_is_refused(digits):
    public, pool = digits
    with pytest.raises(InputError):
        near_duplicates(pool[:, :10], public)
    with pytest.raises(InputError):
        near_duplicates(np.full((3, 64), np.nan), public)
    with pytest.raises(InputError):
        near_duplicates(pool, public[:1])
    with pytest.raises(InputError):
        weighted_overlap(np.zeros(3), np.zeros(3, dtype=bool))
    with pytest.raises(InputError):
        subset_overlaps(pool, np.array(["a"]), public)
