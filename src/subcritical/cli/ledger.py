"""`subcritical ledger`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from subcritical.app import ledgers
from subcritical.app.monitoring import monitor as watch
from subcritical.cli.output import as_json, errors_end_here, say, show, show_json
from subcritical.ledger.monitor.monitor import NOT_SHOWN
from subcritical.ledger.signer import SignerProcess
from subcritical.ledger.tlog import format_verifier_key, parse_checkpoint, parse_note
from subcritical.loop.run_directory import RUNS, RunDirectory
from subcritical.schema import visible

runs_option = click.option("--runs", type=click.Path(path_type=Path), default=RUNS, help="Folder of run directories.")
home_option = click.option("--home", type=click.Path(path_type=Path), help="Folder of the log key and its state.")


@click.group()
def ledger() -> None:
    """The tamper-evident record of a run: journal, Merkle log, signed checkpoints."""


def on_a_run(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command on one run, with the signer."""
    return click.argument("run")(runs_option(home_option(as_json(errors_end_here(command)))))


@ledger.command()
@on_a_run
@click.option("--policy", type=click.Path(path_type=Path), help="tlog-policy: its witnesses cosign, its quorum is met.")
def seal(run: str, runs: Path, home: Path | None, as_json: bool, policy: Path | None) -> None:
    """Have the log of RUN signed, and publish it in RUN/ledger (C2SP tlog-tiles). A run does so by itself."""
    directory = RunDirectory.find(run, runs)
    with SignerProcess(home) as signer:
        sealed = ledgers.seal(directory, signer, policy)
    checkpoint = parse_checkpoint(parse_note(sealed.note).text)
    if as_json:
        shown = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
        show_json({**shown, "cosigned": sealed.cosigned, "unanswered": sealed.unanswered})
        return
    show(f"signed {checkpoint.size} entries of {visible(checkpoint.origin)}: {directory.ledger / 'checkpoint'}")
    if policy is not None:
        show(visible(f"cosigned by {', '.join(sealed.cosigned) or 'nobody now'}; the quorum of {policy} is met"))
    for line in sealed.unanswered:
        show(visible(f"no cosignature: {line}"))


@ledger.command()
@on_a_run
def key(run: str, runs: Path, home: Path | None, as_json: bool) -> None:
    """Print the verifier key of RUN's log: what auditors, witnesses and monitors pin."""
    origin = ledgers.followed(RunDirectory.find(run, runs)).origin
    with SignerProcess(home) as signer:
        shown = format_verifier_key(signer.key(origin)).decode()
    if as_json:
        show_json({"origin": origin, "key": shown})
    else:
        show(shown)


@ledger.command()
@on_a_run
@click.option("--by", required=True, help="Who orders it.")
@click.option("--reason", required=True, help="Why.")
def rotate(run: str, runs: Path, home: Path | None, as_json: bool, by: str, reason: str) -> None:
    """Use a new key for RUN's log and all new ones; the log records it with a statement that the old key signed."""
    with SignerProcess(home) as signer:
        new = ledgers.rotate(RunDirectory.find(run, runs), signer, by=by, reason=reason)
    shown = format_verifier_key(new).decode()
    if as_json:
        show_json({"key": shown})
    else:
        show(f"the log key is now {shown}")
        say("give it to whoever pins the old one; keep that for what it has signed")


@ledger.command()
@on_a_run
def verify(run: str, runs: Path, home: Path | None, as_json: bool) -> None:
    """Check the record of RUN: every line, digest and link, the log against what was signed, the published files."""
    with SignerProcess(home) as signer:
        check = ledgers.verify(RunDirectory.find(run, runs), signer)
    if as_json:
        show_json(msgspec.to_builtins(check))
    else:
        show(f"{check.records} records in {check.batches} batches ({check.erased} erased, digest kept)")
        show(f"{check.entries} entries of the log; {check.signed} signed, {check.published} published")
        for line in check.broken:
            show(f"BROKEN: {visible(line)}")
        if check.first_bad_record is not None:
            show(f"nothing from record {check.first_bad_record} on is proven; what is before it is")
        if not check.ended:
            show("no END entry at the end: the run goes on, was cut off, or its end was left out")
        if not check.signed:
            show(f"nothing was signed yet: `subcritical ledger seal {visible(run)}`")
    sys.exit(7 if check.broken else 0)


