"""`run`: one loop file, one command, one result object."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from subcritical import report
from subcritical.app.autonomy import GatedAutonomy
from subcritical.app.policy_proofs import require_proof
from subcritical.clock import Clock, SystemClock
from subcritical.errors import InputError
from subcritical.ids import Ids
from subcritical.ledger import read_journal, verify_journal
from subcritical.ledger.notary import Notary, Said
from subcritical.ledger.proofs import PROOFS, SUFFIX
from subcritical.ledger.signer import make_home
from subcritical.loop.assembly import run_loop
from subcritical.loop.loopfile import Loop, load_loop
from subcritical.loop.options import RunOptions
from subcritical.loop.outcome import Progress, Result
from subcritical.loop.run_directory import RunDirectory
from subcritical.pipeline import Pipeline
from subcritical.report import RunFacts, SignedLog
from subcritical.sandbox import Rung, probe
from subcritical.schema import Action, Finding, Measurement, Order, Receipt, Record, Severity
from subcritical.tripwires import BY_PREFIX

_ORDER = (3, 7, 6, 5, 130, 4, 1)
"""Exit codes that can apply together, the first of them wins."""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A finished run: the object of `--json`, the exit code, and where the report lies."""

    summary: dict[str, Any]
    text: str
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
    require_proof(loop)
    chosen = choose_rung(Rung(loop.settings.containment.minimum), allow_rung=allow_rung, exactly=rung)
    gated = GatedAutonomy(loop) if loop.settings.autonomy is not None else None
    home = make_home()
    if directory is None:
        directory = RunDirectory.create(runs, Ids().run(clock))
        directory.remember(loop_file)
    started(directory, chosen)
    options = RunOptions(rung=chosen, wait_when_paused=wait_when_paused, resume=resume is not None, seed=seed)
    notary = Notary(directory.journal, directory.ledger, home)
    try:
        if resume:
            notary.wait_until_checked()  # a record that was rolled back is not gone on with
        result = run_loop(
            loop,
            directory,
            options=options,
            clock=clock,
            progress=lambda done: _progressed(done, progress, gated),
            beside=lambda pipeline: _beside(pipeline, notary, gated),
        )
    finally:
        signed = notary.close()
    return conclude(directory, loop, result, chosen, signed, fail_on=fail_on)


@contextlib.contextmanager
def _beside(pipeline: Pipeline, notary: Notary, gated: GatedAutonomy | None) -> Iterator[None]:
    """What is in force while the run goes on: the notary that signs it, and the gate that throttles it."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(notary.watched(lambda why: pipeline.stand_still(f"the log is not signed: {why}")))
        if gated is not None:
            stack.enter_context(gated.over(pipeline))
        yield


def _progressed(done: Progress, progress: Callable[[Progress], None], gated: GatedAutonomy | None) -> None:
    if gated is not None:
        gated.again()
    progress(done)


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


def conclude(
    directory: RunDirectory, loop: Loop, result: Result, rung: Rung, signed: Said, *, fail_on: Severity
) -> Ran:
    """Write the report and the summary of a run that has ended, and whose log was signed."""
    records = list(read_journal(directory.journal))
    check = verify_journal(directory.journal)
    facts = RunFacts(
        status=result.status,
        why=result.why,
        rung=str(rung),
        not_guaranteed=not_guaranteed(loop, rung),
        isolation=loop.settings.evaluate.isolation,
        review_cycle=_review_cycle(loop),
        journal_path=str(directory.journal),
        journal=check,
        log=SignedLog(
            origin=signed.origin,
            size=signed.size,
            root=signed.root,
            not_signed=signed.refused,
            proofs={
                int(path.stem): f"{directory.ledger.name}/{PROOFS}/{path.name}"
                for path in (directory.ledger / PROOFS).glob(f"*{SUFFIX}")
            },
        ),
    )
    measured = {record.name: record for record in records if isinstance(record, Measurement)}
    summary = {
        **report.summary(records),
        "status": result.status,
        "why": result.why,
        "run": directory.run,
        "rung": str(rung),
        "generations": result.generations,
        "accepted": result.accepted,
        **_growth(measured, "k"),
        **_growth(measured, "gain_ratio"),
        "journal": {"events": check.records, "path": str(directory.journal), "intact": not check.problems},
        "log": {
            "origin": signed.origin,
            "size": signed.size,
            "root": signed.root,
            "not_signed": signed.refused or None,
        },
        "report": str(directory.report),
    }
    title = loop.settings.system
    directory.report.write_text(report.render_html(records, title=title, facts=facts), encoding="utf-8")
    directory.summary.write_bytes(msgspec.json.format(msgspec.json.encode(summary)))
    text = report.render_text(records, title=title, facts=facts)
    code = _exit_code(result, records, broken=bool(check.problems or signed.refused), fail_on=fail_on)
    return Ran(summary=summary, text=text, exit_code=code, report=directory.report)


def not_guaranteed(loop: Loop, rung: Rung) -> tuple[str, ...]:
    """What this run does not guarantee: by its rung, and by how it evaluates."""
    lines = tuple(probe().not_guaranteed(rung))
    if loop.settings.evaluate.isolation == "shared":
        lines += (
            "isolation is `shared`: a candidate runs in the evaluator's interpreter and can write its own verdict",
        )
    if loop.settings.evaluate.held_out is None:
        lines += ("there is no held-out split: improvement cannot be told from fitting the public one",)
    return lines


def _review_cycle(loop: Loop) -> str:
    oversight = loop.settings.oversight
    if oversight.review == "assumed":
        return "assumed"
    return oversight.review_cycle or f"{oversight.review_generations} generations"


def _growth(measured: Mapping[str, Measurement], name: str) -> dict[str, Any]:
    """A factor with its interval, or null with the reason; never a point alone."""
    found = measured.get(name)
    if found is None or found.estimate is None:
        return {name: None, f"{name}_why": found.why if found else "the run ended before it could be measured"}
    return {name: {"estimate": found.estimate, "low": found.low, "high": found.high, "level": found.level}}


def _exit_code(result: Result, records: Sequence[Record], *, broken: bool, fail_on: Severity) -> int:
    receipts = [record for record in records if isinstance(record, Receipt)]
    findings = [record for record in records if isinstance(record, Finding)]
    by_rule = {r.id for r in records if isinstance(r, Action) and r.by.startswith(BY_PREFIX)}
    killed = [receipt for receipt in receipts if receipt.order in {Order.STOP, Order.QUARANTINE}]
    applies = {
        3: result.status == "failed",
        7: broken,
        6: any(receipt.outcome == "failed" for receipt in receipts),
        5: result.status == "tripped" or any(receipt.action in by_rule for receipt in killed),
        130: result.status == "stopped",
        4: any(finding.detector == "blind" and finding.severity.may_pause for finding in findings),
        1: any(finding.severity.rank >= fail_on.rank for finding in findings),
    }
    return next((code for code in _ORDER if applies[code]), 0)
