"""`subcritical proposals`: look at what a run asks for, and vote."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from subcritical.app import proposals as asking
from subcritical.cli.keys import own_key
from subcritical.cli.output import as_json, errors_end_here, show, show_json
from subcritical.errors import InputError
from subcritical.gateway.votes import Verdict
from subcritical.loop.run_directory import RUNS
from subcritical.schema import FileChange, visible
from subcritical.yaml_source import seconds

F = TypeVar("F", bound=Callable[..., Any])

_run = click.argument("run")
_proposal = click.argument("proposal")
_runs = click.option("--runs", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Folder of runs.")
_WORDS = {"": "is being tested", "not_kept": "not kept", "waits": "WAITS FOR PEOPLE", "ended": "ended with its guest"}


@click.group()
def proposals() -> None:
    """What a run asks for: shown with its test and its findings, approved or rejected by signed votes."""


@proposals.command(name="list")
@_run
@click.option("--waiting", is_flag=True, help="Only those that wait for people.")
@_runs
@as_json
@errors_end_here
def list_command(run: str, waiting: bool, runs: Path, as_json: bool) -> None:
    """List the proposals of RUN."""
    every = asking.proposals(run, runs=runs)
    found = [asked for asked in every if asked.became == "waits"] if waiting else every
    if as_json:
        show_json({"proposals": found})
        return
    for asked in found:
        classes = ", ".join(sorted({str(change.artifact) for change in asked.proposal.changes})) or "nothing"
        by = f" by {visible(asked.by, 100)}" if asked.by else ""
        word = _WORDS.get(asked.became, asked.became)
        show(f"{asked.proposal.proposal}  generation {asked.generation}  {classes}: {word}{by}")
    show(f"{len(found)} of {len(every)} proposals")


@proposals.command(name="show")
@_run
@_proposal
@_runs
@as_json
@errors_end_here
def show_command(run: str, proposal: str, runs: Path, as_json: bool) -> None:
    """Show PROPOSAL of RUN: what it changes, how it tested, what was found, what the policy asks for, who voted."""
    asked = asking.proposal(run, proposal, runs=runs)
    if as_json:
        show_json(asked)
    else:
        _describe(asked, {c.path: asking.whole_diff(run, c, runs=runs) for c in asked.proposal.changes})


def _describe(asked: asking.Asked, diffs: dict[str, str]) -> None:
    record = asked.proposal
    show(f"proposal {record.proposal}, generation {asked.generation}: {_WORDS.get(asked.became, asked.became)}")
    for reason in asked.reasons:
        show(f"  because: {visible(reason, 1000)}")
    show(f"requester: {visible(record.requester, 200)}")
    show(f"claims: {visible(record.claim, 2000) or '(nothing)'}")
    show(f"base {record.base}\ntree {record.tree}")
    if asked.public is None:
        show("test: none yet")
    else:
        value = "no score" if asked.public.value is None else f"{asked.public.value:.6g}"
        show(f"test: {visible(asked.public.metric, 100)} {value} on the public split ({asked.public.status})")
    show(f"findings of its generation: {len(asked.findings)}")
    for finding in asked.findings:
        show(f"  {finding.severity}: {visible(finding.title, 300)} ({finding.id})")
    for change in record.changes:
        _describe_change(change, diffs[change.path])
    for path, why in record.refused_paths:
        show(f"not read: {visible(path, 300)}: {visible(why, 300)}")
    _describe_ballots(asked)


def _describe_change(change: FileChange, diff: str) -> None:
    what = "added" if change.before is None else "removed" if change.after is None else "changed"
    why = f"; {visible(change.note, 500)}" if change.note else ""
    show(f"{what} {change.artifact}: {visible(change.path, 300)} ({change.size} bytes){why}")
    if diff:
        for line in diff.split("\n"):
            show(f"  {visible(line, 10 * asking.SHOWN_MAX)}")  # what is cut here is approved unseen
    else:
        show(f"  no text diff; {change.before} -> {change.after}")


def _describe_ballots(asked: asking.Asked) -> None:
    for ballot in asked.ballots:
        if ballot.step == "open":
            show(f"policy {ballot.policy} asks:")
            for demand in ballot.demands:
                show(f"  {visible(demand, 500)}")
        else:
            show(f"{ballot.step} by {visible(ballot.by, 100)}: {visible(ballot.reason, 500) or 'no reason given'}")


def _voting(*, lifetime: str, reason: bool) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in (
            as_json,
            _runs,
            click.option("--confirm", metavar="ID", help="The id, instead of typing it."),
            click.option("--reason", default=None if reason else "", required=reason, help="Why; recorded."),
            click.option("--for", "lifetime", default=lifetime, show_default=True, help="How long the vote counts."),
            click.option("--key", type=click.Path(path_type=Path), required=True, help="Your private key."),
            _proposal,
            _run,
        ):
            command = option(command)
        return command

    return decorate


def _vote(verdict: Verdict, asked_for: dict[str, Any]) -> None:
    name = asked_for["proposal"]
    _typed(name, asked_for["confirm"], verdict)
    told = asking.vote(
        asked_for["run"],
        name,
        verdict,
        key=own_key(asked_for["key"]),
        lifetime_s=seconds(asked_for["lifetime"]),
        reason=asked_for["reason"],
        runs=asked_for["runs"],
    )
    if asked_for["as_json"]:
        show_json({"proposal": name, "verdict": verdict, "told": told})
    else:
        show(visible(told, 500))


def _typed(name: str, confirm: str | None, verdict: Verdict) -> None:
    """Have the id typed: a vote is nothing that a stray key gives."""
    if confirm is None:
        if not sys.stdin.isatty():
            raise InputError(f"type the proposal's id to {verdict} it, or give --confirm {visible(name, 100)}")
        confirm = click.prompt(f"type the proposal's id to {verdict} it", err=True)
    if confirm != name:
        raise InputError(f"{visible(confirm, 100)!r} is not {visible(name, 100)!r}: nothing was signed")


@proposals.command(name="approve")
@_voting(lifetime="1d", reason=False)
@errors_end_here
def approve_command(**asked_for: Any) -> None:
    r"""Approve exactly the bytes that `proposals show` shows.

    \b
    Example: subcritical proposals approve latest p-3 --key ~/.ssh/id_ed25519
    """
    _vote("approve", asked_for)


@proposals.command(name="reject")
@_voting(lifetime="1d", reason=True)
@errors_end_here
def reject_command(**asked_for: Any) -> None:
    """Reject it: one person is enough, and nobody can take it back."""
    _vote("reject", asked_for)


@proposals.command(name="override")
@_voting(lifetime="1h", reason=True)
@errors_end_here
def override_command(**asked_for: Any) -> None:
    """Break the glass: take the change on yourself, for a day at most, where the policy asks fewer people then."""
    _vote("override", asked_for)
