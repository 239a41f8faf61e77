"""A key that lies elsewhere: an external program makes the signature.

It gets the checkpoint's body on its standard input and prints one signature line of the log's key. It runs without
a shell and with a cleared environment; what it does with the key is its own business.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from subcritical.errors import LedgerError
from subcritical.ledger.tlog import Signature, VerifierKey, parse_signatures

_TIMEOUT_S = 30.0
_SHOWN = 300
_ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


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
                env={"PATH": "/usr/bin:/bin"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LedgerError(f"signer command {name}: {error}") from error
        if done.returncode:
            said = done.stderr.decode("utf-8", "backslashreplace")[:_SHOWN]
            raise LedgerError(f"signer command {name}: exit {done.returncode}: {said!r}")
        signature = parse_signatures(done.stdout)[0]
        self.verifier_key.verify(body, signature)
        return signature
