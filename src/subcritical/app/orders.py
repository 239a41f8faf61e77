"""`pause resume throttle stop roll-back review status`: orders of a person to a running run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from subcritical.errors import InputError
from subcritical.ledger import read_journal
from subcritical.loop.run_directory import RunDirectory
from subcritical.pipeline.control import send_order, send_review, send_status
from subcritical.schema import Order, Receipt
from subcritical.tripwires import Latch


def order(
    run: str,
    what: Order,
    *,
    runs: Path,
    by: str,
    reason: str,
    findings: tuple[str, ...] = (),
    argument: str = "",
) -> Receipt:
    """Send an order and return its receipt.

    Raises:
        InputError: No such run, or it is not alive.
    """
    directory = RunDirectory.find(run, runs)
    return send_order(directory.path, what, by=by, reason=reason, findings=findings, argument=argument)


def review(run: str, *, runs: Path, by: str, reason: str) -> dict[str, Any]:
    """Record that a person looked at the run; opens the next cycle of changes."""
    return _plain(send_review(RunDirectory.find(run, runs).path, by=by, reason=reason))


def status(run: str, *, runs: Path) -> dict[str, Any]:
    """Where a run stands: from its supervisor if it is alive, else from its journal.

    Raises:
        InputError: No such run.
        LedgerError: Nobody serves it and its journal is broken.
    """
    directory = RunDirectory.find(run, runs)
    try:
        return {"alive": True, **_plain(send_status(directory.path))}
    except InputError as not_alive:
        latch, count = Latch(), 0
        for record in read_journal(directory.journal):
            latch, count = latch.apply(record), count + 1
        return {
            "alive": False,
            "run": directory.run,
            "state": str(latch.state),
            "down": latch.down,
            "reasons": latch.reasons,
            "resume_needs": latch.findings,
            "accepted_since_review": latch.accepted,
            "records": count,
            "note": f"{not_alive}; read from its journal. Go on with: subcritical run --resume {directory.run}",
        }


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain
