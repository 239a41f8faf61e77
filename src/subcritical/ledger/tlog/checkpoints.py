"""The body of a checkpoint: what a log claims at one size.

It is worth what its signatures are worth; `Policy.check` says whether they suffice.
"""

from __future__ import annotations

import msgspec

from subcritical.ledger.tlog._encoding import (
    check_bytes,
    check_limit,
    check_range,
    from_decimal,
    from_hash_line,
    from_utf8,
    to_base64,
    to_utf8,
)
from subcritical.ledger.tlog.errors import FormatError
from subcritical.ledger.tlog.hashing import HASH_BYTES

CHECKPOINT_BYTES_MAX = 16 << 10
"""Longest body read. Ours have three lines and about 100 bytes."""
_LINES = 3


class Checkpoint(msgspec.Struct, frozen=True):
    """Origin, size and root of a log.

    `origin` is the log's name, one line of at least one character; `size` is 0 to 2^63 - 1, `root` 32 bytes.
    `extensions` are lines whose meaning only their log knows: ML-DSA-44 cosignatures do not cover them, so leave
    them empty. Making one with values outside the format raises `FormatError`.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what could not be written and read back."""
        _check_line(self.origin, "checkpoint: origin")
        check_range(self.size, "checkpoint: size")
        check_bytes(self.root, "checkpoint: root", HASH_BYTES)
        for line in self.extensions:
            _check_line(line, "checkpoint: extension line")


def format_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The body that is signed, with its final newline and without the blank line after it.

    Raises:
        FormatError: Longer than `CHECKPOINT_BYTES_MAX`.
    """
    root = to_base64(checkpoint.root).decode()
    lines = (checkpoint.origin, str(checkpoint.size), root, *checkpoint.extensions)
    body = "".join(f"{line}\n" for line in lines).encode()
    check_limit(body, "checkpoint", CHECKPOINT_BYTES_MAX)
    return body


def parse_checkpoint(body: bytes) -> Checkpoint:
    """The checkpoint in a note's text.

    Args:
        body: At most 16 KiB, with its final newline.

    Raises:
        FormatError: Not exactly what `format_checkpoint` writes.

    Source: tlog-checkpoint 1.0.0, "Note text". Whether size 0 goes with the root of the empty tree is not checked here
    but by `verify_consistency` and `Policy.check`: a witness has an answer of its own for that case.
    """
    check_limit(body, "checkpoint", CHECKPOINT_BYTES_MAX)
    if not body.endswith(b"\n"):
        raise FormatError("checkpoint: no newline at its end")
    lines = body[:-1].split(b"\n")
    if len(lines) < _LINES:
        raise FormatError(f"checkpoint: {len(lines)} lines, at least {_LINES} make one")
    return Checkpoint(
        origin=from_utf8(lines[0], "checkpoint: origin"),
        size=from_decimal(lines[1], "checkpoint: size"),
        root=from_hash_line(lines[2], "checkpoint: root"),
        extensions=tuple(from_utf8(line, "checkpoint: extension line") for line in lines[_LINES:]),
    )


def _check_line(line: str, what: str) -> None:
    if not line or "\n" in line:
        raise FormatError(f"{what}: not one line of at least one character")
    to_utf8(line, what)
