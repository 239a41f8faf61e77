"""Move the head. Nothing else in the product makes a version the one in force.

Compare-and-swap: the caller names the tree it reviewed against. A crash before the rename leaves the
old head; after it, the new one. There is no state in between.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from subcritical.errors import GatewayError
from subcritical.gateway.store import Head, Store

Unless = Callable[[Callable[[], None]], bool]
"""Does the last step, which is quick, or returns False and does not."""


def at_once(step: Callable[[], None]) -> bool:
    """Do it."""
    step()
    return True


def apply(store: Store, *, base: str | None, tree: str, proposal: str, last_step: Unless = at_once) -> Head | None:
    """Make `tree` the version in force, if `base` still is.

    Args:
        store: Where both trees lie; `tree` is read back and checked before the head moves.
        base: Digest of the tree that was in force at review; None for the first version.
        tree: Digest of the reviewed tree.
        proposal: Id of the proposal that asked for it.
        last_step: Given the rename, and may decline it.

    Returns:
        The new head, None where the last step was declined; nothing has changed then.

    Raises:
        GatewayError: The base has moved since the review.
        LedgerError: A byte of `tree` is not what its digest says.
    """
    store.tree(tree)
    lock = os.open(store.head_path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = store.head()
        if (current.tree if current else None) != base:
            raise GatewayError(f"proposal {proposal}: the base moved since its review; review it again")
        head = Head(version=current.version + 1 if current else 0, tree=tree, proposal=proposal)
        return head if _replace(store, head, last_step) else None
    finally:
        os.close(lock)


def _replace(store: Store, head: Head, last_step: Unless) -> bool:
    partial = store.head_path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(head))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if not last_step(lambda: _rename(partial, store.head_path)):
        partial.unlink()
        return False
    directory = os.open(store.head_path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True


def _rename(partial: Path, head: Path) -> None:
    partial.replace(head)
