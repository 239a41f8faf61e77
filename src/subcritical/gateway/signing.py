"""What people sign: votes, orders and corrections have this in common.

The signed message begins with a line that no other kind's message has, so a signature means one thing only. Every kind
names its run and ends with its time to live.
"""

from __future__ import annotations

import base64
import binascii
from typing import ClassVar, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from subcritical.canonical import canonical_json
from subcritical.errors import InputError
from subcritical.gateway.principals import Principal, Principals, public_of

DAY_S = 86_400
REASON_MAX = 2000
SIGNED_MAX = 16_384


class Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all kinds say. `expires` is in Unix seconds.

    Attributes:
        kind: One word; part of the signed message.
    """

    kind: ClassVar[str] = "nothing"

    run: str
    expires: int
    reason: str = ""

    def signed_bytes(self) -> bytes:
        """The message of the signature."""
        return f"subcritical {self.kind} v1\n".encode() + canonical_json(self)

    def check(self, *, run: str, now: int, most_s: int) -> None:
        """Refuse what is about another run, or not about now.

        Raises:
            InputError: With the reason.
        """
        left = self.expires - now
        for wrong, why in (
            (self.run != run, f"it is about another run ({self.run}, not {run}); look again and sign anew"),
            (left <= 0, "it has expired; sign a new one"),
            (left > most_s, f"it may live {most_s} s at most; sign a shorter one"),
            (
                len(self.reason) > REASON_MAX,
                f"a reason of {len(self.reason)} characters, at most {REASON_MAX} are recorded",
            ),
        ):
            if wrong:
                raise InputError(f"{self.kind}: {why}")


SignedT = TypeVar("SignedT", bound=Signed)


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    said: msgspec.Raw
    key: str
    signature: str


def sign(said: Signed, key: Ed25519PrivateKey) -> str:
    """What is said with its signature, as one line of JSON."""
    envelope = {
        "said": msgspec.to_builtins(said),
        "key": base64.b64encode(public_of(key)).decode(),
        "signature": base64.b64encode(key.sign(said.signed_bytes())).decode(),
    }
    return canonical_json(envelope).decode()


def open_signed(signed: str, principals: Principals, kind: type[SignedT]) -> tuple[SignedT, Principal]:
    """What is said, and by whom.

    Raises:
        InputError: It cannot be read, its key is not enrolled, or its signature does not hold.
    """
    if len(signed) > SIGNED_MAX:
        raise InputError(f"a {kind.kind} of {len(signed)} characters, at most {SIGNED_MAX} are read")
    try:
        envelope = msgspec.json.decode(signed, type=_Envelope)
        said = msgspec.json.decode(envelope.said, type=kind)
        public = base64.b64decode(envelope.key, validate=True)
        signature = base64.b64decode(envelope.signature, validate=True)
    except (msgspec.MsgspecError, binascii.Error, UnicodeError, ValueError) as error:
        raise InputError(f"no {kind.kind}: {error}") from error
    principal = principals.of(public)
    if principal is None:
        raise InputError("this key is not enrolled in the run: `subcritical principals list` shows who is")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, said.signed_bytes())
    except (InvalidSignature, ValueError, InputError) as error:
        raise InputError(
            f"the signature under the name of {principal.name} does not hold; nothing was counted"
        ) from error
    return said, principal
