"""The three signature types a log and its witnesses use: lengths, the bytes that are signed, and how one is checked.

A type byte is part of every key id, so one raw key cannot be used under two types by mistake unless somebody
configures it twice; `Policy` refuses that.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from types import ModuleType
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from subcritical.ledger.tlog._encoding import to_utf8
from subcritical.ledger.tlog.checkpoints import parse_checkpoint
from subcritical.ledger.tlog.errors import FormatError, SignatureError, UnsupportedKeyError
from subcritical.ledger.tlog.hashing import SIZE_MAX

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
except ImportError:  # pragma: no cover -- older than the version we name; Ed25519 still works
    mldsa = None  # type: ignore[assignment]

SEED_BYTES = 32
TIME_BYTES = 8
TIME_MAX = SIZE_MAX
_SUBTREE_LABEL = b"subtree/v1\n\x00"
_SHORT_MAX = 255


class KeyType(IntEnum):
    """Signature type byte of signed-note 1.0.0 and tlog-cosignature 1.1.0."""

    LOG_ED25519 = 0x01
    COSIGNER_ED25519 = 0x04
    COSIGNER_ML_DSA_44 = 0x06


class Scheme(NamedTuple):
    """Lengths in bytes of a type's public key and bare signature, and whether a time stands before the signature."""

    public_bytes: int
    signature_bytes: int
    timed: bool


SCHEMES = {
    KeyType.LOG_ED25519: Scheme(32, 64, timed=False),
    KeyType.COSIGNER_ED25519: Scheme(32, 64, timed=True),
    KeyType.COSIGNER_ML_DSA_44: Scheme(1312, 2420, timed=True),
}


class Private(NamedTuple):
    """A private key of whichever kind, reduced to what signing needs."""

    public: bytes
    sign: Callable[[bytes], bytes]


def open_private(kind: KeyType, seed: bytes) -> Private:
    """The private key that a 32-byte seed stands for (RFC 8032 section 5.1.5, FIPS 204 algorithm 6)."""
    if type(seed) is not bytes or len(seed) != SEED_BYTES:
        raise FormatError(f"private key: the seed is not {SEED_BYTES} bytes")
    if kind is not KeyType.COSIGNER_ML_DSA_44:
        key = Ed25519PrivateKey.from_private_bytes(seed)
        return Private(key.public_key().public_bytes_raw(), key.sign)
    try:
        lattice = _ml_dsa().MLDSA44PrivateKey.from_seed_bytes(seed)
    except UnsupportedAlgorithm:
        raise _unsupported() from None
    return Private(lattice.public_key().public_bytes_raw(), lattice.sign)


def message(kind: KeyType, name: str, text: bytes, time: int) -> bytes:
    """The bytes that a key of `kind` called `name` signs for a note's `text`; `time` is 0 where the type has none.

    Raises:
        FormatError: A cosignature over a text that is no checkpoint, or a name or origin above 255 bytes for ML-DSA-44.

    Source: signed-note 1.0.0; tlog-cosignature 1.1.0, "Ed25519 signed message" and "ML-DSA-44 signed message".
    """
    if kind is KeyType.LOG_ED25519:
        return text
    checkpoint = parse_checkpoint(text)
    if kind is KeyType.COSIGNER_ED25519:
        return b"cosignature/v1\ntime %d\n%b" % (time, text)
    return b"".join(
        (
            _SUBTREE_LABEL,
            _short(name, "cosigner name"),
            time.to_bytes(TIME_BYTES, "big"),
            _short(checkpoint.origin, "checkpoint: origin"),
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def verify(kind: KeyType, name: str, public: bytes, text: bytes, payload: bytes) -> int | None:
    """Check what follows the key id in a signature line.

    Returns:
        The time it states, in Unix seconds, or None for a type without one.

    Raises:
        SignatureError: Not a signature of this key over this text.
        FormatError: As `message`.
        UnsupportedKeyError: ML-DSA-44 is not there.
    """
    scheme = SCHEMES[kind]
    length = scheme.signature_bytes + (TIME_BYTES if scheme.timed else 0)
    if len(payload) != length:
        raise SignatureError(f"signature of {name!r}: {len(payload)} bytes, a {kind.name} one has {length}")
    time = int.from_bytes(payload[:TIME_BYTES], "big") if scheme.timed else None
    if time is not None and time > TIME_MAX:
        raise SignatureError(f"signature of {name!r}: its time {time} is above 2^63 - 1")
    signed = message(kind, name, text, time or 0)
    try:
        _check(kind, public, payload[-scheme.signature_bytes :], signed)
    except InvalidSignature:
        raise SignatureError(f"signature of {name!r}: false, or made for another text") from None
    return time


def _check(kind: KeyType, public: bytes, signature: bytes, signed: bytes) -> None:
    if kind is not KeyType.COSIGNER_ML_DSA_44:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
        return
    try:
        key = _ml_dsa().MLDSA44PublicKey.from_public_bytes(public)
    except UnsupportedAlgorithm:
        raise _unsupported() from None
    key.verify(signature, signed)


def _ml_dsa() -> ModuleType:
    if mldsa is None:
        raise _unsupported()
    return mldsa


def _unsupported() -> UnsupportedKeyError:
    return UnsupportedKeyError("ML-DSA-44: the installed cryptography does not have it; install cryptography >= 50")


def _short(text: str, what: str) -> bytes:
    """`opaque<1..2^8-1>` of RFC 8446: one length byte, then the bytes."""
    data = to_utf8(text, what)
    if not 1 <= len(data) <= _SHORT_MAX:
        raise FormatError(f"{what}: {len(data)} bytes, an ML-DSA-44 cosignature takes 1 to {_SHORT_MAX}")
    return bytes([len(data)]) + data
