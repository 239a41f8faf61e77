"""Checks of Merkle proofs by somebody who trusts only two roots.

Both raise rather than answer: an answer can be forgotten. They say nothing about who signed the roots; that is the
business of `Policy.check`. Hashes and sizes here are public, so nothing is compared in constant time.
"""

from __future__ import annotations

from collections.abc import Sequence

from subcritical.ledger.tlog.errors import ProofError
from subcritical.ledger.tlog.hashing import EMPTY_ROOT, HASH_BYTES, PATH_MAX, SIZE_MAX, node_hash

_INCLUSION = "inclusion proof"
_CONSISTENCY = "consistency proof"


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the entry with `leaf_hash` is number `index` of the tree of `size` entries with `root`.

    Args:
        leaf_hash: 32 bytes, computed by the caller from the entry itself, never taken from the prover.
        index: From 0 to `size` - 1.
        size: From 1 to 2^63 - 1, from a checkpoint that the caller trusts, as is `root`.
        proof: List or tuple of at most 63 hashes, the leaf's sibling first.
        root: 32 bytes.

    Raises:
        ProofError: The proof does not show it, or an argument is out of range or of another type.

    Source: RFC 9162 section 2.1.3.2. Cost: one hash per element.
    """
    _check_number(index, f"{_INCLUSION}: index")
    _check_number(size, f"{_INCLUSION}: size")
    if index >= size:
        raise ProofError(f"{_INCLUSION}: index {index} is not in a tree of {size}")
    _check_hash(leaf_hash, f"{_INCLUSION}: leaf hash")
    _check_hash(root, f"{_INCLUSION}: root")
    _check_path(proof, _INCLUSION)
    node, last, result = index, size - 1, leaf_hash
    for hashed in proof:
        _check_not_done(last, _INCLUSION)
        if node & 1 or node == last:
            result = node_hash(hashed, result)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            result = node_hash(result, hashed)
        node >>= 1
        last >>= 1
    _check_done(last, _INCLUSION)
    _check_root(result, root, f"{_INCLUSION}: entry {index} of {size}")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `old_size` entries with `old_root` is a prefix of the new one.

    Args:
        old_size: From 0 to `new_size`. From 0 and from `new_size` the proof must be empty; the root of size 0
            must be that of the empty tree.
        old_root: 32 bytes.
        new_size: From 0 to 2^63 - 1.
        new_root: 32 bytes.
        proof: List or tuple of at most 63 hashes.

    Raises:
        ProofError: The proof does not show it, or an argument is out of range or of another type.

    Source: RFC 9162 section 2.1.4.2. Cost: up to two hashes per element.
    """
    _check_number(old_size, f"{_CONSISTENCY}: old size")
    _check_number(new_size, f"{_CONSISTENCY}: new size")
    _check_hash(old_root, f"{_CONSISTENCY}: old root")
    _check_hash(new_root, f"{_CONSISTENCY}: new root")
    _check_path(proof, _CONSISTENCY)
    if old_size > new_size:
        raise ProofError(f"{_CONSISTENCY}: old size {old_size} is above new size {new_size}")
    if old_size in (0, new_size):
        _check_trivial(old_size, old_root, new_size, new_root, proof)
    else:
        _walk_consistency(old_size, old_root, new_size, new_root, proof)


def _check_trivial(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise ProofError(f"{_CONSISTENCY}: from {old_size} to {new_size} it must be empty, not {len(proof)} hashes")
    if old_size == 0:
        _check_root(old_root, EMPTY_ROOT, f"{_CONSISTENCY}: old size 0")
    if old_size == new_size:
        _check_root(old_root, new_root, f"{_CONSISTENCY}: both sizes are {new_size}, but")


def _walk_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    if not proof:
        raise ProofError(f"{_CONSISTENCY}: from {old_size} to {new_size} it must not be empty")
    # An old tree of a power of two is itself a node of the new one, so the prover leaves it out.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old_result = new_result = path[0]
    for hashed in path[1:]:
        _check_not_done(last, _CONSISTENCY)
        if node & 1 or node == last:
            old_result = node_hash(hashed, old_result)
            new_result = node_hash(hashed, new_result)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            new_result = node_hash(new_result, hashed)
        node >>= 1
        last >>= 1
    _check_done(last, _CONSISTENCY)
    _check_root(old_result, old_root, f"{_CONSISTENCY}: old size {old_size}")
    _check_root(new_result, new_root, f"{_CONSISTENCY}: new size {new_size}")


def _check_not_done(last: int, what: str) -> None:
    if last == 0:
        raise ProofError(f"{what}: it goes on above the root")


def _check_done(last: int, what: str) -> None:
    """Without this a short proof would pass an inner node off as an entry."""
    if last != 0:
        raise ProofError(f"{what}: it ends below the root")


def _check_root(computed: bytes, root: bytes, what: str) -> None:
    if computed != root:
        raise ProofError(f"{what}: the root is {root.hex()}, the proof leads to {computed.hex()}")


def _check_number(value: object, what: str) -> None:
    if type(value) is not int or not 0 <= value <= SIZE_MAX:
        raise ProofError(f"{what} {value!r} is not a whole number from 0 to {SIZE_MAX}")


def _check_hash(value: object, what: str) -> None:
    if type(value) is not bytes or len(value) != HASH_BYTES:
        raise ProofError(f"{what} is not {HASH_BYTES} bytes")


def _check_path(proof: object, what: str) -> None:
    if not isinstance(proof, list | tuple) or len(proof) > PATH_MAX:
        raise ProofError(f"{what}: not a list of at most {PATH_MAX} hashes")
    for at, hashed in enumerate(proof):
        _check_hash(hashed, f"{what}: hash {at}")
