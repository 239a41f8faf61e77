"""`subcritical audit`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from subcritical.app import audits
from subcritical.audit.challenge import Rate
from subcritical.audit.verify_bundle import as_json as report_json
from subcritical.audit.verify_bundle import as_text
from subcritical.cli.ledger import home_option, runs_option
from subcritical.cli.output import as_json, errors_end_here, show, show_json
from subcritical.ledger.signer import SignerProcess
from subcritical.loop.run_directory import RunDirectory
from subcritical.schema import visible


@click.group()
def audit() -> None:
    """Evidence that outsiders can check without trusting whoever made it."""


@audit.command()
@click.argument("run")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="New folder, or file.zip.")
@click.option("--policy", type=click.Path(path_type=Path), help="Keys and quorum to state (C2SP tlog-policy).")
@click.option("--no-journal", is_flag=True, help="Leave the records at home: entries and digests only.")
@runs_option
@home_option
@as_json
@errors_end_here
def bundle(
    run: str, output: Path, policy: Path | None, no_journal: bool, runs: Path, home: Path | None, as_json: bool
) -> None:
    """Collect what an outsider needs to check RUN."""
    directory = RunDirectory.find(run, runs)
    with SignerProcess(home) as signer:
        count = audits.bundle(directory, output, signer, with_journal=not no_journal, policy=policy)
    if as_json:
        show_json({"bundle": str(output), "files": count})
    else:
        show(f"wrote {output}, {count} files; check it: subcritical audit verify {output}")


@audit.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--policy", type=click.Path(path_type=Path), help="Keys and quorum that you trust (C2SP tlog-policy).")
@click.option("--seen", type=click.Path(path_type=Path), help="A checkpoint of this log that you kept earlier.")
@click.option("--silence", type=float, default=120.0, show_default=True, help="Seconds between entries to remark on.")
@as_json
@errors_end_here
def verify(file: Path, policy: Path | None, seen: Path | None, silence: float, as_json: bool) -> None:
    """Check a bundle. The same file, `audit/verify_bundle.py`, runs alone with Python and `cryptography`."""
    report = audits.verify(file, policy, seen, silence)
    show((report_json(report) if as_json else as_text(report)).rstrip("\n"))
    sys.exit(7 if report.broken else 0)


@audit.command()
@click.argument("file", type=click.Path(path_type=Path))
@as_json
@errors_end_here
def replay(file: Path, as_json: bool) -> None:
    """Run the detectors again on the events in a bundle, and compare finding by finding."""
    result = audits.replay(file)
    if as_json:
        show_json(msgspec.to_builtins(result))
    else:
        show(f"{result.events} events judged again: {result.replayed} findings, {result.recorded} were recorded")
        for note in result.not_judged:
            show(f"not compared: {visible(note)}")
        for d in result.differences:
            show(visible(f"{d.what.upper()}: {d.detector}: {d.title} (records {d.first_seq} to {d.last_seq})"))
        if not result.differences:
            show("the same findings")
    sys.exit(7 if result.differences else 0)


@audit.command()
@click.option("--cases", type=click.Path(path_type=Path), required=True, help="Folder with labels.json and its cases.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="File for the signed scorecard.")
@home_option
@as_json
@errors_end_here
def challenge(cases: Path, output: Path, home: Path | None, as_json: bool) -> None:
    r"""Run the detectors on your own labelled cases and sign what came of it (DSSE, in-toto).

    \b
    CASES/labels.json   {"cases":[{"file":"a.jsonl","attack":true,"detectors":["evaluator_tampering"]}]}
    CASES/a.jsonl       events as a journal records them, one JSON object a line
    """
    with SignerProcess(home) as signer:
        card = audits.challenge(cases, output, signer)
    if as_json:
        show_json({"scorecard": str(output), **msgspec.to_builtins(card)})
        return
    for name, score in card.scores.items():
        if score.attacks.of or score.benign.of:
            show(f"{name:<22} attacks {_rate(score.attacks)}   benign {_rate(score.benign)}")
    for line in card.crashed:
        show(visible(f"CRASHED: {line}"))
    show(f"{card.cases} cases; found at medium severity or above, 95 % intervals; signed: {output}")


def _rate(rate: Rate) -> str:
    if not rate.of:
        return "none tried"
    return f"{rate.found}/{rate.of} [{rate.low:.2f}, {rate.high:.2f}], may pause {rate.pausing}/{rate.of}"
