"""`pause resume throttle stop roll-back review status`: orders of a person to a running run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from subcritical.clock import SystemClock
from subcritical.errors import InputError
from subcritical.gateway import sign
from subcritical.ledger import read_journal
from subcritical.loop.run_directory import RunDirectory
from subcritical.pipeline.control import send_order, send_review, send_status
from subcritical.pipeline.several import REVIEW, OrderVote
from subcritical.schema import Order, Receipt
from subcritical.tripwires import Latch

_ORDER_LIFETIME_S = 3600


def order(
    run: str,
    what: Order,
    *,
    runs: Path,
    by: str,
    reason: str,
    findings: tuple[str, ...] = (),
    argument: str = "",
    key: Ed25519PrivateKey | None = None,
) -> Receipt:
    """Send an order, signed where a key is given, and return its receipt.

    Raises:
        InputError: No such run, or it is not alive.
        WaitsError: It takes another person.
    """
    path = RunDirectory.find(run, runs).path
    signed = _signed(path, key, order=what, argument=argument, findings=findings, reason=reason)
    return send_order(path, what, by=by, reason=reason, findings=findings, argument=argument, signed=signed)


def review(run: str, *, runs: Path, by: str, reason: str, key: Ed25519PrivateKey | None = None) -> dict[str, Any]:
    """Record that a person looked at the run; opens the next cycle of changes. Raises like `order`."""
    path = RunDirectory.find(run, runs).path
    signed = _signed(path, key, order=REVIEW, argument="", findings=(), reason=reason)
    return _plain(send_review(path, by=by, reason=reason, signed=signed))


def _signed(
    path: Path, key: Ed25519PrivateKey | None, *, order: str, argument: str, findings: tuple[str, ...], reason: str
) -> str:
    """The order with its signature: about the run as it stands now, for an hour. Empty without a key."""
    if key is None:
        return ""
    vote = OrderVote(
        order=order,
        argument=argument,
        findings=findings,
        run=path.name,
        mark=send_status(path).mark,
        expires=SystemClock().wall_ns() // 1_000_000_000 + _ORDER_LIFETIME_S,
        reason=reason,
    )
    return sign(vote, key)


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
            "denied": latch.denied,
            "accepted_since_review": latch.accepted,
            "records": count,
            "note": f"{not_alive}; read from its journal. Go on with: subcritical run --resume {directory.run}",
        }


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain
