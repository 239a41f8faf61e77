"""Content-addressed bytes of every version ever proposed, and the head that names the one in force.

Objects are written once, under their digest, and checked on every read: what was approved is what
runs. An attacker who can write this directory can at most make a version unreadable, not exchange it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from subcritical.canonical import canonical_json, digest
from subcritical.errors import LedgerError

_PREFIX = "sha256:"
_HEX_DIGITS = 64


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The version in force: `version` counts applied changes from 0, the seed."""

    version: int
    tree: str
    proposal: str


class Store:
    """A directory of objects, and one head file.

    Args:
        directory: Created owner-only if missing.
    """

    def __init__(self, directory: Path) -> None:
        """Open or create the store."""
        self._objects = directory / "objects"
        self.head_path = directory / "head.json"
        self._objects.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest. Storing twice is free."""
        name = digest(data)
        path = self.path(name)
        if path.exists():
            return name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(path)
        return name

    def get(self, name: str) -> bytes:
        """Bytes of an object.

        Raises:
            LedgerError: Missing, or its content is not what the digest says.
        """
        try:
            data = self.path(name).read_bytes()
        except OSError as error:
            raise LedgerError(f"object {name} is missing from the store: {error.strerror}") from error
        if digest(data) != name:
            raise LedgerError(f"object {name} has been changed in the store; its bytes are not used")
        return data

    def put_tree(self, files: Mapping[str, bytes]) -> str:
        """Store a tree: its digest covers every path and every content."""
        return self.put(canonical_json({path: self.put(data) for path, data in files.items()}))

    def entries(self, tree: str) -> dict[str, str]:
        """Path to content digest of a stored tree."""
        return msgspec.json.decode(self.get(tree), type=dict[str, str])

    def tree(self, tree: str) -> dict[str, bytes]:
        """Path to content of a stored tree, every object checked."""
        return {path: self.get(name) for path, name in self.entries(tree).items()}

    def head(self) -> Head | None:
        """The version in force, None before the seed is applied."""
        try:
            data = self.head_path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(data, type=Head)
        except msgspec.DecodeError as error:
            raise LedgerError(f"{self.head_path}: the head of the store is damaged: {error}") from error

    def persist(self, tree: str) -> None:
        """Make a stored tree survive a power cut: every object of it, and the folders that name them."""
        paths = [self.path(name) for name in (tree, *self.entries(tree).values())]
        for path in [*paths, *{path.parent for path in paths}, self._objects]:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def path(self, name: str) -> Path:
        """Where an object lies, or would.

        Raises:
            LedgerError: That is no digest.
        """
        hexadecimal = name.removeprefix(_PREFIX)
        if len(hexadecimal) != _HEX_DIGITS or not set(hexadecimal) <= set("0123456789abcdef"):
            raise LedgerError(f"{name!r} is not a digest")
        return self._objects / hexadecimal[:2] / hexadecimal[2:]
