"""`subcritical doctor`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from subcritical.app.doctor import Checkup, as_data, check_up
from subcritical.app.hosts import check_host
from subcritical.cli.output import as_json, errors_end_here, show, show_json
from subcritical.errors import InputError
from subcritical.loop.doctor import Diagnosis
from subcritical.schema import Severity, visible
from subcritical.watch.canary import Check


@click.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="LOOP|DIR")
@click.option(
    "--host", type=click.Choice(["claude-code", "codex"]), help="LOOP is a gate file: check this host's hook."
)
@click.option("--settings", type=click.Path(path_type=Path), help="With --host: the host's settings.")
@click.option("--run", type=click.Path(path_type=Path), help="With --host: run directory of the gate.")
@click.option("--fail-on", type=click.Choice([str(s) for s in Severity]), default="high", show_default=True)
@as_json
@errors_end_here
def doctor(
    target: Path,
    host: Literal["claude-code", "codex"] | None,
    settings: Path | None,
    run: Path | None,
    fail_on: str,
    as_json: bool,
) -> None:
    r"""Before anything runs: list what produces the score, and try whether the guest could write or reach it.

    \b
    Example: subcritical doctor path/to/autoresearch
    Example: subcritical doctor gate.yaml --host claude-code --settings ~/.claude/settings.json --run runs/agent
    """
    if host is not None:
        if settings is None or run is None:
            raise InputError("--host needs --settings and --run: name what `subcritical hook install` was given")
        checks = check_host(host, settings=settings, gate_file=target, run=run)
        _show_checks(checks, plain=as_json)
        sys.exit(0 if all(check.holds for check in checks) else 1)
    checkup = check_up(target)
    if as_json:
        show_json(as_data(checkup))
    else:
        _show(checkup.diagnosis)
        _show_canary(checkup)
    worst = max((hole.severity.rank for hole in checkup.diagnosis.holes), default=-1)
    reached = checkup.canary is not None and bool(checkup.canary.reached)
    sys.exit(1 if reached or worst >= Severity(fail_on).rank else 0)


def _show_checks(checks: Sequence[Check], *, plain: bool) -> None:
    if plain:
        show_json({"protected": all(check.holds for check in checks), "checks": checks})
        return
    for check in checks:
        line(f"{'holds' if check.holds else 'DOES NOT HOLD'}: {check.name}: {check.detail}")
    line("protected" if all(check.holds for check in checks) else "NOT PROTECTED")


def line(text: str = "") -> None:
    """One line on stdout; what a project's files say is hostile."""
    show(visible(text, 4000))


def _show_canary(checkup: Checkup) -> None:
    line()
    report = checkup.canary
    if report is None:
        line(f"Nothing was tried in a sandbox: {checkup.canary_why}")
        return
    tried = sum(attempt.tried for attempt in report.attempts)
    line(f"Tried in the guest's sandbox on {report.rung}: {tried} doors, {len(report.reached)} open that must not be")
    for attempt in report.reached:
        line(f"  OPEN: {attempt.action} {attempt.name} {attempt.path}: {attempt.detail}")
    for attempt in report.untried:
        line(f"  not tried: {attempt.action} {attempt.name}: {attempt.detail}")


def _show(diagnosis: Diagnosis) -> None:

    line(f"{diagnosis.directory}: a {diagnosis.project} project, {diagnosis.files_read} files read")
    line()
    line("What produces the score:")
    for producer in diagnosis.producers:
        where = f"{producer.file}:{producer.line}"
        name = producer.name.removeprefix("@/")
        line(f"  {producer.kind} {name} ({where}): guest {producer.guest}; {producer.why}")
    line()
    for hole in sorted(diagnosis.holes, key=lambda hole: -hole.severity.rank):
        line(f"{hole.file}:{hole.line}: {hole.severity}: {hole.title} [{hole.id}, {hole.technique}]")
        line(f"    why: {hole.why}")
        for place in hole.places:
            line(f"    see: {place.file}:{place.line} {place.note}")
        line(f"    fix: {hole.fix}")
    line(f"{len(diagnosis.holes)} holes in {diagnosis.files_read} files; {len(diagnosis.unread)} paths not read")
    for unread in diagnosis.unread:
        line(f"  not read: {unread.path}: {unread.why}")
    if diagnosis.unconfined:
        line(f"As it is set up: {diagnosis.unconfined}")
    if diagnosis.loop_file:
        line()
        show("A loop file that would close them:")
        show("\n".join(visible(text, 4000) for text in diagnosis.loop_file.split("\n")))
        for note in diagnosis.loop_file_notes:
            line(f"  still to do: {note}")
