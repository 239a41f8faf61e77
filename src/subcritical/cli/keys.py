"""A person's own private key, on the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from subcritical.app.principals import read_private_key
from subcritical.errors import InputError


def own_key(path: Path) -> Ed25519PrivateKey:
    """Read it; ask for its passphrase on a terminal where it has one.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return read_private_key(path)
    except InputError as error:
        if "passw" not in str(error).lower() or not sys.stdin.isatty():
            raise
    typed: str = click.prompt(f"passphrase of {path}", hide_input=True, err=True)
    return read_private_key(path, typed.encode())
