"""`subcritical gate`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from subcritical.app.gating import check, decision_statement, load_gate, prove, schema
from subcritical.cli.output import as_json, errors_end_here, say, show, show_json
from subcritical.cli.proofs import show_proofs
from subcritical.errors import InputError
from subcritical.policy import Decision, Gate, Outcome, Subject, profile, profile_names
from subcritical.schema import visible


@click.group()
def gate() -> None:
    """Scaling gates: which evidence allows which autonomy. What cannot be ruled out counts as crossed."""


@gate.command(name="check")
@click.argument("gate_name", metavar="GATE")
@click.option("--autonomy", type=click.IntRange(1, 100), help="The level asked for. Needed.")
@click.option("--subject", metavar="NAME", help="What wants it. Needed.")
@click.option("--digest", metavar="SHA256", help="Of the subject's bytes. Needed.")
@click.option("--compute", type=float, help="Effective compute of the subject, as in its evidence.")
@click.option("--evidence", type=click.Path(path_type=Path), metavar="FOLDER", help="*.dsse.json files. Needed.")
@click.option("--signers", type=click.Path(path_type=Path), metavar="FILE", help="OWNER CLASS KEY, one a line.")
@click.option("--log", type=click.Path(path_type=Path), metavar="FILE", help="tlog-policy: which logs count.")
@click.option("--today", metavar="DAY", help="Decide as of this day (default: today, UTC).")
@click.option("--event", "events", multiple=True, metavar="NAME", help="Something that may invalidate the gate.")
@click.option("--statement", type=click.Path(path_type=Path), metavar="FILE", help="Write the decision, to be signed.")
@as_json
@errors_end_here
def check_command(
    gate_name: str,
    autonomy: int | None,
    subject: str | None,
    digest: str | None,
    compute: float | None,
    evidence: Path | None,
    signers: Path | None,
    log: Path | None,
    today: str | None,
    events: tuple[str, ...],
    statement: Path | None,
    as_json: bool,
) -> None:
    r"""Decide: ALLOW (exit 0), DENY or HALT (exit 1). GATE is a file, or the name of a shipped profile.

    Who signed, and whether a trusted log holds it, is verified; what evidence says about itself is not believed.

    \b
    Example: subcritical gate check gate.yaml --autonomy 2 --subject model-7 --digest 9f2c... --compute 1e26
               --evidence evidence/ --signers signers.txt --log log.tlog
    """
    if autonomy is None or subject is None or digest is None or evidence is None:
        given = {"--autonomy": autonomy, "--subject": subject, "--digest": digest, "--evidence": evidence}
        raise InputError(_lacks(gate_name, [name for name, value in given.items() if value is None]))
    about = Subject(name=subject, digest=digest, effective_compute=compute)
    found, gate_digest, decision = check(
        gate_name,
        autonomy=autonomy,
        evidence=evidence,
        subject=about,
        signers=signers,
        log=log,
        today=today,
        events=events,
    )
    if statement is not None:
        try:
            statement.write_bytes(decision_statement(found, gate_digest, decision, about))
        except OSError as error:
            raise InputError(f"{statement}: {error.strerror}; name a file that can be written") from error
        say(f"decision: {statement}; not signed and in no log yet")
    show_json(msgspec.to_builtins(decision)) if as_json else _text(decision)
    sys.exit(0 if decision.outcome is Outcome.ALLOW else 1)


def _lacks(gate_name: str, missing: list[str]) -> str:
    """What a question to a gate lacks; which levels can be asked for is read in the gate itself."""
    found, _ = load_gate(gate_name)
    says = f"gate check {gate_name} needs {', '.join(missing)} as well"
    if "--autonomy" in missing:
        levels = ", ".join(str(number) for number in sorted(level.autonomy for level in found.levels))
        says += f"; --autonomy is one of {levels}: see subcritical gate explain {gate_name}"
    return f"{says}; for an example see subcritical gate check --help"


@gate.command(name="explain")
@click.argument("gate_name", metavar="GATE")
@as_json
@errors_end_here
def explain_command(gate_name: str, as_json: bool) -> None:
    r"""What a gate asks for, level by level, with the source of every number.

    \b
    Example: subcritical gate explain anthropic-rsp
    """
    found, digest = load_gate(gate_name)
    show_json({"gate": msgspec.to_builtins(found), "sha256": digest}) if as_json else _explained(found)


@gate.command(name="init")
@click.argument("target", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--profile", "name", type=click.Choice(profile_names()), default="progress-rate", show_default=True)
@errors_end_here
def init_command(target: Path, name: str) -> None:
    r"""Write a shipped gate to FILE, to be argued about and changed.

    \b
    Example: subcritical gate init gate.yaml --profile openai-preparedness
    """
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(profile(name))
    except FileExistsError as error:
        raise InputError(f"{target} exists; name another file, nothing was changed") from error
    except OSError as error:
        raise InputError(f"{target}: {error.strerror}; name a file that can be written") from error
    say(f"{target}: {name}; next: subcritical gate explain {target}")


@gate.command(name="prove")
@click.option(
    "--policy", type=click.Path(path_type=Path), metavar="FILE", help="A Cedar policy (default: the shipped)."
)
@as_json
@errors_end_here
def prove_command(policy: Path | None, as_json: bool) -> None:
    r"""Prove of the policy that reads verdicts: no ALLOW, no autonomy. Two solvers must agree (extra `prove`).

    Exit 0 only if every invariant is PROVED. A counterexample is replayed on the real engine.

    \b
    Example: subcritical gate prove --json
    """
    found = prove(policy)
    show_proofs(found, as_json)


@gate.command(name="schema")
@errors_end_here
def schema_command() -> None:
    """JSON Schema of a gate, for editors."""
    show_json(schema())


def _text(decision: Decision) -> None:
    show(f"{decision.outcome}: autonomy {decision.autonomy} for {visible(decision.subject, 200)} by {decision.gate}")
    for reason in decision.reasons:
        show(f"  because {visible(reason, 500)}")
    for threshold in decision.thresholds:
        show(f"  {threshold.id} ({threshold.severity}): {'counts as crossed' if threshold.crossed else 'ruled out'}")
        for indicator in threshold.indicators:
            show(f"    {indicator.metric}: {indicator.reading}" + ("" if indicator.evidence else ", no evidence"))
            for name, reading, why in indicator.evidence:
                show(f"      {visible(name, 200)}: {reading}, {visible(why, 300)}")
    show(f"  highest level that these facts allow: {decision.highest_allowed}")


def _explained(found: Gate) -> None:
    show(f"gate {found.id}, in force from {found.valid_from} to {found.expires}, about {found.subject_selector}")
    for threshold in found.thresholds:
        show(f"threshold {threshold.id} ({threshold.severity}, {threshold.risk}): crossed unless ruled out")
        for source in threshold.sources:
            whose = "our reading of" if source.ours else "from"
            show(f"  {whose} {source.framework} {source.version}: {source.clause} (read {source.read or 'unknown'})")
        for one in threshold.indicators:
            side = "above" if one.direction == "lower_is_more_capable" else "below"
            sign = 1 if one.direction == "lower_is_more_capable" else -1
            line = one.threshold + sign * one.buffer
            ours = "; the number is ours" if one.ours else ""
            show(
                f"  {one.metric}: whole interval {side} {line:g} {one.unit} at {one.confidence:.0%}, "
                f"n at least {one.min_n}{ours}"
            )
        rule = threshold.evidence
        show(f"  evidence: {rule.min_signers} {rule.independence}, at most {rule.max_age_days} days, logged")
    for level in found.levels:
        needs = ", ".join(level.safeguards) or "no safeguard"
        show(f"level {level.autonomy}: severity at most {level.max_severity}; {needs}; {level.approvals} approvals")
    show("whatever the levels say: indeterminate counts as crossed, a critical threshold halts")
