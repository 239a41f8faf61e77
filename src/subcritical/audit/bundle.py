"""Collects what an outsider needs to check a run, and has the list of it signed.

MANIFEST.json, MANIFEST.note   digest of every file; that list, signed by the log's key
checkpoint                     latest signed note, with the cosignatures that were collected
policy.tlog                    keys and quorum as the producer states them
log/tile/...                   the whole log (tlog-tiles)
journal/segment-*.jsonl        the records themselves, where they may leave the house
statements/*.dsse.json         what is claimed about the run (in-toto), signed by the log's key
detectors.json                 which detectors judged it, with which settings
VERIFY.md                      what is and is not shown, and how to check it with other people's tools
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from subcritical.audit.detector_list import DetectorList
from subcritical.audit.instructions import verify_page
from subcritical.audit.statements import about_run, signed
from subcritical.canonical import canonical_json
from subcritical.errors import InputError
from subcritical.ledger import read_journal
from subcritical.ledger.publication import files_of
from subcritical.ledger.run_log import RunLog
from subcritical.ledger.signer import AuditSigner
from subcritical.ledger.tlog import Policy, PolicyLog, format_policy

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def make_bundle(
    journal: Path,
    *,
    signer: AuditSigner,
    detectors: DetectorList,
    checkpoint: bytes | None = None,
    policy: Policy | None = None,
    with_journal: bool = True,
) -> dict[str, bytes]:
    """The files of a bundle.

    Args:
        journal: Directory of the run's journal. What it commits later is not in the bundle.
        signer: Signs the checkpoint and the list of files.
        detectors: What judged the run.
        checkpoint: A note over the log's present size with cosignatures; without it a fresh one is signed.
        policy: Keys and quorum to state; the log's key and no witness by default.
        with_journal: Whether the records leave the house, or only their commitments.

    Raises:
        LedgerError: The journal is damaged, or not what was signed before.
    """
    log = RunLog(journal)
    log.settle()
    note = log.seal(signer) if checkpoint is None else checkpoint
    key = signer.key(log.origin)
    stated = policy or Policy(logs=(PolicyLog(key),), witnesses=(), groups=(), quorum=None)
    files = {"checkpoint": note, "policy.tlog": format_policy(stated)}
    files |= {f"log/{path}": data for path, data in files_of(log.tree, log.entries, log.tree.size)}
    files |= {
        f"statements/{name}.dsse.json": signed(statement, log.origin, signer)
        for name, statement in about_run(list(read_journal(journal)), log).items()
    }
    files["detectors.json"] = canonical_json(detectors) + b"\n"
    if with_journal:
        files |= _journal_files(journal, log)
    files["VERIFY.md"] = verify_page(log.origin, log.tree.size, with_journal=with_journal).encode()
    digests = {name: "sha256:" + hashlib.sha256(data).hexdigest() for name, data in files.items()}
    manifest = canonical_json({"format": 1, "files": digests}) + b"\n"
    files["MANIFEST.json"] = manifest
    files["MANIFEST.note"] = signer.sign_manifest(log.origin, hashlib.sha256(manifest).hexdigest())
    return files


def pack(files: Mapping[str, bytes], target: Path) -> None:
    """Write a bundle: a zip file if the name ends in `.zip`, else a new directory. The same files give the same bytes.

    Raises:
        InputError: It exists.
    """
    if target.exists():
        raise InputError(f"{target} exists; name a new file or folder")
    if target.suffix != ".zip":
        for name, data in sorted(files.items()):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(data)
        return
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)


def _journal_files(journal: Path, log: RunLog) -> dict[str, bytes]:
    """The segments up to where the log follows them: a live writer may be in the middle of the next batch."""
    last, end = log.committed
    names = [path.name for path in sorted(journal.glob("segment-*.jsonl")) if path.name <= last]
    return {f"journal/{name}": (journal / name).read_bytes()[: end if name == last else None] for name in names}
