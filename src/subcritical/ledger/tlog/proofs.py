"""Proofs that one entry is in a log, in one file that can be checked years later without the log."""

from __future__ import annotations

import msgspec

from subcritical.ledger.tlog._encoding import (
    check_bytes,
    check_limit,
    check_range,
    from_base64,
    from_decimal,
    from_hash_line,
    to_base64,
)
from subcritical.ledger.tlog.checkpoints import parse_checkpoint
from subcritical.ledger.tlog.errors import FormatError
from subcritical.ledger.tlog.hashing import HASH_BYTES, PATH_MAX, leaf_hash
from subcritical.ledger.tlog.notes import NOTE_BYTES_MAX, parse_note
from subcritical.ledger.tlog.quorum import Policy, Satisfied
from subcritical.ledger.tlog.verify import verify_inclusion

EXTRA_BYTES_MAX = 64 << 10
PROOF_BYTES_MAX = NOTE_BYTES_MAX + 2 * EXTRA_BYTES_MAX
_HEADER = b"c2sp.org/tlog-proof@v1"
_EXTRA = b"extra "
_INDEX = b"index "


class TlogProof(msgspec.Struct, frozen=True):
    """Index (0 to 2^63 - 1), inclusion proof (at most 63 hashes, the leaf's sibling first) and signed checkpoint.

    `extra` is at most 64 KiB that nothing authenticates: never believe it. Making one with values outside the format
    raises `FormatError`.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be written and read back."""
        check_range(self.index, "tlog proof: index")
        if len(self.hashes) > PATH_MAX:
            raise FormatError(f"tlog proof: {len(self.hashes)} hashes, at most {PATH_MAX} are ever needed")
        for hashed in self.hashes:
            check_bytes(hashed, "tlog proof: hash", HASH_BYTES)
        if self.extra is not None:
            check_limit(self.extra, "tlog proof: extra data", EXTRA_BYTES_MAX)
        parse_checkpoint(parse_note(self.checkpoint).text)


def format_tlog_proof(proof: TlogProof) -> bytes:
    """The bytes of a `.tlog-proof` file."""
    lines = [_HEADER]
    if proof.extra is not None:
        lines.append(_EXTRA + to_base64(proof.extra))
    lines.append(_INDEX + b"%d" % proof.index)
    lines += [to_base64(hashed) for hashed in proof.hashes]
    return b"\n".join((*lines, b"", proof.checkpoint))


def parse_tlog_proof(data: bytes) -> TlogProof:
    """Take a `.tlog-proof` file apart; nothing is believed before `check_tlog_proof`.

    Args:
        data: At most 384 KiB.

    Raises:
        FormatError: Not exactly what `format_tlog_proof` writes.

    Source: tlog-proof v1, "Format".
    """
    check_limit(data, "tlog proof", PROOF_BYTES_MAX)
    head, blank, checkpoint = data.partition(b"\n\n")
    lines = head.split(b"\n")
    if not blank or lines.pop(0) != _HEADER:
        raise FormatError(f"tlog proof: its first line is not {_HEADER.decode()!r}, or no blank line follows")
    extra = None
    if lines and lines[0].startswith(_EXTRA):
        extra = from_base64(lines.pop(0).removeprefix(_EXTRA), "tlog proof: extra data")
    if not lines or not lines[0].startswith(_INDEX):
        raise FormatError("tlog proof: no index line")
    index = from_decimal(lines.pop(0).removeprefix(_INDEX), "tlog proof: index")
    if len(lines) > PATH_MAX:
        raise FormatError(f"tlog proof: {len(lines)} hashes, at most {PATH_MAX} are ever needed")
    hashes = tuple(from_hash_line(line, f"tlog proof: hash {at}") for at, line in enumerate(lines))
    return TlogProof(index, hashes, checkpoint, extra)


def check_tlog_proof(proof: TlogProof, leaf_data: bytes, policy: Policy) -> Satisfied:
    """Check that a log which `policy` trusts holds `leaf_data` at `proof.index`.

    Args:
        proof: As parsed.
        leaf_data: The entry itself, not its hash: a hash could be that of an inner node.
        policy: Whom the caller trusts.

    Returns:
        What the policy accepted. If its `quorum` is None, the log's operator alone vouches for the entry.

    Raises:
        FormatError: The checkpoint is none.
        SignatureError: A signature of a trusted key is false, or there is none.
        QuorumError: The log's signature or witnesses are missing.
        ProofError: The entry is not there.
    """
    satisfied = policy.check(proof.checkpoint)
    checkpoint = satisfied.checkpoint
    verify_inclusion(leaf_hash(leaf_data), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return satisfied
