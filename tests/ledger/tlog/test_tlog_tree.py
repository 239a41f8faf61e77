"""The fast tree against the text of RFC 6962, and against the roots that Certificate Transparency publishes."""

import random

import naive_merkle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlog_world import entries, tree

from subcritical.errors import InputError
from subcritical.ledger.tlog import (
    EMPTY_ROOT,
    ProofError,
    Tree,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
SMALL = 70


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size):
    fast = Tree(leaf_hash(data) for data in INPUTS)
    assert naive_merkle.mth(INPUTS[:size]).hex() == ROOTS[size]
    assert fast.root(size).hex() == ROOTS[size]


def test_the_empty_tree():
    assert Tree().root() == EMPTY_ROOT == naive_merkle.mth([])
    assert Tree().size == 0


def test_every_size_up_to_70_is_as_the_rfc_says():
    data = entries(SMALL)
    whole = Tree(leaf_hash(entry) for entry in data)
    for size in range(SMALL + 1):
        assert whole.root(size) == naive_merkle.mth(data[:size])
        for index in range(size):
            proof = whole.inclusion_proof(index, size)
            assert proof == naive_merkle.path(index, data[:size])
            verify_inclusion(leaf_hash(data[index]), index, size, proof, whole.root(size))
        for old in range(size + 1):
            proof = whole.consistency_proof(old, size)
            assert proof == naive_merkle.proof(old, data[:size])
            verify_consistency(old, whole.root(old), size, whole.root(size), proof)


def test_random_larger_sizes():
    pick = random.Random(20)
    data = entries(3000)
    whole = tree(3000)
    for _ in range(12):
        size = pick.randrange(200, 3000)
        index, old = pick.randrange(size), pick.randrange(size + 1)
        assert whole.root(size) == naive_merkle.mth(data[:size])
        assert whole.inclusion_proof(index, size) == naive_merkle.path(index, data[:size])
        assert whole.consistency_proof(old, size) == naive_merkle.proof(old, data[:size])


@given(st.lists(st.integers(0, 40), max_size=8))
def test_appending_and_extending_in_any_mixture_give_one_tree(steps):
    mixed, total = Tree(), 0
    for step in steps:
        leaves = [leaf_hash(b"entry %d" % number) for number in range(total, total + step)]
        if step % 3:
            mixed.extend(leaves)
        else:
            assert [mixed.append(leaf) for leaf in leaves] == list(range(total, total + step))
        total += step
        assert mixed.size == total
        assert mixed.root() == tree(total).root()


def test_an_earlier_size_is_not_changed_by_later_entries():
    growing, roots = Tree(), [EMPTY_ROOT]
    for entry in entries(300):
        growing.append(leaf_hash(entry))
        roots.append(growing.root())
    assert [growing.root(size) for size in range(301)] == roots


def test_a_refused_leaf_leaves_the_tree_as_it_was():
    small = tree(5)
    before = small.root()
    for refused in ([leaf_hash(b"x"), b"short"], [b""], [bytearray(32)], ["x" * 32]):
        with pytest.raises(InputError, match="32 bytes"):
            small.extend(refused)
    with pytest.raises(InputError, match="leaf_hash"):
        small.append(b"an entry, not its hash")
    assert (small.size, small.root()) == (5, before)


@pytest.mark.parametrize("size", [-1, 6, True, 2.0, "3"])
def test_sizes_a_tree_does_not_have(size):
    small = tree(5)
    for ask in (small.root, lambda s: small.inclusion_proof(0, s), lambda s: small.consistency_proof(0, s)):
        with pytest.raises(InputError):
            ask(size)
    with pytest.raises(InputError):
        small.consistency_proof(size)
    with pytest.raises(InputError):
        small.inclusion_proof(size if size != 6 else 5)


def test_hashes_of_complete_subtrees():
    small = tree(11)
    assert small.hashes(1, 1, 1) == node_hash(small.leaf(2), small.leaf(3))
    assert small.hashes(3, 0, 1) == small.root(8)
    for level, start, count in ((3, 1, 1), (4, 0, 1), (0, 11, 1), (0, 0, 0), (0, -1, 1), (-1, 0, 1), (True, 0, 1)):
        with pytest.raises(InputError):
            small.hashes(level, start, count)


def test_numbers_up_to_the_last_bit_are_walked_not_counted():
    # No tree this large exists, but a verifier must answer at once and say no.
    huge = 2**63 - 1
    path = [leaf_hash(b"%d" % at) for at in range(63)]
    with pytest.raises(ProofError):
        verify_inclusion(leaf_hash(b"x"), huge - 1, huge, path, EMPTY_ROOT)
    with pytest.raises(ProofError):
        verify_consistency(huge - 1, EMPTY_ROOT, huge, EMPTY_ROOT, path)
