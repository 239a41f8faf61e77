"""A key that lies elsewhere: an external program makes the signature.

It gets what is signed on its standard input and the log's name in `SUBCRITICAL_LOG`, and prints one signature line
under that name (C2SP signed-note). It runs without a shell and with a cleared environment; what it does with the key is
its own business. Besides checkpoints it signs lists of files and statements, which it can tell by their first line.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from subcritical.errors import LedgerError
from subcritical.ledger.files import read_secret
from subcritical.ledger.tlog import Signature, VerifierKey, parse_signatures

COMMAND = "signer-command.json"
"""File in the signer's folder that names the program: `{"key": verifier key, "run": [program, argument...]}`."""
_TIMEOUT_S = 30.0
_SHOWN = 300
_ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


class _Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    run: list[str]


def named_command(path: Path) -> list[str]:
    """Key and program that an owner-only file names; empty where there is no such file.

    Raises:
        LedgerError: The file is not its owner's alone, or names no program.
    """
    if not path.exists() and not path.is_symlink():
        return []
    try:
        named = msgspec.json.decode(read_secret(path, "signer command", "set it right or remove it"), type=_Named)
    except msgspec.MsgspecError as error:
        raise LedgerError(f"signer command {path}: {error}") from error
    if not named.run:
        raise LedgerError(f"signer command {path}: it names no program")
    return [named.key, *named.run]


class CommandKey:
    """Signatures by a program, each checked against the public key before it is used."""

    def __init__(self, argv: Sequence[str], key: VerifierKey) -> None:
        """Take the program and the public key its signatures must verify under."""
        self._argv = tuple(argv)
        self.verifier_key = key

    def sign(self, body: bytes) -> Signature:
        """Have `body` signed.

        Raises:
            LedgerError: The program fails, takes longer than 30 s, or prints something else than a valid signature.
        """
        name = self._argv[0]
        try:
            done = subprocess.run(
                self._argv,
                input=body,
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
                env={**_ENVIRONMENT, "SUBCRITICAL_LOG": self.verifier_key.name},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LedgerError(f"signer command {name}: {error}") from error
        if done.returncode:
            said = done.stderr.decode("utf-8", "backslashreplace")[:_SHOWN]
            raise LedgerError(f"signer command {name}: exit {done.returncode}: {said!r}")
        signature = parse_signatures(done.stdout)[0]
        self.verifier_key.verify(body, signature)
        return signature
