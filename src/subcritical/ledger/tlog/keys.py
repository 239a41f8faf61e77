"""Private keys of logs and cosigners. Seeds come in and go out as bytes; where they are kept is not decided here.

Nothing here remembers what was signed: a log that signs two roots for one size, and a witness that answers before it
has stored, are both possible with these classes. The caller has to compare with the last signed checkpoint first.
"""

from __future__ import annotations

from subcritical.ledger.tlog._encoding import check_range
from subcritical.ledger.tlog._schemes import TIME_BYTES, TIME_MAX, KeyType, Private, message, open_private
from subcritical.ledger.tlog.errors import FormatError
from subcritical.ledger.tlog.notes import Signature, VerifierKey, check_text


class _Signer:
    """What both kinds share: a seed that never shows in a representation, and the public half."""

    __slots__ = ("_private", "_seed", "verifier_key")

    verifier_key: VerifierKey
    """The public half, to give to whoever verifies."""

    def __init__(self, name: str, kind: KeyType, seed: bytes) -> None:
        self._private: Private = open_private(kind, seed)
        self._seed = seed
        self.verifier_key = VerifierKey(name, kind, self._private.public)

    def __repr__(self) -> str:
        """Name and key id; never the seed."""
        return f"{type(self).__name__}({self.verifier_key.name!r}, {self.verifier_key.key_id.hex()})"

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes. Whoever has them can sign as this key."""
        return self._seed

    def _signature(self, payload: bytes) -> Signature:
        return Signature(self.verifier_key.name, self.verifier_key.key_id, payload)


class LogSigner(_Signer):
    """Ed25519 key of a log (type 0x01); its name should be the log's origin."""

    __slots__ = ()

    def __init__(self, name: str, seed: bytes) -> None:
        """Take a key.

        Args:
            name: Key name, see `VerifierKey`.
            seed: 32 bytes from a good random source (RFC 8032 section 5.1.5).

        Raises:
            FormatError: The name cannot be one, or the seed is not 32 bytes.
        """
        super().__init__(name, KeyType.LOG_ED25519, seed)

    def sign(self, text: bytes) -> Signature:
        """Sign a note's text: UTF-8, a final newline, no other control character.

        Raises:
            FormatError: Not such a text.

        Source: signed-note 1.0.0, "Ed25519 signatures". Cost: about 30 microseconds.
        """
        check_text(text)
        return self._signature(self._private.sign(text))


class Cosigner(_Signer):
    """Key of a witness: Ed25519 (type 0x04) or ML-DSA-44 (type 0x06), which also covers the witness's name."""

    __slots__ = ()

    def __init__(self, name: str, seed: bytes, kind: KeyType = KeyType.COSIGNER_ML_DSA_44) -> None:
        """Take a key.

        Args:
            name: Key name, see `VerifierKey`; at most 255 bytes of UTF-8 for ML-DSA-44.
            seed: 32 bytes from a good random source (RFC 8032 section 5.1.5, FIPS 204 algorithm 6). Never the seed of
                another key: the Ed25519 message does not say which witness signs.
            kind: One of the two cosigner types.

        Raises:
            FormatError: Name, seed or type cannot be one.
            UnsupportedKeyError: ML-DSA-44 is not there.
        """
        if kind is KeyType.LOG_ED25519:
            raise FormatError(f"cosigner {name!r}: type 0x{kind:02x} is a log's, which says nothing about a time")
        super().__init__(name, kind, seed)

    def sign(self, checkpoint_text: bytes, time: int) -> Signature:
        """State that this is the largest consistent tree of its log seen up to `time`.

        Args:
            checkpoint_text: Body of a checkpoint. An ML-DSA-44 signature does not cover its extension lines.
            time: Unix seconds, from 1 to 2^63 - 1. A witness never signs with time 0, which would leave that out.

        Raises:
            FormatError: Not a checkpoint, a time out of range, or an origin too long for ML-DSA-44.

        Source: tlog-cosignature 1.1.0. Cost: about 30 (Ed25519) or 420 microseconds (ML-DSA-44, randomised).
        """
        check_range(time, "cosignature: time", least=1, most=TIME_MAX)
        key = self.verifier_key
        signed = message(key.kind, key.name, checkpoint_text, time)
        return self._signature(time.to_bytes(TIME_BYTES, "big") + self._private.sign(signed))
