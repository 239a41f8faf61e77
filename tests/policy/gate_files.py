"""Signed and logged evidence on disk, as `gate check` and gated runs read it."""

import base64
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gate_facts import DIGEST

from subcritical.ledger.tlog import (
    Checkpoint,
    LogSigner,
    Note,
    TlogProof,
    Tree,
    format_checkpoint,
    format_note,
    format_tlog_proof,
    format_verifier_key,
    leaf_hash,
)

LOG = LogSigner("log.example/gate", b"L" * 32)
SEEDS = {"ann": b"a" * 32, "bob": b"b" * 32, "eve": b"e" * 32}
EVIDENCE = {"n": 500, "confidence": 0.95, "measured": "2026-11-01", "effective_compute": 1e26}
EVIDENCE |= {"elicitation": "state-of-the-art", "sandbagging_check": True}


def key(owner):
    return LogSigner(f"people/{owner}", SEEDS[owner]).verifier_key


def envelope(kind, predicate, owners):
    subject = [{"name": "model-7", "digest": {"sha256": DIGEST}}]
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": kind,
        "predicate": predicate,
    }
    payload = json.dumps(statement).encode()
    pae = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    signatures = [
        {
            "keyid": f"{key(owner).name}+{key(owner).key_id.hex()}",
            "sig": base64.b64encode(Ed25519PrivateKey.from_private_bytes(SEEDS[owner]).sign(pae)).decode(),
        }
        for owner in owners
    ]
    whole = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": signatures,
    }
    return json.dumps(whole).encode()


def pieces(slope=(1.0, 1.2), measured="2026-11-01", expires="2026-12-31"):
    when = {**EVIDENCE, "measured": measured}
    evidence, safeguard, approval = (
        f"urn:subcritical:{name}:v1" for name in ("gate-evidence", "safeguard", "gate-approval")
    )
    both = ("ann", "bob")
    made = {
        name: envelope(evidence, {"metric": name, "low": low, "high": high, **when}, both)
        for name, low, high in (
            ("capability_slope_ratio", *slope),
            ("ai_uplift_rct", 1.04, 1.4),
            ("generation_wallclock_ratio", 0.45, 0.8),
        )
    }
    for name in ("gateway-containment-proof", "monitor-recall"):
        made[name] = envelope(safeguard, {"safeguard": name, "passed": True, **when}, both)
    for level in (1, 2, 3):
        said = {"gate": "progress-rate", "autonomy": level, "expires": expires}
        made[f"approval-{level}"] = envelope(approval, said, both)
    return made


def write(folder, made):
    folder.mkdir(exist_ok=True)
    tree = Tree()
    for data in made.values():
        tree.append(leaf_hash(data))
    text = format_checkpoint(Checkpoint(LOG.verifier_key.name, tree.size, tree.root()))
    note = format_note(Note(text, (LOG.sign(text),)))
    for index, (name, data) in enumerate(made.items()):
        (folder / f"{name}.dsse.json").write_bytes(data)
        proof = TlogProof(index, tuple(tree.inclusion_proof(index)), note)
        (folder / f"{name}.tlog-proof").write_bytes(format_tlog_proof(proof))


def configure(folder):
    """Whose signatures count, and which log is trusted."""
    lines = [f"{owner} third-party {format_verifier_key(key(owner)).decode().strip()}" for owner in ("ann", "bob")]
    (folder / "signers.txt").write_text("# who\n" + "\n".join(lines) + "\n")
    (folder / "log.tlog").write_bytes(b"log " + format_verifier_key(LOG.verifier_key).strip() + b"\nquorum none\n")
