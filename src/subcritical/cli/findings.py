"""`subcritical findings`."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from subcritical.app.triage import Mark, State, Triage, find_id, load_findings
from subcritical.cli.output import as_json, errors_end_here, say, show, show_json
from subcritical.errors import ConfigError, InputError
from subcritical.loop.run_directory import RUNS
from subcritical.report import place_text
from subcritical.schema import Severity, visible
from subcritical.yaml_source import seconds

_source = click.argument("source")
_runs = click.option("--runs", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Folder of runs.")
_file = click.option(
    "--triage", "file", type=click.Path(path_type=Path), default=Path("triage.jsonl"), show_default=True,
    help="The operator's file of marks.",
)  # fmt: skip
_owner = click.option("--owner", default=getpass.getuser, show_default="your user name", help="Who answers for it.")
_reason = click.option("--reason", required=True, help="Why; recorded.")


@click.group()
def findings() -> None:
    """What was found, and what people decided about it.

    SOURCE is a result of `subcritical scan --json`, or a run.
    """


@findings.command(name="list")
@_source
@_runs
@_file
@click.option("--all", "everything", is_flag=True, help="Silenced ones too.")
@as_json
@errors_end_here
def list_command(source: str, runs: Path, file: Path, everything: bool, as_json: bool) -> None:
    r"""Every finding of SOURCE with its state: open, acknowledged or silenced.

    \b
    Example: subcritical findings list result.json
    """
    triage = Triage(file)
    found = load_findings(source, runs=runs)
    silenced = triage.silenced(str(one["id"]) for one in found)
    shown = [one for one in found if everything or one["id"] not in silenced]
    if as_json:
        show_json({"findings": [{**one, "triage": triage.of(str(one["id"]))} for one in shown]})
    else:
        for one in sorted(shown, key=_rank):
            state = _state(triage.of(str(one["id"])))
            show(visible(f"{one['id'][:12]} {one['severity']:8} {one['title']} [{one['detector']}] {state}", 400))
    say(f"{len(found)} findings, {len(found) - len(shown)} silenced and not shown")


@findings.command(name="show")
@_source
@click.argument("finding")
@_runs
@_file
@as_json
@errors_end_here
def show_command(source: str, finding: str, runs: Path, file: Path, as_json: bool) -> None:
    """All that is known of one finding."""
    found = {str(one["id"]): one for one in load_findings(source, runs=runs)}
    one = found[find_id(list(found), finding)]
    mark = Triage(file).of(str(one["id"]))
    if as_json:
        show_json({**one, "triage": mark})
        return
    for name, value in one.items():
        if name == "evidence":
            for place in value:
                show(visible(f"evidence: {place_text(place) if 'path' in place else place}", 1000))
        else:
            show(visible(f"{name}: {value}", 4000))
    show(visible(f"state: {_state(mark)}", 1000))


@findings.command(name="ack")
@_source
@click.argument("ids", nargs=-1, required=True)
@_runs
@_file
@_owner
@_reason
@click.option("--until", help="A duration such as 30d after which it is open again.")
@as_json
@errors_end_here
def ack_command(
    source: str, ids: tuple[str, ...], runs: Path, file: Path, owner: str, reason: str, until: str | None, as_json: bool
) -> None:
    """Take findings on: somebody answers for them. They still count."""
    _mark("acknowledged", source, ids, runs, file, (owner, reason, until), as_json=as_json)


@findings.command(name="silence")
@_source
@click.argument("ids", nargs=-1, required=True)
@_runs
@_file
@_owner
@_reason
@click.option("--until", required=True, help="A duration such as 30d, at most 90d.")
@as_json
@errors_end_here
def silence_command(
    source: str, ids: tuple[str, ...], runs: Path, file: Path, owner: str, reason: str, until: str, as_json: bool
) -> None:
    """Have `scan --triage` not fail on findings for a while. Nothing is deleted."""
    _mark("silenced", source, ids, runs, file, (owner, reason, until), as_json=as_json)


def _mark(
    state: State, source: str, ids: tuple[str, ...], runs: Path, file: Path, said: tuple[str, str, str | None],
    *, as_json: bool,
) -> None:  # fmt: skip
    owner, reason, until = said
    known = [str(one["id"]) for one in load_findings(source, runs=runs)]
    wanted = [find_id(known, one) for one in ids]
    marks = Triage(file).mark(wanted, state, owner=owner, reason=reason, for_s=_seconds(until))
    if as_json:
        show_json({"marks": marks})
        return
    for mark in marks:
        show(visible(f"{mark.finding[:12]} {_state(mark)}", 400))


def _seconds(until: str | None) -> float | None:
    try:
        return None if until is None else seconds(until)
    except ConfigError as error:
        raise InputError(f"--until: {error}") from None


def _rank(one: dict[str, Any]) -> int:
    return -Severity(one["severity"]).rank


def _state(mark: Mark | None) -> str:
    if mark is None:
        return "open"
    end = "" if mark.until is None else f" until {datetime.fromtimestamp(mark.until, tz=UTC):%Y-%m-%d %H:%M} UTC"
    return f"{mark.state} by {mark.owner}{end}: {mark.reason}"
