"""The signer process: `python -I -m subcritical.ledger.signer HOME [KEY PROGRAM ARGUMENT...]`."""

from __future__ import annotations

import sys
from pathlib import Path

from subcritical.errors import SubcriticalError
from subcritical.ledger.signer.command import COMMAND, CommandKey, named_command
from subcritical.ledger.signer.keyfile import Keys
from subcritical.ledger.signer.serving import Desk, file_desk, serve
from subcritical.ledger.signer.state import SigningState
from subcritical.ledger.tlog import VerifierKey, parse_verifier_key


def main(argv: list[str]) -> int:
    """Serve standard input until it ends."""
    home = Path(argv[0])
    try:
        desk = _desk(home, argv[1:])
    except SubcriticalError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    serve(desk, sys.stdin.buffer, sys.stdout.buffer)
    return 0


def _desk(home: Path, command: list[str]) -> Desk:
    state = SigningState(home / "signed")
    command = command or named_command(home / COMMAND)
    if not command:
        return file_desk(state, Keys(home / "log-key.json"))
    public = parse_verifier_key(command[0].encode())
    return Desk(state, None, lambda origin: CommandKey(command[1:], VerifierKey(origin, public.kind, public.public)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
