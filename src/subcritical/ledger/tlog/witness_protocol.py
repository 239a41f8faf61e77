"""What a witness is asked and what it answers, without the network, the store or the key.

`decide` is a pure function of the request and the recorded state. That is not enough to be a witness: the caller must
hold the origin's record locked from reading it until the new one is safely stored, and sign only after that.
Otherwise two requests at once can make it sign a smaller tree after a larger one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from subcritical.ledger.tlog._encoding import (
    check_bytes,
    check_limit,
    check_range,
    from_decimal,
    from_hash_line,
    to_base64,
)
from subcritical.ledger.tlog.checkpoints import Checkpoint, parse_checkpoint
from subcritical.ledger.tlog.errors import FormatError, ProofError, SignatureError
from subcritical.ledger.tlog.hashing import EMPTY_ROOT, HASH_BYTES, PATH_MAX
from subcritical.ledger.tlog.notes import NOTE_BYTES_MAX, VerifierKey, open_note, parse_note
from subcritical.ledger.tlog.verify import verify_consistency

REQUEST_BYTES_MAX = NOTE_BYTES_MAX + 4096
"""Old size, 63 hashes and a note. A server stops reading a request here."""
TEXT_TYPE = "text/plain; charset=utf-8"
SIZE_TYPE = "text/x.tlog.size"
_OLD = b"old "

OK = 200
BAD_REQUEST = 400
FORBIDDEN = 403
NOT_FOUND = 404
CONFLICT = 409
UNPROCESSABLE = 422


class AddCheckpoint(msgspec.Struct, frozen=True):
    """Body of `POST /add-checkpoint`: size the proof starts from, at most 63 hashes of it, and the signed note."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    def __post_init__(self) -> None:
        """Refuse what could not be written and read back."""
        check_range(self.old_size, "add-checkpoint: old size")
        if len(self.proof) > PATH_MAX:
            raise FormatError(f"add-checkpoint: {len(self.proof)} hashes, at most {PATH_MAX} are accepted")
        for hashed in self.proof:
            check_bytes(hashed, "add-checkpoint: hash", HASH_BYTES)
        parse_checkpoint(parse_note(self.note).text)

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note claims. Not believed before `decide`; its origin says which record to look up."""
        return parse_checkpoint(parse_note(self.note).text)


class WitnessState(NamedTuple):
    """Latest checkpoint of one origin that a witness has cosigned: size and 32-byte root."""

    size: int
    root: bytes


class Decision(NamedTuple):
    """What to answer.

    With status 200 `state` is to be stored first; then the body is the cosignature lines, which only the caller can
    make, over the text of the request's note. Otherwise `state` is None and `body` is complete. `reason` is for the
    witness's own records: a 422 for a checkpoint with a valid signature is evidence against the log, so keep the note.
    """

    status: int
    body: bytes
    content_type: str
    state: WitnessState | None
    reason: str


def format_add_checkpoint(request: AddCheckpoint) -> bytes:
    """The request's body."""
    lines = [_OLD + b"%d" % request.old_size, *(to_base64(hashed) for hashed in request.proof), b"", request.note]
    return b"\n".join(lines)


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """A request from its body.

    Args:
        body: At most 260 KiB.

    Raises:
        FormatError: Not exactly what `format_add_checkpoint` writes. Answer with `malformed`.

    Source: tlog-witness, "add-checkpoint".
    """
    check_limit(body, "add-checkpoint", REQUEST_BYTES_MAX)
    head, blank, note = body.partition(b"\n\n")
    lines = head.split(b"\n")
    if not blank or not lines[0].startswith(_OLD):
        raise FormatError("add-checkpoint: its first line is not 'old <size>', or no blank line follows")
    old_size = from_decimal(lines[0].removeprefix(_OLD), "add-checkpoint: old size")
    if len(lines) - 1 > PATH_MAX:
        raise FormatError(f"add-checkpoint: {len(lines) - 1} hashes, at most {PATH_MAX} are accepted")
    proof = tuple(from_hash_line(line, f"add-checkpoint: hash {at}") for at, line in enumerate(lines[1:]))
    return AddCheckpoint(old_size, proof, note)


def parse_conflict(body: bytes) -> int:
    """The size that a witness answers with status 409 and type `text/x.tlog.size`.

    Raises:
        FormatError: Not a decimal number and a newline.
    """
    check_limit(body, "witness size", 32)
    if not body.endswith(b"\n"):
        raise FormatError("witness size: no newline at its end")
    return from_decimal(body[:-1], "witness size")


def malformed(error: FormatError) -> Decision:
    """Answer to a body that `parse_add_checkpoint` refuses."""
    return _refusal(BAD_REQUEST, str(error))


def decide(
    request: AddCheckpoint, logs: Mapping[str, Sequence[VerifierKey]], recorded: WitnessState | None
) -> Decision:
    """Decide about a request in the order of the specification, first failure first.

    404 unknown origin; 403 no signature by a trusted key of the origin, or a false one; 400 old size above the
    checkpoint's; 409 old size is not the recorded one; 422 a false proof, a proof from size 0, the same size with
    another root, or size 0 with another root than the empty tree's; else 200.

    Args:
        request: As parsed.
        logs: Keys that the witness trusts, by origin.
        recorded: Latest state cosigned for `request.checkpoint.origin`, or None if there was none.

    Source: tlog-witness, "add-checkpoint", as changed by C2SP pull request 280: 422 where it used to say 409 for
    another root at the same size.
    """
    checkpoint = request.checkpoint
    keys = logs.get(checkpoint.origin)
    if not keys:
        return _refusal(NOT_FOUND, f"origin {checkpoint.origin!r} is unknown")
    try:
        open_note(request.note, keys)
    except (SignatureError, FormatError) as error:
        return _refusal(FORBIDDEN, str(error))
    if request.old_size > checkpoint.size:
        return _refusal(BAD_REQUEST, f"old size {request.old_size} is above the checkpoint's {checkpoint.size}")
    known = WitnessState(0, EMPTY_ROOT) if recorded is None else recorded
    if request.old_size != known.size:
        reason = f"old size {request.old_size} is not the recorded {known.size}"
        return Decision(CONFLICT, b"%d\n" % known.size, SIZE_TYPE, None, reason)
    try:
        verify_consistency(known.size, known.root, checkpoint.size, checkpoint.root, request.proof)
    except ProofError as error:
        return _refusal(UNPROCESSABLE, str(error))
    return Decision(OK, b"", TEXT_TYPE, WitnessState(checkpoint.size, checkpoint.root), "consistent")


def _refusal(status: int, reason: str) -> Decision:
    return Decision(status, reason.encode("utf-8", "backslashreplace") + b"\n", TEXT_TYPE, None, reason)
