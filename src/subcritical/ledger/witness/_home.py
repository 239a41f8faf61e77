"""What lies in the folder of a witness, and the two keys in it."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import msgspec

from subcritical.errors import InputError, LedgerError
from subcritical.ledger.files import OsFiles, read_secret, store
from subcritical.ledger.tlog import Cosigner, FormatError, KeyType

KEYS, SEEN, EVIDENCE = "cosigner-keys.json", "seen", "evidence"
OURS = frozenset({KEYS, f"{KEYS}.new", SEEN, EVIDENCE})
_SEED_BYTES = 32
_NAME_BYTES_MAX = 255


class _Seeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key file; seeds are base64 of 32 bytes each, drawn apart from each other."""

    format: int
    name: str
    ed25519: str
    ml_dsa_44: str


def cosigners(home: Path, name: str | None) -> tuple[Cosigner, Cosigner]:
    """The Ed25519 and the ML-DSA-44 key of a claimed home, made if there are none.

    Args:
        home: As claimed.
        name: Name of new keys, by default a random one. Of keys that are there it must be the name.

    Raises:
        InputError: The name cannot be one, or the keys have another.
        LedgerError: The file is not its owner's alone, or not a key file.
        OSError: It cannot be read or written.
    """
    path = home / KEYS
    if not path.exists():
        _make(path, f"subcritical/witness/{secrets.token_hex(8)}" if name is None else name)
    seeds = _read(path)
    if name not in {None, seeds.name}:
        raise InputError(f"witness keys {path}: they are called {seeds.name!r}; leave the name out or make a new home")
    return _pair(seeds)


def _make(path: Path, name: str) -> None:
    seeds = _Seeds(
        format=1,
        name=name,
        ed25519=base64.b64encode(secrets.token_bytes(_SEED_BYTES)).decode(),
        ml_dsa_44=base64.b64encode(secrets.token_bytes(_SEED_BYTES)).decode(),
    )
    try:
        _pair(seeds)
    except FormatError as error:
        raise InputError(f"witness name: {error}; write it like witness.example/main") from error
    if len(name.encode()) > _NAME_BYTES_MAX:
        raise InputError(f"witness name: longer than the {_NAME_BYTES_MAX} bytes that a cosignature has room for")
    store(OsFiles(), path, msgspec.json.encode(seeds) + b"\n")


def _pair(seeds: _Seeds) -> tuple[Cosigner, Cosigner]:
    classical, lattice = (base64.b64decode(text, validate=True) for text in (seeds.ed25519, seeds.ml_dsa_44))
    return Cosigner(seeds.name, classical, KeyType.COSIGNER_ED25519), Cosigner(seeds.name, lattice)


def _read(path: Path) -> _Seeds:
    data = read_secret(path, "witness keys", "make a new home")
    try:
        seeds = msgspec.json.decode(data, type=_Seeds)
        _pair(seeds)
    except (msgspec.MsgspecError, ValueError, FormatError) as error:
        raise LedgerError(f"witness keys {path}: not a key file of ours ({error})") from error
    if seeds.format != 1:
        raise LedgerError(f"witness keys {path}: format {seeds.format} is of a later version")
    return seeds
