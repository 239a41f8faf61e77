"""`subcritical policy`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
import msgspec

from subcritical.app.changing import explain, policy_of, prove
from subcritical.app.policy_proofs import attest
from subcritical.app.principals import read_private_key
from subcritical.cli.output import as_json, errors_end_here, say, show, show_json
from subcritical.cli.proofs import show_proofs
from subcritical.errors import InputError
from subcritical.policy.cedar import ChangeRequest
from subcritical.schema import Artifact, visible

_Command = TypeVar("_Command", bound=Any)


def _policy(command: _Command) -> _Command:
    option = click.option(
        "--policy", type=click.Path(path_type=Path), metavar="FILE", help="A Cedar policy (default: the shipped)."
    )
    return option(command)


@click.group()
def policy() -> None:
    """Who may change what a system is, and with how many approvals: shown, explained, proved."""


@policy.command(name="show")
@errors_end_here
def show_command() -> None:
    r"""Print the shipped policy, to be read or changed.

    \b
    Example: subcritical policy show > changes.cedar
    """
    show(policy_of(None).rstrip())


@policy.command(name="explain")
@click.option("--by", type=click.Choice(["agent", "person"]), required=True, help="Who asks.")
@click.option("--artifact", type=click.Choice([str(one) for one in Artifact]), required=True, help="What it is.")
@click.option("--approvals", type=click.IntRange(0), default=0, show_default=True, help="Distinct owners but the own.")
@click.option("--self-approved", is_flag=True, help="The requester or its owner is among those who approved.")
@click.option("--quarantined", is_flag=True, help="The artifact is held in quarantine.")
@click.option("--effect", type=click.Choice(["tightens", "loosens", "unknown"]), default="unknown", show_default=True)
@click.option("--override", "override_s", type=click.IntRange(0), default=0, metavar="SECONDS", help="Left of it.")
@_policy
@as_json
@errors_end_here
def explain_command(
    by: Literal["agent", "person"],
    artifact: str,
    approvals: int,
    self_approved: bool,
    quarantined: bool,
    effect: Literal["tightens", "loosens", "unknown"],
    override_s: int,
    policy: Path | None,
    as_json: bool,
) -> None:
    r"""Say whether one change would be let through (exit 0) or not (exit 1), and by which rules. Nothing is changed.

    \b
    Example: subcritical policy explain --by agent --artifact objective --approvals 1
    """
    request = ChangeRequest(
        by="Agent" if by == "agent" else "Person",
        artifact=Artifact(artifact),
        quarantined=quarantined,
        approvals=approvals,
        requester_approved=self_approved,
        effect=effect,
        override_s=override_s,
    )
    answer = explain(request, policy)
    if as_json:
        show_json(msgspec.to_builtins(answer))
    else:
        rules = ", ".join(visible(rule, 100) for rule in answer.rules) or "no rule permits it"
        show(f"{'permitted' if answer.allowed else 'denied'}: {rules}")
    sys.exit(0 if answer.allowed else 1)


@policy.command(name="prove")
@_policy
@click.option("--against", type=click.Path(path_type=Path), metavar="FILE", help="Prove it no looser than this one.")
@click.option("--attest", "out", type=click.Path(path_type=Path), metavar="FILE", help="Write a signed proof.")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="Private key that signs it.")
@as_json
@errors_end_here
def prove_command(policy: Path | None, against: Path | None, out: Path | None, key: Path | None, as_json: bool) -> None:
    r"""Prove the claims about a policy of changes, for every request. Two solvers must agree (extra `prove`).

    Exit 0 only if every claim is PROVED. A counterexample is replayed on the real engine. With --attest the proof
    becomes a signed statement, which loops with `containment.proof: required` ask for.

    \b
    Example: subcritical policy prove --policy new.cedar --against old.cedar --json
    """
    if (out is None) != (key is None):
        raise InputError("--attest and --key go together: what is written is signed")
    signer = read_private_key(key) if key else None
    found = prove(policy, against)
    if out is not None and signer is not None and all(one.verdict == "PROVED" for one in found):
        _write(out, attest(policy, found, signer))
        say(f"attested: {out}")
    show_proofs(found, as_json)


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; the proof was not written") from error
