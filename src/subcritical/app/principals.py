"""`principals`: enrol keys of people, and read their own."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from subcritical.errors import InputError
from subcritical.gateway.principals import Principal, Principals, parse_principals, private_key, public_bytes
from subcritical.loop.small_files import read_small, read_text

DEFAULT = Path("principals.txt")
_KEY_MAX = 1 << 16


def enrolled(path: Path) -> Principals:
    """Everybody in a file of principals.

    Raises:
        InputError: It cannot be read, with file and line.
    """
    return parse_principals(read_text(path), str(path))


def add(name: str, *, key: Path, owner: str | None, path: Path) -> Principal:
    """Enrol a public key: one more line at the end of the file, or nothing.

    Raises:
        InputError: The key is no public Ed25519 key, or name or key is enrolled already.
    """
    new = Principal(name=name, owner=owner or name, public=public_bytes(read_small(key, _KEY_MAX), str(key)))
    before = read_small(path) if path.exists() else b""
    Principals((*(enrolled(path).enrolled if before else ()), new))
    gap = b"" if not before or before.endswith(b"\n") else b"\n"
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(before + gap + new.line.encode() + b"\n")
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; nothing was enrolled") from error
    return new


def read_private_key(path: Path, password: bytes | None = None) -> Ed25519PrivateKey:
    """A person's own key.

    Raises:
        InputError: It cannot be read, or needs a passphrase.
    """
    return private_key(read_small(path, _KEY_MAX), os.fspath(path), password)