@ledger.command(name="show")
@on_a_run
@click.option("--type", "kind", help="Only entries of this type, such as finding or event.proposal.")
@click.option("--seq", type=int, help="Only entries about this record.")
def show_entries(run: str, runs: Path, home: Path | None, as_json: bool, kind: str | None, seq: int | None) -> None:
    """List the entries of RUN's log."""
    del home  # nothing is signed
    found = list(ledgers.entries(RunDirectory.find(run, runs), kind, seq))
    if as_json:
        show_json({"entries": found})
        return
    for entry in found:
        about = f"record {entry['seq']}" if "seq" in entry else f"records {entry['first']} to {entry['last']}"
        show(visible(f"{entry['index']:>6} {entry['type']:<16} {about:<22} {entry['actor']} {entry['number']}"))


@ledger.command()
@on_a_run
@click.option("--seq", type=int, required=True, help="Number of the record.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="File for the proof.")
def prove(run: str, runs: Path, home: Path | None, as_json: bool, seq: int, output: Path) -> None:
    """Prove to an outsider that a record of RUN is in the log (C2SP tlog-proof)."""
    with SignerProcess(home) as signer:
        entry, proof = ledgers.prove(RunDirectory.find(run, runs), seq, signer)
    ledgers.write_proof(output, entry, proof)
    if as_json:
        show_json({"proof": str(output), "entry": f"{output}.entry"})
    else:
        show(f"wrote {output} and the entry it is about, {output}.entry")


@ledger.command()
@on_a_run
@click.argument("seqs", type=int, nargs=-1, required=True)
@click.option("--by", required=True, help="Who orders it.")
@click.option("--reason", required=True, help="Why; stays readable.")
def erase(run: str, runs: Path, home: Path | None, as_json: bool, seqs: tuple[int, ...], by: str, reason: str) -> None:
    """Erase what records SEQS of RUN said (proposals, artifact changes, messages); their digests stay."""
    del home
    count = ledgers.erase_records(RunDirectory.find(run, runs), seqs, by=by, reason=reason)
    if as_json:
        show_json({"erased": count})
    else:
        show(f"erased {count} records; copies made before (backups, bundles, reports) still hold them")
        say("the report of the run was made before: make it again or remove it")


@ledger.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--home", type=click.Path(path_type=Path), required=True, help="Folder of the monitor's own state.")
@click.option("--keys", type=click.Path(path_type=Path), help="Verifier keys of the log, one a line.")
@click.option("--policy", type=click.Path(path_type=Path), help="tlog-policy with keys, witnesses and quorum.")
@click.option("--mirror", type=click.Path(path_type=Path), multiple=True, help="Another published copy of the log.")
@click.option("--note", type=click.Path(path_type=Path), multiple=True, help="A checkpoint that somebody else has.")
@click.option("--silence", type=float, help="Seconds without an entry that are a finding.")
@click.option("--every", type=float, help="Seconds between rounds; default: one round.")
@as_json
@errors_end_here
def monitor(
    directory: Path,
    home: Path,
    keys: Path | None,
    policy: Path | None,
    mirror: tuple[Path, ...],
    note: tuple[Path, ...],
    silence: float | None,
    every: float | None,
    as_json: bool,
) -> None:
    """Watch the log published in DIRECTORY from outside: hash all of it, catch rewritten and second histories."""
    found = False
    rounds = watch(
        directory,
        home=home,
        keys=keys,
        policy=policy,
        mirrors=mirror,
        notes=note,
        silence_s=silence,
        every_s=every,
    )
    for findings in rounds:
        found = found or bool(findings)
        if as_json:
            show_json({"findings": msgspec.to_builtins(findings), "not_shown": NOT_SHOWN})
        else:
            for each in findings:
                show(visible(f"{each.what} from entry {each.first_entry}: {each.detail}"))
            show(f"{len(findings)} findings. What no round can find: {'; '.join(NOT_SHOWN)}.")
    sys.exit(7 if found else 0)
