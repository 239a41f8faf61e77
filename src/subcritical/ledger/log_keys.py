"""Which logs are trusted: a file of verifier keys, one a line. The name of a key is the origin of its log."""

from __future__ import annotations

from pathlib import Path

from subcritical.errors import ConfigError
from subcritical.ledger.files import OsFiles
from subcritical.ledger.tlog import FormatError, KeyType, VerifierKey, parse_verifier_key

_BYTES_MAX = 1 << 20
_KEYS_MAX = 1024


def read_log_keys(path: Path) -> tuple[VerifierKey, ...]:
    """Keys of trusted logs, in the order of the file.

    A log may have several, such as before and after a rotation.

    Args:
        path: UTF-8 text of at most 1 MiB and 1,024 keys. Empty lines and lines that begin with `#` are skipped.

    Raises:
        ConfigError: The file cannot be read, has no key, or a line is none; it names the line.
    """
    found: dict[tuple[str, bytes], VerifierKey] = {}
    for number, line in enumerate(_read(path).split(b"\n"), 1):
        text = line.strip(b" \t\r")
        if text and not text.startswith(b"#"):
            key = _key(text, str(path), number)
            if found.setdefault((key.name, key.key_id), key) is not key:
                raise ConfigError(f"a second key {key.name!r} with this id: remove one", path=str(path), line=number)
    if not 1 <= len(found) <= _KEYS_MAX:
        raise ConfigError(
            f"{len(found)} verifier keys of logs, 1 to {_KEYS_MAX} are taken: write one a line", path=str(path)
        )
    return tuple(found.values())


def _key(text: bytes, path: str, number: int) -> VerifierKey:
    try:
        key = parse_verifier_key(text)
    except FormatError as error:
        raise ConfigError(f"{error}; write one verifier key of a log a line", path=path, line=number) from None
    if key.kind is KeyType.COSIGNER_ED25519:
        raise ConfigError(f"{key.name!r} is the key of a witness, not of a log", path=path, line=number)
    return key


def _read(path: Path) -> bytes:
    try:
        with OsFiles().reader(path) as stream:
            data = stream.read(_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"keys of logs: {error.strerror or error}", path=str(path)) from error
    if len(data) > _BYTES_MAX:
        raise ConfigError(f"keys of logs: more than {_BYTES_MAX} bytes", path=str(path))
    return data
