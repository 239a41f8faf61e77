"""Signed notes: a text, a blank line, signature lines; and the public keys that open them.

A note's text is worth nothing before `open_note` has returned it. `parse_note` only takes a note apart.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from subcritical.errors import InputError
from subcritical.ledger.tlog._encoding import check_bytes, check_limit, from_base64, from_utf8, to_base64, to_utf8
from subcritical.ledger.tlog._schemes import SCHEMES, KeyType, verify
from subcritical.ledger.tlog.errors import FormatError, SignatureError

NOTE_BYTES_MAX = 256 << 10
"""Longest note read. Sixteen signatures must be accepted, and post-quantum ones have nearly 5 kB (6.7 kB in base64)."""
SIGNATURES_MAX = 100
VKEY_BYTES_MAX = 4096
KEY_ID_BYTES = 4
_DASH = "\u2014 ".encode()
_VKEY = re.compile(rb"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", re.DOTALL)


class Signature(msgspec.Struct, frozen=True):
    """One signature line: key name, 4-byte key id, and what follows the id (a time, if the type has one; signature)."""

    name: str
    key_id: bytes
    payload: bytes

    def __post_init__(self) -> None:
        """Refuse what could not be written and read back."""
        _check_name(self.name)
        check_bytes(self.key_id, "signature: key id", KEY_ID_BYTES)
        if not self.payload:
            raise FormatError(f"signature of {self.name!r}: nothing after the key id")

    @property
    def line(self) -> bytes:
        """The line with its final newline."""
        return _DASH + self.name.encode() + b" " + to_base64(self.key_id + self.payload) + b"\n"


class Note(msgspec.Struct, frozen=True):
    """A text in UTF-8 that ends in a newline, and 1 to 100 signatures, none of them checked."""

    text: bytes
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        """Refuse what could not be written and read back."""
        check_text(self.text)
        if not 1 <= len(self.signatures) <= SIGNATURES_MAX:
            raise FormatError(f"note: {len(self.signatures)} signatures, 1 to {SIGNATURES_MAX} are accepted")


class VerifierKey(msgspec.Struct, frozen=True):
    """A public key that is trusted by whoever holds this object. Written as `name+key id+base64(type byte, key)`.

    `name` is at least one character, none of them a space of any kind, a control character or `+`; `public` is 32 bytes
    for the Ed25519 types, 1,312 for ML-DSA-44. Making one with values outside the format raises `FormatError`.
    """

    name: str
    kind: KeyType
    public: bytes

    def __post_init__(self) -> None:
        """Refuse what could not be written and read back."""
        _check_name(self.name)
        if type(self.kind) is not KeyType:
            raise FormatError(f"key {self.name!r}: type {self.kind!r} is not a KeyType")
        check_bytes(self.public, f"key {self.name!r}: public key", SCHEMES[self.kind].public_bytes)

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name, newline, type byte, public key). An identifier, not a commitment."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:KEY_ID_BYTES]

    def verify(self, text: bytes, signature: Signature) -> int | None:
        """Check one signature over a note's text.

        Returns:
            The time that a cosignature states, in Unix seconds; it may be 0. None for a log's signature.

        Raises:
            SignatureError: It names another key, or it is false.
            FormatError: A cosignature over a text that is no checkpoint.
            UnsupportedKeyError: ML-DSA-44 is not there.
        """
        if (signature.name, signature.key_id) != (self.name, self.key_id):
            raise SignatureError(f"signature of {signature.name!r}: made by another key than {self.name!r}")
        return verify(self.kind, self.name, self.public, text, signature.payload)


class Verified(NamedTuple):
    """A signature that was checked: its key, and its time in Unix seconds where the type has one."""

    key: VerifierKey
    time: int | None


class OpenedNote(NamedTuple):
    """A note's text and who is proven to have signed it: at least one, each key once."""

    text: bytes
    verified: tuple[Verified, ...]


def check_text(text: bytes) -> None:
    """Refuse what cannot be the text of a note."""
    from_utf8(text, "note")
    if not text.endswith(b"\n"):
        raise FormatError("note: its text does not end in a newline")


def format_note(note: Note) -> bytes:
    """The note's bytes.

    Raises:
        FormatError: Longer than `NOTE_BYTES_MAX`.
    """
    data = note.text + b"\n" + b"".join(signature.line for signature in note.signatures)
    check_limit(data, "note", NOTE_BYTES_MAX)
    return data


