"""An append-only Merkle tree in memory that can prove anything about any earlier size of itself.

It keeps the hash of every complete subtree, level by level: 64 bytes an entry. A complete subtree never changes again,
so an earlier tree is a prefix of what is kept, and no proof has to hash entries. The tree remembers nothing on disk
and checks nobody: whoever fills it decides what it holds, and only a checkpoint that an outsider kept says otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from subcritical.errors import InputError
from subcritical.ledger.tlog.hashing import EMPTY_ROOT, HASH_BYTES, NODE_PREFIX, node_hash

_PAIR = 2 * HASH_BYTES


class Tree:
    """RFC 6962 Merkle tree over leaf hashes. Not for use from several threads at once."""

    __slots__ = ("_levels", "_size")

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        """Start with `leaf_hashes`, 32 bytes each."""
        self._levels = [bytearray()]
        self._size = 0
        self.extend(leaf_hashes)

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._size

    def append(self, leaf: bytes) -> int:
        """Add one leaf hash.

        Args:
            leaf: What `leaf_hash` gives, 32 bytes.

        Returns:
            Its index, from 0.

        Raises:
            InputError: Not 32 bytes.

        Cost: O(1) amortised, at most one node per level.
        """
        _check_leaf(leaf)
        levels, index = self._levels, self._size
        levels[0] += leaf
        self._size = rest = index + 1
        level = 0
        while not rest & 1:
            # The last two hashes of a level lie side by side, in the order in which their parent hashes them.
            parent = hashlib.sha256(NODE_PREFIX + levels[level][-_PAIR:]).digest()
            level += 1
            rest >>= 1
            if level == len(levels):
                levels.append(bytearray())
            levels[level] += parent
        return index

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Add many leaf hashes, or none of them if one is refused.

        Raises:
            InputError: One is not 32 bytes.
        """
        leaves = list(leaf_hashes)
        for leaf in leaves:
            _check_leaf(leaf)
        self._levels[0] += b"".join(leaves)
        self._size += len(leaves)
        level = 0
        while len(self._levels[level]) >= _PAIR:
            if level + 1 == len(self._levels):
                self._levels.append(bytearray())
            _complete(self._levels[level], self._levels[level + 1])
            level += 1

    def root(self, size: int | None = None) -> bytes:
        """Root of the first `size` entries, by default of all.

        Raises:
            InputError: `size` is outside 0 to `self.size`.

        Source: MTH of RFC 6962 section 2.1. Cost: O(log size).
        """
        size = self._checked(size, "size")
        return self._range(0, size) if size else EMPTY_ROOT

    def leaf(self, index: int) -> bytes:
        """Leaf hash at `index`, from 0 to `self.size` - 1."""
        return self.hashes(0, index, 1)

    def hashes(self, level: int, start: int, count: int) -> bytes:
        """Hashes of complete subtrees of 2^level entries, one after another.

        Args:
            level: 0 for leaves, up to 63.
            start: Index of the first within its level, from 0.
            count: How many, at least 1.

        Raises:
            InputError: The tree does not have them all.
        """
        known = len(self._levels[level]) // HASH_BYTES if _is_count(level) and level < len(self._levels) else 0
        if not (_is_count(start) and _is_count(count) and count > 0 and start + count <= known):
            raise InputError(
                f"tree of {self._size}: level {level!r} has {known} hashes, not {count!r} from {start!r} on"
            )
        return bytes(self._levels[level][start * HASH_BYTES : (start + count) * HASH_BYTES])

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Hashes that lead from entry `index` to the root of the first `size` entries, the leaf's sibling first.

        Args:
            index: From 0 to `size` - 1.
            size: From 1 to `self.size`; by default `self.size`.

        Raises:
            InputError: Out of range.

        Source: PATH of RFC 6962 section 2.1.1. Cost: O(log size) lookups and as many hashes.
        """
        end = self._checked(size, "size")
        if not _is_count(index) or index >= end:
            raise InputError(f"inclusion proof: index {index!r} is not in a tree of {end}")
        start, path = 0, []
        while end - start > 1:
            split = start + _split(end - start)
            if index < split:
                path.append(self._range(split, end))
                end = split
            else:
                path.append(self._range(start, split))
                start = split
        path.reverse()
        return path

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """Hashes which show that the first `old` entries are a prefix of the first `new`.

        Args:
            old: From 0 to `new`. From 0 or `new` itself the proof is empty.
            new: From 0 to `self.size`; by default `self.size`.

        Raises:
            InputError: Out of range.

        Source: PROOF of RFC 6962 section 2.1.2. Cost: as `inclusion_proof`.
        """
        end = self._checked(new, "new size")
        if not _is_count(old) or old > end:
            raise InputError(f"consistency proof: old size {old!r} is not from 0 to {end}")
        start, path = 0, []
        while old not in (0, end):
            split = start + _split(end - start)
            if old <= split:
                path.append(self._range(split, end))
                end = split
            else:
                path.append(self._range(start, split))
                start = split
        if start:
            # The verifier knows the old root only if the walk never went right; otherwise it needs this subtree, too.
            path.append(self._range(start, end))
        path.reverse()
        return path

    def _checked(self, size: int | None, what: str) -> int:
        if size is None:
            return self._size
        if not _is_count(size) or size > self._size:
            raise InputError(f"tree of {self._size}: {what} {size!r} is not from 0 to {self._size}")
        return size

    def _range(self, start: int, end: int) -> bytes:
        """Root over entries `start` to `end`; `start` is a multiple of a power of two not below their number."""
        count, position, result = end - start, end, b""
        while count:
            lowest = count & -count
            level = lowest.bit_length() - 1
            position -= lowest
            at = (position >> level) * HASH_BYTES
            left = bytes(self._levels[level][at : at + HASH_BYTES])
            result = node_hash(left, result) if result else left
            count -= lowest
        return result


def _complete(lower: bytearray, upper: bytearray) -> None:
    """Add to `upper` the parents that `lower` has become complete for."""
    for pair in range(len(upper) // HASH_BYTES, len(lower) // _PAIR):
        upper += hashlib.sha256(NODE_PREFIX + lower[pair * _PAIR : (pair + 1) * _PAIR]).digest()


def _split(count: int) -> int:
    """Largest power of two strictly below `count`, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _check_leaf(leaf: bytes) -> None:
    if type(leaf) is not bytes or len(leaf) != HASH_BYTES:
        raise InputError(f"tree: a leaf hash is {HASH_BYTES} bytes; hash the entry with leaf_hash first")
