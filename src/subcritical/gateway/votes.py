"""Votes of people about one proposal: what is signed, and how a signature is checked.

A vote names the exact bytes (tree and base), the policy that asks, the run, its epoch and a time to live, so it fits no
other change, no other run, no later start and no later day.
"""

from __future__ import annotations

import base64
import binascii
from typing import Literal, Protocol, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from subcritical.canonical import canonical_json
from subcritical.errors import InputError
from subcritical.gateway.principals import Principal, Principals, public_of

Verdict = Literal["approve", "reject", "override"]

LIFETIME_MAX_S = {"approve": 7 * 86_400, "reject": 7 * 86_400, "override": 86_400}
"""Longest time to live of a vote, in seconds."""
REASON_MAX = 2000
SIGNED_MAX = 16_384
_CONTEXT = b"subcritical vote v1\n"


class Vote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person signs. `expires` is in Unix seconds; digests are `sha256:` and 64 hex digits."""

    verdict: Verdict
    run: str
    proposal: str
    base: str
    tree: str
    policy: str
    epoch: int
    expires: int
    reason: str = ""

    def signed_bytes(self) -> bytes:
        """The message of the signature. Its first line belongs to votes alone, so a vote is nothing else."""
        return _CONTEXT + canonical_json(self)


class Signable(Protocol):
    """What a principal signs. Its message begins with a line that no other kind's message has."""

    def signed_bytes(self) -> bytes:
        """The message of the signature."""
        ...


SignableT = TypeVar("SignableT", bound=Signable)


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    vote: msgspec.Raw
    key: str
    signature: str


def sign_vote(vote: Signable, key: Ed25519PrivateKey) -> str:
    """The vote with its signature, as one line of JSON."""
    envelope = {
        "vote": msgspec.to_builtins(vote),
        "key": base64.b64encode(public_of(key)).decode(),
        "signature": base64.b64encode(key.sign(vote.signed_bytes())).decode(),
    }
    return canonical_json(envelope).decode()


def open_vote(signed: str, principals: Principals, kind: type[SignableT]) -> tuple[SignableT, Principal]:
    """The vote, and whose it is.

    Raises:
        InputError: It cannot be read, its key is not enrolled, or its signature does not hold.
    """
    if len(signed) > SIGNED_MAX:
        raise InputError(f"a vote of {len(signed)} characters, at most {SIGNED_MAX} are read")
    try:
        envelope = msgspec.json.decode(signed, type=_Envelope)
        vote = msgspec.json.decode(envelope.vote, type=kind)
        public = base64.b64decode(envelope.key, validate=True)
        signature = base64.b64decode(envelope.signature, validate=True)
    except (msgspec.MsgspecError, binascii.Error, UnicodeError, ValueError) as error:
        raise InputError(f"no vote: {error}") from error
    principal = principals.of(public)
    if principal is None:
        raise InputError("this key is not enrolled in the run: `subcritical principals list` shows who is")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, vote.signed_bytes())
    except (InvalidSignature, ValueError, InputError) as error:
        raise InputError(
            f"the signature under the name of {principal.name} does not hold; nothing was counted"
        ) from error
    return vote, principal
