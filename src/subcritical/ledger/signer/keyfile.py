"""The log's private keys on disk: made on first use, for their owner alone.

What this does not protect against: whoever runs as the same user, or as root. For that keep the key elsewhere and give
an external command (`command.py`).
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from pathlib import Path

import msgspec

from subcritical.errors import LedgerError
from subcritical.ledger.files import OsFiles, read_secret, store
from subcritical.ledger.tlog import LogSigner


class _Stored(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file. `seeds` are base64, the one in use last; earlier ones are kept so that a rotation can be shown."""

    format: int
    type: str
    seeds: tuple[str, ...]


class Keys:
    """Ed25519 seeds (32 bytes each) in a file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        """Read the keys at `path`, or make the first one.

        Raises:
            LedgerError: The file is not ours alone, not readable, or not a key file.
        """
        self._path = path
        try:
            if not path.exists():
                self._write((secrets.token_bytes(32),), new=True)
            self._seeds = _read(path)
        except OSError as error:
            raise LedgerError(f"log key {path}: {error.strerror or error}") from error

    @property
    def current(self) -> bytes:
        """The seed in use."""
        return self._seeds[-1]

    @property
    def earlier(self) -> tuple[bytes, ...]:
        """Seeds that were in use before, oldest first."""
        return self._seeds[:-1]

    def of(self, origin: str, key_id: str) -> LogSigner:
        """The key of a log by its id (hex) under that name; the one in use for a log that has none yet.

        Raises:
            LedgerError: It is not in the file any more.
        """
        if not key_id:
            return LogSigner(origin, self.current)
        for seed in self._seeds:
            signer = LogSigner(origin, seed)
            if signer.verifier_key.key_id.hex() == key_id:
                return signer
        raise LedgerError(
            f"{origin} was signed by key {key_id}, which is not in {self._path} any more: put that file back; "
            "nothing is signed under another key without a rotation"
        )

    def rotate(self) -> None:
        """Make a new key and use it from now on.

        Raises:
            LedgerError: It could not be stored; the old one stays in use.
        """
        try:
            seeds = (*_read(self._path), secrets.token_bytes(32))  # another process may have added one
            self._write(seeds, new=False)
        except OSError as error:
            raise LedgerError(f"log key {self._path}: the new key could not be stored: {error}") from error
        self._seeds = seeds

    def _write(self, seeds: tuple[bytes, ...], *, new: bool) -> None:
        stored = _Stored(format=1, type="ed25519", seeds=tuple(base64.b64encode(s).decode() for s in seeds))
        content = msgspec.json.encode(stored) + b"\n"
        files = OsFiles()
        files.make_directory(self._path.parent)
        if not new:
            store(files, self._path, content)
            return
        # Two first uses at once: one of them gives its file the name, the other reads that one.
        own = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        store(files, own, content)
        try:
            with contextlib.suppress(FileExistsError):
                os.link(own, self._path)
        finally:
            files.remove(own)
        files.sync_directory(self._path.parent)


def _read(path: Path) -> tuple[bytes, ...]:
    data = read_secret(path, "log key", "move it away and let a new one be made")
    try:
        stored = msgspec.json.decode(data, type=_Stored)
        seeds = tuple(base64.b64decode(text, validate=True) for text in stored.seeds)
    except (msgspec.MsgspecError, ValueError) as error:
        raise LedgerError(
            f"log key {path}: not a key file of ours ({error}); put yours back, or move it away"
        ) from error
    if stored.format != 1 or stored.type != "ed25519" or not seeds or any(len(seed) != 32 for seed in seeds):  # noqa: PLR2004
        raise LedgerError(f"log key {path}: format or type of a later version, or no key in it")
    return seeds
