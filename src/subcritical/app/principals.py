"""`principals`: enrol keys of people, and read their own."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from subcritical.errors import InputError
from subcritical.gateway.principals import Principal, Principals, parse_principals, private_key, public_bytes

DEFAULT = Path("principals.txt")
_KEY_MAX = 1 << 16


def enrolled(path: Path) -> Principals:
    """Everybody in a file of principals.

    Raises:
        InputError: It cannot be read, with file and line.
    """
    try:
        return parse_principals(_bytes(path, 1 << 20).decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}") from error


def add(name: str, *, key: Path, owner: str | None, path: Path) -> Principal:
    """Enrol a public key: one more line at the end of the file, or nothing.

    Raises:
        InputError: The key is no public Ed25519 key, or name or key is enrolled already.
    """
    new = Principal(name=name, owner=owner or name, public=public_bytes(_bytes(key, _KEY_MAX), str(key)))
    before = _bytes(path, 1 << 20) if path.exists() else b""
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
    return private_key(_bytes(path, _KEY_MAX), os.fspath(path), password)


def _bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; name a file that can be read") from error
    if len(data) > most:
        raise InputError(f"{path}: larger than {most} bytes")
    return data
