"""A person's correction of a paused run becomes a version of its own, and the guest begins anew from it."""

from __future__ import annotations

import threading

from subcritical.clock import Clock
from subcritical.errors import InputError
from subcritical.gateway import Gateway, Principals, check_paths, open_correction
from subcritical.ids import Ids
from subcritical.loop.lineage import CORRECTED, GATEWAY, Lineage
from subcritical.pipeline import Pipeline
from subcritical.schema import Control, Order, RunState

_NANOSECONDS = 1_000_000_000


class Correcting:
    """Takes signed corrections, from any thread.

    Args:
        gateway: Says what one person may change.
        principals: Whose signatures count.
        pipeline: Records, and orders the head to move.
        lineage: Learns of the new version.
        run: Name of the run.
        clock: Wall time decides what has expired.
        ids: Names proposals.
    """

    def __init__(
        self,
        gateway: Gateway,
        principals: Principals,
        pipeline: Pipeline,
        lineage: Lineage,
        *,
        run: str,
        clock: Clock,
        ids: Ids,
    ) -> None:
        """Bind the parts."""
        self._gateway = gateway
        self._principals = principals
        self._pipeline = pipeline
        self._lineage = lineage
        self._run = run
        self._clock = clock
        self._ids = ids
        self._lock = threading.Lock()

    def correct(self, signed: str) -> str:
        """Check it, record it, and order the head to move to it; what became of it.

        Raises:
            InputError: It does not count, or takes more people; nothing has changed.
        """
        with self._lock:
            latch, head = self._pipeline.latch, self._gateway.store.head()
            if latch.state is not RunState.PAUSED or head is None:
                raise InputError("a run is corrected while it is paused: `subcritical pause` it first")
            if latch.roll_back is not None:
                raise InputError("a rollback or a correction is under way; look again when it is done")
            now = self._clock.wall_ns() // _NANOSECONDS
            correction, owner = open_correction(
                signed, self._principals, run=self._run, mark=latch.mark, base=head.tree, now=now
            )
            check_paths(self._gateway.store.entries(correction.tree))
            reviewed = self._gateway.review_correction(correction.tree, proposal=self._ids.record("c"), owner=owner)
            if reviewed.refusals:
                raise InputError("; ".join(reviewed.refusals))
            self._gateway.store.persist(reviewed.tree)
            self._pipeline.by_people(reviewed.proposal)
            self._pipeline.by_people(Control(order=CORRECTED, by=GATEWAY, reason=reviewed.tree))
            self._lineage.accepted.append(reviewed.tree)
            receipt = self._pipeline.order(
                Order.ROLL_BACK, owner, correction.reason, argument=reviewed.tree, mark=latch.mark
            )
            if receipt.outcome != "confirmed":
                raise InputError(f"the correction was not carried out: {receipt.detail or receipt.outcome}")
            paths = ", ".join(change.path for change in reviewed.proposal.changes)
            return f"corrected by {owner}: {paths}; the guest begins anew from it when the run is resumed"
