"""Runs with real findings, their bundles, and the means of whoever wants to cheat with them."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ledger"))

from log_cases import SEED, DirectSigner

from subcritical.audit.bundle import make_bundle
from subcritical.audit.detector_list import list_detectors
from subcritical.audit.verify_bundle import verify
from subcritical.clock import FakeClock
from subcritical.detectors import load_detectors
from subcritical.ledger import Journal, read_journal
from subcritical.ledger.run_log import RunLog
from subcritical.ledger.signer.serving import signed_manifest
from subcritical.ledger.tlog import LogSigner, Policy, PolicyLog, format_policy
from subcritical.pipeline.detection import Detection
from subcritical.schema import Event, Finding, Heartbeat, Message, decode_record

TRACES = Path(__file__).resolve().parents[1] / "detectors/data"
NAMES = ("evaluator_tampering", "score_claim", "limit_raising")


def record_run(directory, run="run-1", turns=5):
    """A journal of events that detectors have something to say about, with what they say, and an END."""
    detection, clock = Detection(load_detectors({})), FakeClock()
    with Journal.create(directory, run, clock) as journal:
        for name in NAMES:
            for line in (TRACES / name / "firing.jsonl").read_bytes().splitlines():
                said = decode_record(line)
                event = journal.event(said.data, producer=said.producer, generation=said.generation)
                journal.commit()
                for finding in detection.run([event]):
                    journal.append(finding)
        for turn in range(turns):
            clock.advance(2_000_000_000)
            told = Message(source="guest", text=f"turn {turn} {'x' * 50}")
            event = journal.event(told, producer="guest", generation=turn)
            for finding in detection.run([event]):
                journal.append(finding)
            for state in ("running",) * 60:
                event = journal.event(Heartbeat(state=state), producer="loop", generation=turn)
                for finding in detection.run([event]):
                    journal.append(finding)
            journal.commit()
        event = journal.event(Heartbeat(state="finished", end=True), producer="loop", generation=turns)
        for finding in detection.run([event]):
            journal.append(finding)
        journal.commit()


class BundleMaker:
    """A run, its signer, its bundle, and the policy that an auditor pins."""

    def __init__(self, directory: Path, run="run-1", turns=5):
        self.directory, self.run = directory, run
        record_run(directory / "journal", run, turns)
        self.signer = DirectSigner(directory / "signer")
        self.detectors = list_detectors({})
        self.files = self.make()
        self.origin = f"subcritical/run/{run}"
        self.policy = format_policy(
            Policy(logs=(PolicyLog(self.signer.key(self.origin)),), witnesses=(), groups=(), quorum=None)
        )

    def make(self, signer=None, journal=None, **more):
        return make_bundle(
            journal or self.directory / "journal", signer=signer or self.signer, detectors=self.detectors, **more
        )


def broken(files, **more):
    """Files that a check of the bundle names, in order."""
    return [error.file for error in verify(files, **more).broken]


def with_new_manifest(files, key=None, origin="subcritical/run/run-1"):
    """As an attacker recomputes the list; with `key` also its signature."""
    rest = {name: data for name, data in files.items() if not name.startswith("MANIFEST")}
    digests = {name: "sha256:" + hashlib.sha256(data).hexdigest() for name, data in sorted(rest.items())}
    manifest = json.dumps({"files": digests, "format": 1}, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    note = files["MANIFEST.note"]
    if key is not None:
        note = signed_manifest(LogSigner(origin, key), origin, hashlib.sha256(manifest).digest())
    return {**rest, "MANIFEST.json": manifest, "MANIFEST.note": note}


def without(directory, target, drop, run="run-1"):
    """The journal that an operator rebuilds without some records."""
    with Journal.create(target, run, FakeClock()) as journal:
        for record in read_journal(directory):
            if not drop(record):
                journal.append(record)
                journal.commit()


__all__ = [
    "SEED",
    "BundleMaker",
    "DirectSigner",
    "Event",
    "Finding",
    "RunLog",
    "broken",
    "record_run",
    "with_new_manifest",
    "without",
]