def parse_note(data: bytes) -> Note:
    """Take a note apart without checking a signature.

    Args:
        data: At most 256 KiB. Text and signatures divide at the last blank line.

    Raises:
        FormatError: Not exactly what `format_note` writes.

    Source: signed-note 1.0.0, "Format".
    """
    check_limit(data, "note", NOTE_BYTES_MAX)
    divide = data.rfind(b"\n\n")
    if divide < 0:
        raise FormatError("note: no blank line between text and signatures")
    text, lines = data[: divide + 1], data[divide + 2 :]
    check_text(text)
    return Note(text=text, signatures=parse_signatures(lines))


def parse_signatures(lines: bytes) -> tuple[Signature, ...]:
    """Signature lines on their own, as a witness answers with them; 1 to 100.

    Raises:
        FormatError: Not exactly what `Signature.line` gives, line by line.
    """
    check_limit(lines, "note", NOTE_BYTES_MAX)
    if not lines.endswith(b"\n"):
        raise FormatError("note: no newline at its end")
    if lines.count(b"\n") > SIGNATURES_MAX:
        raise FormatError(f"note: more than {SIGNATURES_MAX} signature lines")
    return tuple(_parse_line(line) for line in lines[:-1].split(b"\n"))


def parse_verifier_key(data: bytes) -> VerifierKey:
    """A key from its text form.

    Args:
        data: At most 4 KiB, without a newline.

    Raises:
        FormatError: Not exactly what `format_verifier_key` writes, a type other than ours, or a key id that does not
            belong to the key.

    Source: signed-note 1.0.0, "Verifier keys".
    """
    check_limit(data, "verifier key", VKEY_BYTES_MAX)
    found = _VKEY.fullmatch(data)
    if found is None:
        raise FormatError("verifier key: not <name>+<8 lower-case hex digits>+<base64>")
    name = from_utf8(found[1], "verifier key: name")
    typed = from_base64(found[3], f"verifier key {name!r}")
    if typed[0] not in SCHEMES:
        raise FormatError(f"verifier key {name!r}: type 0x{typed[0]:02x} is not supported")
    key = VerifierKey(name, KeyType(typed[0]), typed[1:])
    if key.key_id.hex().encode() != found[2]:
        raise FormatError(f"verifier key {name!r}: its id is {key.key_id.hex()}, not {found[2].decode()}")
    return key


def format_verifier_key(key: VerifierKey) -> bytes:
    """Text form of a key: public, safe to hand to anybody."""
    return b"+".join((key.name.encode(), key.key_id.hex().encode(), to_base64(bytes([key.kind]) + key.public)))


def open_note(data: bytes, keys: Sequence[VerifierKey]) -> OpenedNote:
    """The text of a note that at least one of `keys` has signed.

    Lines of unknown (name, key id) are ignored: others may sign, too, and keys change. A line of a known key that does
    not verify rejects the whole note. A key counts once, with its first line, however many lines it has.

    Args:
        data: The note's bytes, at most 256 KiB.
        keys: Those the caller trusts. No two may share name and key id.

    Raises:
        FormatError: Not a signed note.
        SignatureError: None of `keys` has signed it, or a signature of one is false.
        InputError: Two keys share name and key id.

    Source: signed-note 1.0.0, "Signatures". What one key has signed, another may have signed differently: who must
    have signed is the policy's question.
    """
    known = by_id(keys)
    note = parse_note(data)
    verified: dict[VerifierKey, Verified] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            verified.setdefault(key, Verified(key, key.verify(note.text, signature)))
    if not verified:
        raise SignatureError(f"note: none of {len(known)} trusted keys has signed it")
    return OpenedNote(note.text, tuple(verified.values()))


def by_id(keys: Iterable[VerifierKey]) -> dict[tuple[str, bytes], VerifierKey]:
    """Keys by name and key id; `InputError` where two different ones share both."""
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise InputError(f"trusted keys: two called {key.name!r} share the id {key.key_id.hex()}; rename one")
    return known


def _parse_line(line: bytes) -> Signature:
    name, space, text = line.removeprefix(_DASH).partition(b" ")
    if not line.startswith(_DASH) or not space:
        raise FormatError("note: a signature line is not <em dash> <name> <base64>")
    named = from_utf8(name, "signature: key name")
    data = from_base64(text, f"signature of {named!r}")
    return Signature(named, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise FormatError(f"key name {name!r}: empty, or with a space or a plus sign")
    to_utf8(name, f"key name {name!r}")
