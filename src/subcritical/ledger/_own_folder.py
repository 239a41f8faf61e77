"""Folders that one program keeps for itself: owner-only, locked while in use, never somebody else's by mistake."""

from __future__ import annotations

import os
from pathlib import Path

from subcritical.errors import InputError, LedgerError
from subcritical.ledger.files import Lock, OsFiles

LOCK = "lock"


def claim(folder: Path, ours: frozenset[str], what: str) -> Lock:
    """Make or check a folder and take its lock.

    A folder of something else is left as it is, its mode included: a published log would vanish from everybody's sight.

    Args:
        folder: Made if need be, with missing parents.
        ours: Names that may be in it, beside the lock.
        what: For messages, such as `witness home`.

    Raises:
        InputError: It holds something else, or another process uses it.
        LedgerError: It is another user's, or it cannot be made or read.
    """
    files = OsFiles()
    try:
        if files.exists(folder):
            strange = [name for name in files.names(folder) if name not in ours and name != LOCK]
            if strange:
                raise InputError(
                    f"{what} {folder}: it holds {strange[0]!r}, so it is used for something else; name another"
                )
            if folder.stat().st_uid != os.geteuid():
                raise LedgerError(f"{what} {folder}: it belongs to another user")
        files.make_directory(folder)
        return files.lock(folder / LOCK)
    except BlockingIOError as error:
        raise InputError(f"{what} {folder}: another process uses it; wait, end that one or name another") from error
    except OSError as error:
        raise LedgerError(f"{what} {folder}: {error.strerror or error}") from error
