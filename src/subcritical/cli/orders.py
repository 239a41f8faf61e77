"""`subcritical pause|resume|throttle|deny|stop|roll-back|review|status`."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from subcritical.app import orders
from subcritical.cli.keys import own_key
from subcritical.cli.output import as_json, errors_end_here, show, show_json
from subcritical.loop.run_directory import RUNS
from subcritical.schema import Order, Receipt, visible
from subcritical.tripwires import LIFT

F = TypeVar("F", bound=Callable[..., Any])

_run = click.argument("run")
_runs = click.option("--runs", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Folder of runs.")
_by = click.option("--by", default=getpass.getuser, show_default="your user name", help="Who orders it.")
_finding = click.option(
    "--finding", "findings", multiple=True, metavar="ID", help="A finding you have looked at; repeat."
)


_key = click.option(
    "--key", type=click.Path(path_type=Path), default=None, help="Your private key, where the run takes several people."
)


def _reason(*, required: bool) -> Callable[[F], F]:
    return click.option("--reason", required=required, default=None if required else "", help="Why; recorded.")


def _own(key: Path | None) -> Ed25519PrivateKey | None:
    return None if key is None else own_key(key)


def _answer(receipt: Receipt, *, as_json: bool) -> None:
    if as_json:
        show_json(receipt)
    else:
        show(_line(receipt))
    if receipt.outcome == "failed":
        sys.exit(6)
    if receipt.outcome == "refused":
        sys.exit(2)


def _line(receipt: Receipt) -> str:
    took = (receipt.confirmed_ns - receipt.ordered_ns) / 1e6 if receipt.confirmed_ns else None
    confirmed = f"confirmed after {took:.1f} ms" if took is not None else "NOT confirmed"
    detail = f"; {visible(receipt.detail, 500)}" if receipt.detail else ""
    return (
        f"{receipt.order}: {receipt.outcome}, run is {receipt.state}; {confirmed}, "
        f"{receipt.processes} processes, {receipt.survivors} survivors, rung {receipt.rung}{detail}"
    )


@click.command()
@_run
@_runs
@_by
@_reason(required=False)
@as_json
@errors_end_here
def pause(run: str, runs: Path, by: str, reason: str, as_json: bool) -> None:
    """Freeze everything of RUN; PAUSED only after the kernel confirmed it, otherwise killed."""
    _answer(orders.order(run, Order.PAUSE, runs=runs, by=by, reason=reason), as_json=as_json)


@click.command()
@_run
@_runs
@_by
@_reason(required=True)
@_finding
@_key
@as_json
@errors_end_here
def resume(
    run: str, runs: Path, by: str, reason: str, findings: tuple[str, ...], key: Path | None, as_json: bool
) -> None:
    """Let a paused RUN go on. After a tripwire, name every finding that tripped it (`status` lists them)."""
    receipt = orders.order(run, Order.RESUME, runs=runs, by=by, reason=reason, findings=findings, key=_own(key))
    _answer(receipt, as_json=as_json)


@click.command()
@_run
@click.option("--at-most", required=True, metavar="N", help="Accepted self-changes per recorded review, or `off`.")
@_runs
@_by
@_reason(required=True)
@_finding
@_key
@as_json
@errors_end_here
def throttle(
    run: str,
    at_most: str,
    runs: Path,
    by: str,
    reason: str,
    findings: tuple[str, ...],
    key: Path | None,
    as_json: bool,
) -> None:
    """Slow RUN down: at most N accepted changes since the last recorded review."""
    receipt = orders.order(
        run, Order.THROTTLE, runs=runs, by=by, reason=reason, findings=findings, argument=at_most, key=_own(key)
    )
    _answer(receipt, as_json=as_json)


@click.command()
@_run
@click.argument("pattern")
@click.option("--lift", is_flag=True, help="End the quarantine of PATTERN; lets the system do more.")
@_runs
@_by
@_reason(required=True)
@_key
@as_json
@errors_end_here
def deny(run: str, pattern: str, lift: bool, runs: Path, by: str, reason: str, key: Path | None, as_json: bool) -> None:
    """Put artifacts of RUN in quarantine: no change of a path that PATTERN matches (*, **, ?) is applied."""
    argument = f"{LIFT}{pattern}" if lift else pattern
    receipt = orders.order(run, Order.DENY, runs=runs, by=by, reason=reason, argument=argument, key=_own(key))
    _answer(receipt, as_json=as_json)


@click.command()
@_run
@_runs
@_by
@_reason(required=False)
@as_json
@errors_end_here
def stop(run: str, runs: Path, by: str, reason: str, as_json: bool) -> None:
    """End every process of RUN. Works in every state, needs one person, never asks twice."""
    _answer(orders.order(run, Order.STOP, runs=runs, by=by, reason=reason), as_json=as_json)


@click.command("roll-back")
@_run
@click.option("--to", "version", default="", metavar="DIGEST", help="An accepted version; default: the one before.")
@_runs
@_by
@_reason(required=True)
@_key
@as_json
@errors_end_here
def roll_back(run: str, version: str, runs: Path, by: str, reason: str, key: Path | None, as_json: bool) -> None:
    """Return a paused RUN to an earlier accepted version; the guest starts anew from it after a resume.

    One person goes back. Forward, to a version that was gone back from, go those who may resume.
    """
    receipt = orders.order(run, Order.ROLL_BACK, runs=runs, by=by, reason=reason, argument=version, key=_own(key))
    _answer(receipt, as_json=as_json)


@click.command()
@_run
@click.option("--by", required=True, help="Who looked.")
@_reason(required=True)
@_runs
@_key
@as_json
@errors_end_here
def review(run: str, by: str, reason: str, runs: Path, key: Path | None, as_json: bool) -> None:
    """Record that a person looked at RUN. Only a recorded review opens the next cycle of a throttled run."""
    recorded = orders.review(run, runs=runs, by=by, reason=reason, key=_own(key))
    if as_json:
        show_json(recorded)
    else:
        show(f"review by {visible(by, 200)} recorded")


@click.command()
@_run
@_runs
@as_json
@errors_end_here
def status(run: str, runs: Path, as_json: bool) -> None:
    """Where RUN stands: state, what holds it, what a resume has to name."""
    found = orders.status(run, runs=runs)
    if as_json:
        show_json(found)
        return
    for name, value in found.items():
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        show(f"{name:>22}: {visible(text, 2000)}")
