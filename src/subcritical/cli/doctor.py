"""`subcritical doctor`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from subcritical.app.doctor import Checkup, as_data, check_up
from subcritical.cli.output import as_json, errors_end_here, show, show_json
from subcritical.loop.doctor import Diagnosis
from subcritical.schema import Severity, visible


@click.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="LOOP|DIR")
@click.option("--fail-on", type=click.Choice([str(s) for s in Severity]), default="high", show_default=True)
@as_json
@errors_end_here
def doctor(target: Path, fail_on: str, as_json: bool) -> None:
    r"""Before anything runs: list what produces the score, and try whether the guest could write or reach it.

    \b
    Example: subcritical doctor path/to/autoresearch
    """
    checkup = check_up(target)
    if as_json:
        show_json(as_data(checkup))
    else:
        _show(checkup.diagnosis)
        _show_canary(checkup)
    worst = max((hole.severity.rank for hole in checkup.diagnosis.holes), default=-1)
    reached = checkup.canary is not None and bool(checkup.canary.reached)
    sys.exit(1 if reached or worst >= Severity(fail_on).rank else 0)


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
