"""Forged proofs of every class we could think of are refused; and the tests go red when a guard is taken out."""

import random

import pytest
from tlog_world import entries, tree

from subcritical.errors import LedgerError
from subcritical.ledger.tlog import (
    EMPTY_ROOT,
    SIZE_MAX,
    ProofError,
    Tree,
    hashing,
    leaf_hash,
    node_hash,
    verify,
    verify_consistency,
    verify_inclusion,
)

LEAST = 30
SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100]
TREE = tree(130)
OTHER = tree(130, b"another")
LEAVES = [leaf_hash(entry) for entry in entries(130)]


def honest():
    """Index, size and proof over the sizes at and beside powers of two."""
    for size in SIZES:
        for index in sorted({0, 1, size // 2, size - 2, size - 1} & set(range(size))):
            yield index, size, TREE.inclusion_proof(index, size)


def pairs():
    for new in SIZES:
        for old in sorted({1, 2, 3, 4, new // 2, new - 1, new} & set(range(1, new + 1))):
            yield old, new, TREE.consistency_proof(old, new)


def swaps(proof):
    for at in range(len(proof) - 1):
        yield [*proof[:at], proof[at + 1], proof[at], *proof[at + 2 :]]


def wrong_index():
    for index, size, proof in honest():
        for other in {0, index - 1, index + 1, index ^ 1, size - 1} & set(range(size)) - {index}:
            yield LEAVES[index], other, size, proof, TREE.root(size)


def index_outside():
    for index, size, proof in honest():
        for other in (size, size + index, -1, -size, SIZE_MAX, SIZE_MAX + 1):
            yield LEAVES[index], other, size, proof, TREE.root(size)


def wrong_size():
    for index, size, proof in honest():
        for other in {1, size - 1, size + 1, 2 * size} - {size}:
            if index < other:
                yield LEAVES[index], index, other, proof, TREE.root(other) if other <= TREE.size else EMPTY_ROOT
                if other <= TREE.size and len(TREE.inclusion_proof(index, other)) != len(proof):
                    yield LEAVES[index], index, other, proof, TREE.root(size)


def size_zero():
    for index, size, proof in honest():
        yield LEAVES[index], index, 0, proof, TREE.root(size)
        yield LEAVES[index], 0, 0, [], EMPTY_ROOT


def dropped():
    for index, size, proof in honest():
        for at in range(len(proof)):
            yield LEAVES[index], index, size, proof[:at] + proof[at + 1 :], TREE.root(size)


def added():
    for index, size, proof in honest():
        for at in range(len(proof) + 1):
            for extra in (LEAVES[index], TREE.root(size), bytes(32), *proof[:1]):
                yield LEAVES[index], index, size, [*proof[:at], extra, *proof[at:]], TREE.root(size)


def swapped():
    for index, size, proof in honest():
        for forged in swaps(proof):
            yield LEAVES[index], index, size, forged, TREE.root(size)


def inner_node_as_entry():
    """A node some levels up is offered as the entry, with the rest of its path, at every index that could fit."""
    for index, size, proof in honest():
        node, at = LEAVES[index], index
        for level, hashed in enumerate(proof[:-1] if index != size - 1 else []):
            node = node_hash(hashed, node) if at & 1 else node_hash(node, hashed)
            at >>= 1
            rest = proof[level + 1 :]
            for claimed in {index, at, 0}:
                yield node, claimed, size, rest, TREE.root(size)


def proof_of_another_tree():
    for index, size, _ in honest():
        if size > 1:
            yield LEAVES[index], index, size, OTHER.inclusion_proof(index, size), TREE.root(size)
        yield LEAVES[index], index, size, TREE.inclusion_proof(index, size), OTHER.root(size)


def another_entry():
    for index, size, proof in honest():
        yield leaf_hash(b"forged"), index, size, proof, TREE.root(size)
        yield leaf_hash(LEAVES[index]), index, size, proof, TREE.root(size)


def flipped_bit():
    pick = random.Random(5)
    for index, size, proof in honest():
        for at, hashed in enumerate(proof):
            broken = bytearray(hashed)
            broken[pick.randrange(32)] ^= 1 << pick.randrange(8)
            yield LEAVES[index], index, size, [*proof[:at], bytes(broken), *proof[at + 1 :]], TREE.root(size)


def wrong_types():
    for index, size, proof in honest():
        root = TREE.root(size)
        yield LEAVES[index], float(index), size, proof, root
        yield LEAVES[index], str(index), size, proof, root
        yield LEAVES[index], index, None, proof, root
        yield LEAVES[index].hex(), index, size, proof, root
        yield bytearray(LEAVES[index]), index, size, proof, root
        yield LEAVES[index][:31], index, size, proof, root
        yield LEAVES[index], index, size, b"".join(proof), root
        yield LEAVES[index], index, size, iter(proof), root
        yield LEAVES[index], index, size, None, root
        yield LEAVES[index], index, size, [*proof, b"short"], root
        yield LEAVES[index], index, size, proof, root.hex()
        yield LEAVES[index], index, size, [bytes(32)] * 64, root
        if index < 2:
            yield LEAVES[index], bool(index), size, proof, root


INCLUSION = [
    wrong_index,
    index_outside,
    wrong_size,
    size_zero,
    dropped,
    added,
    swapped,
    inner_node_as_entry,
    proof_of_another_tree,
    another_entry,
    flipped_bit,
    wrong_types,
]


@pytest.mark.parametrize("forge", INCLUSION, ids=lambda forge: forge.__name__)
def test_forged_inclusion_proofs_are_refused(forge):
    forged = list(forge())
    assert len(forged) >= LEAST
    for claim in forged:
        with pytest.raises(ProofError, match="inclusion proof"):
            verify_inclusion(*claim)


def wrong_old_size():
    for old, new, proof in pairs():
        for other in ({1, old - 1, old + 1, 2 * old, new} & set(range(1, new + 1))) - {old}:
            yield other, TREE.root(old), new, TREE.root(new), proof
            yield other, TREE.root(other), new, TREE.root(new), proof or [TREE.root(1)]


def wrong_new_size():
    for old, new, proof in pairs():
        for other in {new - 1, new + 1, 2 * new} - {new}:
            if old <= other <= TREE.size:
                yield old, TREE.root(old), other, TREE.root(other), proof if proof or other > old else [TREE.root(1)]
                if len(TREE.consistency_proof(old, other)) != len(proof):
                    yield old, TREE.root(old), other, TREE.root(new), proof


def sizes_outside():
    for old, new, proof in pairs():
        for claim in ((-old, new), (old, -new), (new + 1, new), (old, SIZE_MAX + 1), (old, 0), (SIZE_MAX + 1, new)):
            yield claim[0], TREE.root(old), claim[1], TREE.root(new), proof


def from_nothing_with_something():
    for old, new, proof in pairs():
        yield 0, EMPTY_ROOT, new, TREE.root(new), proof or [TREE.root(new)]
        yield 0, TREE.root(old), new, TREE.root(new), []
        yield 0, EMPTY_ROOT, 0, TREE.root(new), []


def same_size_other_root():
    for _, new, proof in pairs():
        yield new, TREE.root(new), new, OTHER.root(new), []
        yield new, TREE.root(new), new, TREE.root(new), proof or [TREE.root(new)]


def dropped_step():
    for old, new, proof in pairs():
        for at in range(len(proof)):
            yield old, TREE.root(old), new, TREE.root(new), proof[:at] + proof[at + 1 :]


def added_step():
    for old, new, proof in pairs():
        for at in range(len(proof) + 1):
            for extra in (TREE.root(old), TREE.root(new), bytes(32), *proof[:1]):
                yield old, TREE.root(old), new, TREE.root(new), [*proof[:at], extra, *proof[at:]]


def swapped_steps():
    for old, new, proof in pairs():
        for forged in swaps(proof):
            yield old, TREE.root(old), new, TREE.root(new), forged


def changed_history():
    """The new tree is honest about everything but one early entry."""
    for old, new, _ in pairs():
        for changed in {0, old // 2, old - 1}:
            liar = Tree([*LEAVES[:changed], leaf_hash(b"rewritten"), *LEAVES[changed + 1 : new]])
            yield old, TREE.root(old), new, liar.root(), liar.consistency_proof(old)
            yield old, TREE.root(old), new, liar.root(), TREE.consistency_proof(old, new)


def steps_of_another_tree():
    for old, new, _ in pairs():
        if old < new:
            yield old, TREE.root(old), new, TREE.root(new), OTHER.consistency_proof(old, new)
        yield old, OTHER.root(old), new, TREE.root(new), TREE.consistency_proof(old, new)
        yield old, TREE.root(old), new, OTHER.root(new), OTHER.consistency_proof(old, new)


def roots_exchanged():
    for old, new, proof in pairs():
        if old < new:
            yield old, TREE.root(new), new, TREE.root(old), proof
            yield old, TREE.root(old), new, TREE.root(old), proof
            yield old, TREE.root(new), new, TREE.root(new), proof


def inclusion_proof_instead():
    for old, new, proof in pairs():
        other = TREE.inclusion_proof(old - 1, new)
        if other not in (proof, []):
            yield old, TREE.root(old), new, TREE.root(new), other


def step_wrong_types():
    for old, new, proof in pairs():
        roots = TREE.root(old), TREE.root(new)
        yield str(old), roots[0], new, roots[1], proof
        yield old, roots[0], float(new), roots[1], proof
        yield old, roots[0].hex(), new, roots[1], proof
        yield old, roots[0], new, roots[1][:31], proof
        yield old, roots[0], new, roots[1], b"".join(proof)
        yield old, roots[0], new, roots[1], None
        yield old, roots[0], new, roots[1], [*proof, b""]
        yield old, roots[0], new, roots[1], [bytes(32)] * 64
        if old == 1:
            yield True, roots[0], new, roots[1], proof


CONSISTENCY = [
    wrong_old_size,
    wrong_new_size,
    sizes_outside,
    from_nothing_with_something,
    same_size_other_root,
    dropped_step,
    added_step,
    swapped_steps,
    changed_history,
    steps_of_another_tree,
    roots_exchanged,
    inclusion_proof_instead,
    step_wrong_types,
]


@pytest.mark.parametrize("forge", CONSISTENCY, ids=lambda forge: forge.__name__)
def test_forged_consistency_proofs_are_refused(forge):
    forged = list(forge())
    assert len(forged) >= LEAST
    for claim in forged:
        with pytest.raises(ProofError, match="consistency proof"):
            verify_consistency(*claim)


def test_a_refusal_is_a_broken_ledger_and_says_what_and_where():
    with pytest.raises(LedgerError, match=r"inclusion proof: entry 3 of 8: the root is [0-9a-f]{64}, the proof leads"):
        verify_inclusion(leaf_hash(b"x"), 3, 8, TREE.inclusion_proof(3, 8), TREE.root(8))


def test_the_size_is_bound_by_the_checkpoint_and_not_by_the_path():
    # Known and harmless: sizes 3 and 4 give entry 0 a path of one shape. So size and root come from one checkpoint.
    verify_inclusion(LEAVES[0], 0, 4, TREE.inclusion_proof(0, 3), TREE.root(3))


def test_an_inner_node_is_no_entry():
    left, right = node_hash(*LEAVES[:2]), node_hash(*LEAVES[2:4])
    with pytest.raises(ProofError, match="ends below the root"):
        verify_inclusion(left, 0, 4, [right], TREE.root(4))


def test_a_short_step_is_no_prefix():
    # Sizes 2 and 8: the two last steps are taken for the whole way.
    proof = TREE.consistency_proof(4, 8)
    with pytest.raises(ProofError, match="ends below the root"):
        verify_consistency(2, TREE.root(4), 8, TREE.root(8), proof)


def test_two_nodes_are_no_entry_even_where_the_prover_says_what_the_entry_is():
    forged = b"\x01" + LEAVES[0] + LEAVES[1], b"\x01" + LEAVES[2] + LEAVES[3]
    claimed = Tree(leaf_hash(entry) for entry in forged)
    with pytest.raises(ProofError, match="the root is"):
        verify_inclusion(leaf_hash(forged[0]), 0, 2, claimed.inclusion_proof(0), TREE.root(4))


@pytest.mark.parametrize("shown", [test_an_inner_node_is_no_entry, test_a_short_step_is_no_prefix])
def test_planted_failure_without_the_final_length_check(monkeypatch, shown):
    shown()
    monkeypatch.setattr(verify, "_check_done", lambda *_: None)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        shown()


@pytest.mark.parametrize("forge", [dropped, dropped_step])
def test_planted_failure_without_the_comparison_of_roots(monkeypatch, forge):
    monkeypatch.setattr(verify, "_check_done", lambda *_: None)
    monkeypatch.setattr(verify, "_check_root", lambda *_: None)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        (test_forged_inclusion_proofs_are_refused if forge is dropped else test_forged_consistency_proofs_are_refused)(
            forge
        )


def test_planted_failure_without_the_prefix_of_leaves(monkeypatch):
    test_two_nodes_are_no_entry_even_where_the_prover_says_what_the_entry_is()
    monkeypatch.setattr(hashing, "LEAF_PREFIX", b"")
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_two_nodes_are_no_entry_even_where_the_prover_says_what_the_entry_is()
