"""`correct`: a person's own bytes for some artifacts of a paused run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from subcritical.clock import SystemClock
from subcritical.errors import InputError
from subcritical.gateway import Correction, Store, check_paths, sign
from subcritical.loop.run_directory import RunDirectory
from subcritical.loop.small_files import read_small
from subcritical.pipeline.control import send_signed, send_status

_FILE_MAX = 64 << 20
_LIFETIME_S = 600
_DONE_WITHIN_S = 30.0
_POLL_S = 0.05


def correct(
    run: str,
    *,
    runs: Path,
    put: Mapping[str, Path],
    remove: Sequence[str],
    reason: str,
    key: Ed25519PrivateKey,
) -> str:
    """Put files of one's own into the version in force, and have the run go on from there; what became of it.

    Args:
        run: Its name.
        runs: Folder of runs.
        put: Path in the workspace to the file with its new content.
        remove: Paths to take out.
        reason: Why; recorded.
        key: Signs the correction.

    Raises:
        InputError: A file cannot be read, nothing is changed, or the run does not take it.
    """
    directory = RunDirectory.find(run, runs)
    mark = send_status(directory.path).mark
    store = Store(directory.store)
    head = store.head()
    if head is None:
        raise InputError(f"run {directory.run} has no version yet")
    files = store.tree(head.tree)
    for path in remove:
        if path not in files:
            raise InputError(f"{path} is not in the version in force; it has: {', '.join(sorted(files)[:20])}")
        del files[path]
    check_paths(put)
    files.update({path: read_small(file, _FILE_MAX) for path, file in put.items()})
    correction = Correction(
        run=directory.run,
        mark=mark,
        base=head.tree,
        tree=store.put_tree(files),
        expires=SystemClock().wall_ns() // 1_000_000_000 + _LIFETIME_S,
        reason=reason,
    )
    told = send_signed(directory.path, "correct", sign(correction, key))
    _wait_until_done(directory.path)
    return told


def _wait_until_done(path: Path) -> None:
    """A resume is refused before the run has gone to the corrected version; that takes a moment."""
    deadline_ns = SystemClock().boot_ns() + int(_DONE_WITHIN_S * 1e9)
    while send_status(path).roll_back is not None:
        if SystemClock().boot_ns() > deadline_ns:
            raise InputError("the correction is recorded and not carried out yet; `subcritical status` says when it is")
        time.sleep(_POLL_S)
