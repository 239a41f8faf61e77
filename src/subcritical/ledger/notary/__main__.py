"""The notary process: `python -I -m subcritical.ledger.notary JOURNAL PUBLISHED HOME`. Ends when its input does.

It runs at low priority: the run must not wait for it, and it catches up. The key is in the signer, one process further.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from pathlib import Path

import msgspec

from subcritical.clock import SystemClock
from subcritical.errors import SubcriticalError
from subcritical.ledger.notary.keeping import LOOK_S, Keeper
from subcritical.ledger.notary.said import Said
from subcritical.ledger.signer import SignerProcess

_NICE = 10
_REFUSED_MAX = 2000


def main(argv: list[str]) -> int:
    """Keep the log until standard input ends; whatever goes wrong is the last line."""
    journal, published, home = map(Path, argv)
    with contextlib.suppress(OSError):  # a system that refuses: it then competes as an equal
        os.nice(_NICE)
    try:
        with SignerProcess(home) as signer:
            keeper = Keeper(journal, published, signer, SystemClock(), _say)
            while not _ended():
                keeper.look()
            keeper.end()
    except (SubcriticalError, OSError) as error:
        _say(Said(refused=str(error)[:_REFUSED_MAX], last=True))
        return 7
    return 0


def _ended() -> bool:
    """Wait until the next look; whether the supervisor has let go, by intent or by dying."""
    ready, _, _ = select.select([sys.stdin], [], [], LOOK_S)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1)


def _say(said: Said) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more: the log is kept all the same
        sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
