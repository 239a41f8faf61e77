"""`audit`: a bundle of a run, its verification, and the detectors run again on it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from subcritical.app.ledgers import witnessed_checkpoint
from subcritical.app.policies import read_policy
from subcritical.audit import Replay, make_bundle, pack, replay_journal
from subcritical.audit.challenge import Scorecard, scorecard_statement
from subcritical.audit.challenge import challenge as run_challenge
from subcritical.audit.detector_list import list_detectors, read_list
from subcritical.audit.statements import signed
from subcritical.audit.verify_bundle import BrokenError, Report, read_bundle
from subcritical.audit.verify_bundle import verify as verify_files
from subcritical.errors import InputError, LedgerError
from subcritical.ledger import read_journal
from subcritical.ledger.signer import AuditSigner
from subcritical.loop.assembly import detector_settings
from subcritical.loop.loopfile import load_loop
from subcritical.loop.run_directory import RunDirectory
from subcritical.schema import Record

SCORECARDS = "subcritical/scorecards"
"""Name under which the log's key signs scorecards."""


def bundle(
    run: RunDirectory, target: Path, signer: AuditSigner, *, with_journal: bool = True, policy: Path | None = None
) -> int:
    """Write the bundle of a run; how many files it has.

    Args:
        run: The run.
        target: New folder, or a file that ends in `.zip`.
        signer: Signs checkpoint, statements and list of files.
        with_journal: Whether the records leave the house.
        policy: Keys and quorum to state; the published checkpoint must meet it already.

    Raises:
        InputError: The target exists.
        LedgerError: The record is damaged or was rewritten, or the published checkpoint does not meet the policy.
    """
    settings = detector_settings(load_loop(run.original_loop_file()).settings)
    files = make_bundle(
        run.journal,
        signer=signer,
        detectors=list_detectors(settings),
        checkpoint=witnessed_checkpoint(run, policy) if policy is not None else None,
        policy=read_policy(policy) if policy is not None else None,
        with_journal=with_journal,
    )
    pack(files, target)
    return len(files)


def challenge(cases: Path, target: Path, signer: AuditSigner) -> Scorecard:
    """Run the detectors on an auditor's cases and write the signed scorecard.

    Raises:
        InputError: No cases, or the target exists.
        SourceError: A case is not what it should be.
        LedgerError: The signer refuses.
    """
    if target.exists():
        raise InputError(f"{target} exists; name a new file")
    card = run_challenge(cases)
    target.write_bytes(signed(scorecard_statement(card), SCORECARDS, signer))
    return card


def verify(target: Path, policy: Path | None, seen: Path | None, silence_s: float) -> Report:
    """Check a bundle with the auditor's keys and earlier checkpoint.

    Raises:
        InputError: A named file cannot be read.
    """
    try:
        given = [path.read_bytes() if path is not None else None for path in (policy, seen)]
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from error
    files = _read(target)
    if isinstance(files, Report):
        return files
    return verify_files(files, policy=given[0], seen=given[1], silence_s=silence_s)


def replay(target: Path) -> Replay:
    """Run the detectors again on the journal in a bundle.

    Raises:
        InputError: The bundle holds no journal.
        LedgerError: The bundle, or the journal in it, is broken.
        ConfigError: A detector is not installed here.
    """
    files = _read(target)
    if isinstance(files, Report):
        raise LedgerError(str(files.broken[0]))
    if "detectors.json" not in files:
        raise LedgerError(f"{target}: detectors.json is missing")
    segments = {name.removeprefix("journal/"): data for name, data in files.items() if name.startswith("journal/")}
    if not segments:
        raise InputError(f"{target} holds no journal: it was bundled without, so nothing can be judged again")
    return replay_journal(_records(segments), read_list(files["detectors.json"]))


def _records(segments: Mapping[str, bytes]) -> list[Record]:
    with tempfile.TemporaryDirectory(prefix="subcritical-replay-") as place:
        for name, data in segments.items():
            (Path(place) / name).write_bytes(data)
        return list(read_journal(Path(place)))


def _read(target: Path) -> dict[str, bytes] | Report:
    if not target.exists():
        raise InputError(f"{target}: there is no such bundle; `subcritical audit bundle RUN -o FILE` writes one")
    try:
        return read_bundle(target)
    except BrokenError as error:
        report = Report()
        report.fail("bundle", error)
        return report
