"""Principals: Ed25519 keys that an operator enrolled, and who owns each of them.

What this does not protect against: whoever can write the file of principals, and an owner whose key somebody else has.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from subcritical.errors import InputError

KEY_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_PRINCIPALS_MAX = 1024
_HEADER = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"
"""What precedes the 32 bytes of a key in OpenSSH's encoding (RFC 8709)."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """One enrolled key. `public` is the 32 bytes of RFC 8032; owners differ in more than the case of their letters."""

    name: str
    owner: str
    public: bytes

    @property
    def line(self) -> str:
        """How a file of principals names it."""
        return f"{self.name} {self.owner} ssh-ed25519 {base64.b64encode(_HEADER + self.public).decode()}"

    def __post_init__(self) -> None:
        """Refuse names that could pass for another.

        Raises:
            InputError: A name or owner is no plain word of at most 64 characters, or the key is no Ed25519 key.
        """
        for what in (self.name, self.owner):
            if not _NAME.fullmatch(what):
                raise InputError(f"{what!r} cannot name a principal: 1 to 64 letters, digits, `.`, `_`, `@` or `-`")
        if len(self.public) != KEY_BYTES:
            raise InputError(f"the key of {self.name} has {len(self.public)} bytes, an Ed25519 key has {KEY_BYTES}")


class Principals:
    """Everybody whose votes count.

    Args:
        enrolled: At most 1,024, each name and each key once.

    Raises:
        InputError: A name or a key appears twice: one key must not vote for two owners.
    """

    def __init__(self, enrolled: Sequence[Principal] = ()) -> None:
        """Check and index."""
        if len(enrolled) > _PRINCIPALS_MAX:
            raise InputError(f"{len(enrolled)} principals, at most {_PRINCIPALS_MAX} are taken")
        names: set[str] = set()
        self._by_key: dict[bytes, Principal] = {}
        for one in enrolled:
            if one.name.casefold() in names:
                raise InputError(f"two principals are called {one.name}: give each its own name")
            if one.public in self._by_key:
                raise InputError(f"{one.name} and {self._by_key[one.public].name} have the same key: enrol it once")
            names.add(one.name.casefold())
            self._by_key[one.public] = one
        self.enrolled = tuple(enrolled)

    @property
    def owners(self) -> frozenset[str]:
        """Distinct owners; the case of letters makes no second one."""
        return frozenset(one.owner.casefold() for one in self.enrolled)

    def of(self, public: bytes) -> Principal | None:
        """Whose key it is."""
        return self._by_key.get(public)


def parse_principals(text: str, where: str) -> Principals:
    """Read lines of `NAME OWNER ssh-ed25519 BASE64`; `#` begins a comment.

    Raises:
        InputError: With file and line.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) != 4 or words[2] != "ssh-ed25519":  # noqa: PLR2004 - the words named above
            raise InputError(f"{where}:{number}: a line is NAME OWNER ssh-ed25519 KEY; `principals add` writes one")
        try:
            raw = base64.b64decode(words[3], validate=True)
            public = raw.removeprefix(_HEADER) if raw.startswith(_HEADER) else b""
            found.append(Principal(name=words[0], owner=words[1], public=public))
        except (binascii.Error, InputError) as error:
            raise InputError(f"{where}:{number}: {error}") from error
    try:
        return Principals(found)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def public_bytes(data: bytes, where: str) -> bytes:
    """The 32 bytes of a public Ed25519 key in a file as `ssh-keygen` or `openssl` writes it.

    Raises:
        InputError: It is none; a private key is refused, for it must not travel.
    """
    if b"PRIVATE KEY" in data:
        raise InputError(f"{where}: this is a private key; name the public one (`{where}.pub`)")
    try:
        key = load_pem_public_key(data) if data.lstrip().startswith(b"-----") else load_ssh_public_key(data.strip())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{where}: no public key ({error}); make one with `ssh-keygen -t ed25519`") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{where}: not an Ed25519 key; make one with `ssh-keygen -t ed25519`")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def private_key(data: bytes, where: str, password: bytes | None = None) -> Ed25519PrivateKey:
    """A private Ed25519 key as `ssh-keygen` or `openssl` writes it.

    Raises:
        InputError: It is none, or it needs a (different) passphrase.
    """
    load = load_ssh_private_key if b"OPENSSH" in data[:64] else load_pem_private_key
    try:
        key = load(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(f"{where}: the private key cannot be read: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{where}: not an Ed25519 key; make one with `ssh-keygen -t ed25519`")
    return key


def public_of(key: Ed25519PrivateKey) -> bytes:
    """The 32 public bytes of a private key."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
