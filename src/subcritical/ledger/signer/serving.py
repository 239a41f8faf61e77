"""The signer's requests, one JSON object a line, and its answers.

    {"do":"key","origin":O}                                   -> {"key": verifier key}
    {"do":"last","origin":O}                                  -> {"size":N,"root":hex}
    {"do":"sign","origin":O,"size":N,"root":hex,"proof":[..]} -> {"note": text}
    {"do":"manifest","origin":O,"root":hex}                   -> {"note": text}   (SHA-256 of a bundle's list of files)
    {"do":"statement","origin":O,"payload":text}              -> {"signature": base64}   (in-toto, as DSSE signs it)
    {"do":"rotate","origin":O}                                -> {"key": new, "statement": note signed by the old key}

Whatever goes wrong is an answer `{"refused": why}`; the process ends when its input does.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import BinaryIO, Literal, Protocol

import msgspec

from subcritical.errors import LedgerError, SubcriticalError
from subcritical.ledger.signer.keyfile import Keys
from subcritical.ledger.signer.state import SigningState
from subcritical.ledger.tlog import (
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    format_note,
    format_verifier_key,
)

LINE_BYTES_MAX = 4 << 20
STATEMENT_TYPE = "application/vnd.in-toto+json"


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of input. Hashes are hex."""

    do: Literal["key", "last", "sign", "manifest", "statement", "rotate"]
    origin: str
    size: int = 0
    root: str = ""
    payload: str = ""
    proof: tuple[str, ...] = ()


class LogKey(Protocol):
    """What signs the body of a checkpoint for one origin."""

    verifier_key: VerifierKey

    def sign(self, text: bytes, /) -> Signature:
        """Sign it."""
        ...


class Desk:
    """Answers requests. `key_of` gives the key of an origin; `keys` is there where the key is a file of ours."""

    def __init__(self, state: SigningState, keys: Keys | None, key_of: Callable[[str], LogKey]) -> None:
        """Take the state, the key file where there is one, and what makes a key for an origin."""
        self._state = state
        self._keys = keys
        self._key_of = key_of

    def answer(self, line: bytes) -> dict[str, object]:
        """Answer one request; never raises for what the request says."""
        try:
            request = msgspec.json.decode(line, type=Request)
            return self._answer(request)
        except (SubcriticalError, msgspec.MsgspecError, ValueError) as error:
            return {"refused": str(error)}

    def _answer(self, request: Request) -> dict[str, object]:
        if request.do == "last":
            last = self._state.last(request.origin)
            return {"size": last.size, "root": last.root}
        key = self._key_of(request.origin)
        if request.do == "key":
            return {"key": format_verifier_key(key.verifier_key).decode()}
        if request.do == "rotate":
            return self._rotate(request.origin, key)
        if request.do == "manifest":
            return {"note": signed_manifest(key, request.origin, bytes.fromhex(request.root)).decode()}
        if request.do == "statement":
            return {"signature": base64.b64encode(signed_statement(key, request.payload.encode())).decode()}
        checkpoint = Checkpoint(request.origin, request.size, bytes.fromhex(request.root))
        proof = [bytes.fromhex(hashed) for hashed in request.proof]
        return {"note": self._state.sign(checkpoint, proof, key.sign).decode()}

    def _rotate(self, origin: str, old: LogKey) -> dict[str, object]:
        if self._keys is None:
            return {"refused": "the key is held by an external command: rotate it there"}
        self._keys.rotate()
        key = self._keys.of(origin, "").verifier_key
        self._state.use(origin, key.key_id.hex())
        new = format_verifier_key(key).decode()
        text = f"subcritical key rotation v1\n{origin}\n{new}\n".encode()
        statement = format_note(Note(text=text, signatures=(old.sign(text),)))
        return {"key": new, "statement": statement.decode()}


def signed_manifest(key: LogKey, origin: str, digest: bytes) -> bytes:
    """A note over a bundle's list of files. Its second line is no number, so it cannot be taken for a checkpoint."""
    if len(digest) != 32:  # noqa: PLR2004 - SHA-256
        raise LedgerError(f"manifest: a SHA-256 has 32 bytes, not {len(digest)}")
    text = f"subcritical audit bundle v1\n{origin}\n{digest.hex()}\n".encode()
    return format_note(Note(text=text, signatures=(key.sign(text),)))


def signed_statement(key: LogKey, payload: bytes) -> bytes:
    """The bare signature over DSSE's pre-authentication encoding of an in-toto statement.

    What is signed is one line that begins with `DSSEv1`, so it cannot be taken for a checkpoint, which has three.

    Raises:
        LedgerError: Not one line of text with its newline.
    """
    if payload.count(b"\n") != 1:
        raise LedgerError("statement: one line of JSON with its newline is signed, nothing else")
    encoded = b"DSSEv1 %d %b %d %b" % (len(STATEMENT_TYPE), STATEMENT_TYPE.encode(), len(payload), payload)
    return key.sign(encoded).payload


def serve(desk: Desk, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the input ends. A line longer than 4 MiB ends it, too: nobody of ours writes one."""
    while line := requests.readline(LINE_BYTES_MAX):
        if not line.endswith(b"\n"):
            return
        answers.write(msgspec.json.encode(desk.answer(line)) + b"\n")
        answers.flush()


def file_desk(state: SigningState, keys: Keys) -> Desk:
    """A desk whose keys are the file's: a log's own where it has one, else the one in use, under the log's name."""
    return Desk(state, keys, lambda origin: keys.of(origin, state.last(origin).key))
