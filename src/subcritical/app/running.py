"""`run`: one loop file, one command, one result object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from subcritical import report
from subcritical.clock import Clock, SystemClock
from subcritical.errors import ContainmentError, InputError
from subcritical.ids import Ids
from subcritical.ledger import read_journal, verify_journal
from subcritical.loop.assembly import RunOptions, run_loop
from subcritical.loop.loopfile import load_loop
from subcritical.loop.run_directory import RunDirectory
from subcritical.loop.runner import Progress, Result
from subcritical.sandbox import Rung, probe
from subcritical.schema import Receipt, Record, Severity

_ORDER = (3, 7, 6, 5, 130, 4, 1)
"""Exit codes that can apply together, the first of them wins."""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A finished run: the object of `--json`, the exit code, and where the report lies."""

    summary: dict[str, Any]
    exit_code: int
    report: Path


def run_system(
    loop_file: Path | None,
    *,
    runs: Path,
    allow_rung: Rung | None = None,
    rung: Rung | None = None,
    resume: str | None = None,
    seed: int | None = None,
    wait_when_paused: bool = False,
    fail_on: Severity = Severity.HIGH,
    progress: Callable[[Progress], None] = lambda _: None,
    started: Callable[[RunDirectory, Rung], None] = lambda _directory, _rung: None,
    clock: Clock | None = None,
) -> Ran:
    """Run a loop, or go on with one.

    Args:
        loop_file: The loop; None with `resume`, which remembers its own.
        runs: Folder of run directories.
        allow_rung: Accept this rung although the loop file asks for a stronger one.
        rung: Use exactly this rung instead of the strongest there is.
        resume: Name of the run to go on with.
        seed: Replaces the guest's seed and makes the run's own choices repeat.
        wait_when_paused: Wait for people while a latch is down, instead of ending.
        fail_on: Findings from this severity on make the exit code 1.
        progress: Called after every generation.
        started: Called when the run directory exists and the rung is chosen.
        clock: The source of time.

    Raises:
        ConfigError, InputError: Nothing was started.
    """
    clock = clock or SystemClock()
    directory = RunDirectory.find(resume, runs) if resume else None
    if directory is not None:
        loop_file = directory.original_loop_file()
    if loop_file is None:
        raise InputError("name a loop file, or a run to go on with: `subcritical run LOOP` or `run --resume RUN`")
    loop = load_loop(loop_file)
    chosen = choose_rung(Rung(loop.settings.containment.minimum), allow_rung=allow_rung, exactly=rung)
    if directory is None:
        directory = RunDirectory.create(runs, Ids().run(clock))
        directory.remember(loop_file)
    started(directory, chosen)
    options = RunOptions(rung=chosen, wait_when_paused=wait_when_paused, resume=resume is not None, seed=seed)
    result = run_loop(loop, directory, options=options, clock=clock, progress=progress)
    return conclude(
        directory, result, chosen, fail_on=fail_on, review_assumed=loop.settings.oversight.review == "assumed"
    )


def choose_rung(minimum: Rung, *, allow_rung: Rung | None, exactly: Rung | None) -> Rung:
    """The rung to run on.

    Raises:
        InputError: Nothing on this machine is strong enough; says what is missing and what would do.
    """
    found = probe()
    if not found.available:
        raise InputError(
            "no containment rung works on this machine (`subcritical sandbox probe` says why); nothing was started"
        )
    chosen = exactly or found.strongest
    if chosen is None or chosen not in found.available:
        raise InputError(f"rung {chosen} does not work here (available: {', '.join(found.available)})")
    floor = max(minimum, allow_rung) if allow_rung else minimum
    if chosen > floor:
        raise InputError(
            f"the strongest rung here is {chosen}, the loop asks for at least {minimum}; install what "
            f"`subcritical sandbox probe` names, or accept the weaker promise with --allow-rung {chosen}"
        )
    return chosen


def conclude(directory: RunDirectory, result: Result, rung: Rung, *, fail_on: Severity, review_assumed: bool) -> Ran:
    """Write the report and the summary of a run that has ended."""
    records = list(read_journal(directory.journal))
    check = verify_journal(directory.journal)
    summary = {
        "status": result.status,
        "why": result.why,
        "run": directory.run,
        "rung": str(rung),
        "generations": result.generations,
        "accepted": result.accepted,
        **report.summary(records),
        "journal": {"events": check.records, "path": str(directory.journal), "intact": not check.problems},
        "report": str(directory.report),
    }
    page = report.render_html(
        records,
        title=f"Run {directory.run}",
        rung=str(rung),
        not_guaranteed=probe().not_guaranteed(rung),
        review_assumed=review_assumed,
        journal=str(directory.journal),
    )
    directory.report.write_text(page, encoding="utf-8")
    directory.summary.write_bytes(msgspec.json.format(msgspec.json.encode(summary)))
    return Ran(summary=summary, exit_code=_exit_code(result, records, check.problems, fail_on), report=directory.report)


def _exit_code(result: Result, records: Sequence[Record], problems: Sequence[object], fail_on: Severity) -> int:
    codes = {0}
    receipts = [record for record in records if isinstance(record, Receipt)]
    if problems:
        codes.add(7)
    if result.status == "failed":
        codes.add(3)
    if any(receipt.outcome == "failed" or receipt.survivors > 0 for receipt in receipts):
        codes.add(ContainmentError.exit_code)
    if result.status == "tripped":
        codes.add(5)
    if result.status == "stopped":
        codes.add(5 if any(r.order in ("stop", "quarantine") and _by_tripwire(r, records) for r in receipts) else 130)
    findings = [record for record in records if record.__class__.__name__ == "Finding"]
    if any(getattr(finding, "detector", "") == "blind" and finding.severity.may_pause for finding in findings):
        codes.add(4)
    if any(finding.severity.rank >= fail_on.rank for finding in findings):
        codes.add(1)
    return next((code for code in _ORDER if code in codes), 0)


def _by_tripwire(receipt: Receipt, records: Sequence[Record]) -> bool:
    return any(
        getattr(r, "id", None) == receipt.action and getattr(r, "by", "").startswith("tripwire:") for r in records
    )
