"""Two signed checkpoints of one log that cannot both be true, kept as files so that anybody can check them.

EVIDENCE/<16 hex digits>/
├── one.note     the smaller checkpoint
├── two.note     the larger one, or the other one of the same size
└── proof.json   where the sizes differ: the root that the smaller size has in the larger tree, and its proof

The notes convict the key, whoever shows them. Nothing here proves who of its holders signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from subcritical.ledger.files import OsFiles, store
from subcritical.ledger.tlog import Tree, parse_checkpoint, parse_note, verify_consistency

ONE, TWO, PROOF = "one.note", "two.note", "proof.json"
_KEPT_MAX = 1000


class PrefixProof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That the tree of the second note has `root` at the first note's `size`. Hashes are hex."""

    size: int
    root: str
    proof: tuple[str, ...]


def prefix_proof(tree: Tree, size: int, end: int) -> PrefixProof:
    """What the first `size` entries of a tree are, provable to whoever trusts its root at `end`.

    Args:
        tree: Has at least `end` entries.
        size: From 0 to `end`.
        end: Size of the larger checkpoint.
    """
    proof = tuple(hashed.hex() for hashed in tree.consistency_proof(size, end))
    return PrefixProof(size=size, root=tree.root(size).hex(), proof=proof)


def check_split_view(one: bytes, two: bytes, proof: PrefixProof | None = None) -> bool:
    """Whether two notes contradict each other; their signatures and origins are the caller's to check.

    Raises:
        FormatError: One is not a signed checkpoint.
        ProofError: The proof does not belong to the second note.
    """
    first, second = (parse_checkpoint(parse_note(note).text) for note in (one, two))
    if first.size == second.size:
        return first.root != second.root
    if proof is None or proof.size != first.size:
        return False
    hashes: Sequence[bytes] = [bytes.fromhex(hashed) for hashed in proof.proof]
    verify_consistency(first.size, bytes.fromhex(proof.root), second.size, second.root, hashes)
    return bytes.fromhex(proof.root) != first.root


def keep_split_view(directory: Path, one: bytes, two: bytes, proof: PrefixProof | None = None) -> Path | None:
    """Keep the evidence, once for each pair.

    Args:
        directory: Made if need be, for its owner alone.
        one: The smaller note.
        two: The other one.
        proof: Needed where their sizes differ.

    Returns:
        The folder it lies in, or None if 1,000 pairs are kept already: more of them prove nothing new.

    Raises:
        OSError: It cannot be stored.
    """
    files = OsFiles()
    files.make_directory(directory)
    place = directory / hashlib.sha256(one + two).hexdigest()[:16]
    if not files.exists(place):
        if len(files.names(directory)) >= _KEPT_MAX:
            return None
        files.make_directory(place)
    contents = {ONE: one, TWO: two}
    if proof is not None:
        contents[PROOF] = msgspec.json.encode(proof) + b"\n"
    for name, content in contents.items():
        if name not in files.names(place):  # after a crash half of it can be there
            store(files, place / name, content)
    return place
