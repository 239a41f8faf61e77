"""`gate`: read a gate and its evidence, verify who signed what and where it is logged, and decide."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from subcritical.app.policies import read_policy
from subcritical.audit.statements import make_statement
from subcritical.audit.verify_bundle import BrokenError, Key, open_envelope, parse_key
from subcritical.canonical import canonical_json
from subcritical.clock import SystemClock
from subcritical.errors import InputError, LedgerError
from subcritical.ledger.tlog import Policy, check_tlog_proof, parse_tlog_proof
from subcritical.loop.small_files import read_small, read_text
from subcritical.policy import (
    Approval,
    Decision,
    Evidence,
    Facts,
    Gate,
    Subject,
    check_gate,
    decide,
    gate_schema,
    profile,
    profile_names,
)
from subcritical.policy.cedar import Invariant, prove_autonomy
from subcritical.yaml_source import Source, read

EVIDENCE = "urn:subcritical:gate-evidence:v1"
SAFEGUARD = "urn:subcritical:safeguard:v1"
APPROVAL = "urn:subcritical:gate-approval:v1"
DECISION = "urn:subcritical:gate-decision:v1"
SUFFIX, PROOF_SUFFIX = ".dsse.json", ".tlog-proof"
FILES_MAX = 10_000
_CLASSES = ("self", "internal-independent", "third-party")


class Signer(NamedTuple):
    """A key, who owns it, and how independent its owner is of the subject: the gate's operator says so."""

    owner: str
    independence: Any
    key: Key


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """A predicate of evidence, as its maker wrote it; what it says of itself as evidence is not asked."""

    metric: str = ""
    safeguard: str = ""
    passed: bool | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.0
    n: int = 0
    measured: str = ""
    effective_compute: float | None = None
    elicitation: Any = "none"
    sandbagging_check: bool = False


class _Approved(msgspec.Struct, frozen=True, kw_only=True):
    """A predicate of an approval."""

    gate: str
    autonomy: int
    expires: str


def load_gate(name: str) -> tuple[Gate, str]:
    """A gate and the SHA-256 of its canonical JSON.

    Args:
        name: A YAML file, or a shipped profile's name.

    Raises:
        ConfigError: The file is wrong (with its line).
        InputError: The gate is laxer at a higher level, lives too long, or names what it does not define.
    """
    path = Path(name)
    source = Source(path, profile(name)) if name in profile_names() else read(path)
    gate = check_gate(source.convert(Gate))
    return gate, hashlib.sha256(canonical_json(msgspec.to_builtins(gate))).hexdigest()


def read_signers(path: Path) -> tuple[Signer, ...]:
    """Whose signatures count: lines of owner, class and verifier key; `#` begins a comment.

    Raises:
        InputError: With file and line.
    """
    found = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) != 3 or words[1] not in _CLASSES:  # noqa: PLR2004 - owner, class, key
            raise InputError(f"{path}:{number}: a line is OWNER CLASS KEY; classes: {', '.join(_CLASSES)}")
        try:
            found.append(Signer(words[0], words[1], parse_key(words[2], "key")))
        except BrokenError as error:
            raise InputError(f"{path}:{number}: {error}") from error
    return tuple(found)


def gather(
    folder: Path,
    *,
    subject: Subject,
    signers: Sequence[Signer],
    log: Policy | None,
    today: str,
    events: Sequence[str] = (),
) -> Facts:
    """Facts from a folder of signed statements (`NAME.dsse.json`, proofs beside them as `NAME.tlog-proof`).

    Args:
        folder: Where they lie.
        subject: What they must be about.
        signers: Whose signatures count.
        log: Which logs are trusted; None: nothing counts as logged.
        today: The day of the decision.
        events: Names of what happened since the gate was made.

    Raises:
        InputError: A file cannot be read: evidence of danger must not be lost by being garbled.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; --evidence names the folder of *{SUFFIX} files")
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if len(files) > FILES_MAX:
        raise InputError(f"{folder}: {len(files)} statements, at most {FILES_MAX} are read")
    evidence, approvals = [], []
    for file in files:
        data = read_small(file)
        statement, owners = _open(data, file, signers)
        logged = log is not None and _logged(data, file, log)
        kind, digest = statement["predicateType"], _digest(statement, subject)
        if kind == APPROVAL:
            approvals += list(_approvals(statement, file, owners, digest))
        else:
            evidence.append(_evidence(statement, file, kind, digest, owners=owners, logged=logged))
    return Facts(
        subject=subject, today=today, evidence=tuple(evidence), approvals=tuple(approvals), events=tuple(events)
    )


def _evidence(
    statement: dict[str, Any], file: Path, kind: str, digest: str, *, owners: tuple[Signer, ...], logged: bool
) -> Evidence:
    said = _convert(statement["predicate"], _Said, file)
    fields = {name: getattr(said, name) for name in _Said.__struct_fields__}
    if fields["elicitation"] not in ("none", "standard", "state-of-the-art"):
        fields["elicitation"] = "none"
    fields["measured"] = _real_day(said.measured)
    return Evidence(
        name=file.name.removesuffix(SUFFIX),
        predicate_type=kind,
        subject_digest=digest,
        in_log=logged,
        signers=tuple((one.owner, one.independence) for one in owners),
        **fields,
    )


def _approvals(statement: dict[str, Any], file: Path, owners: tuple[Signer, ...], digest: str) -> Iterator[Approval]:
    said = _convert(statement["predicate"], _Approved, file)
    if not _real_day(said.expires):
        raise InputError(f"{file}: expires {said.expires!r} is no day; write it like 2026-12-31")
    for one in owners:
        yield Approval(
            owner=one.owner, gate=said.gate, subject_digest=digest, autonomy=said.autonomy, expires=said.expires
        )


def _convert(value: Any, kind: Any, file: Path) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{file}: its predicate cannot be read: {error}") from error


def _real_day(text: str) -> str:
    """The text if it is a day, otherwise nothing: an unreadable date proves no freshness."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def _open(data: bytes, file: Path, signers: Sequence[Signer]) -> tuple[dict[str, Any], tuple[Signer, ...]]:
    """The statement, and everybody whose signature on it holds; nobody's is still a statement."""
    try:
        envelope = json.loads(data)
        statement = json.loads(base64.b64decode(envelope["payload"], validate=True))
        shaped = isinstance(statement["predicate"], dict) and isinstance(statement["predicateType"], str)
        shaped = shaped and isinstance(statement["subject"], list)
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError) as error:
        raise InputError(
            f"{file}: not an in-toto statement in a DSSE envelope; mend it or take it out by decision"
        ) from error
    if not shaped:
        raise InputError(f"{file}: its statement has no subject, predicate or predicateType")
    return statement, tuple(one for one in signers if _holds(data, one.key))


def _holds(data: bytes, key: Key) -> bool:
    try:
        open_envelope(data, "statement", [key])
    except (BrokenError, ValueError, KeyError, TypeError, binascii.Error):
        return False
    return True


def _logged(data: bytes, file: Path, log: Policy) -> bool:
    """Whether the proof beside a statement shows that a trusted log holds exactly these bytes."""
    proof = file.with_name(file.name.removesuffix(SUFFIX) + PROOF_SUFFIX)
    if not proof.is_file():
        return False
    try:
        check_tlog_proof(parse_tlog_proof(read_small(proof)), data, log)
    except LedgerError:
        return False
    return True


def _digest(statement: dict[str, Any], subject: Subject) -> str:
    """The subject's digest if the statement is about it, otherwise another one of its own."""
    digests = [
        one["digest"].get("sha256", "")
        for one in statement["subject"]
        if isinstance(one, dict) and isinstance(one.get("digest"), dict)
    ]
    return subject.digest if subject.digest in digests else next((d for d in digests if isinstance(d, str)), "")


def check(
    gate_name: str,
    *,
    autonomy: int,
    evidence: Path,
    subject: Subject,
    signers: Path | None,
    log: Path | None,
    today: str | None,
    events: Sequence[str],
) -> tuple[Gate, str, Decision]:
    """Decide one level; the gate, its digest and the decision.

    Raises:
        InputError: Anything named is unusable.
    """
    gate, digest = load_gate(gate_name)
    if len(subject.digest) != 64 or set(subject.digest) - set("0123456789abcdef"):  # noqa: PLR2004 - SHA-256, hex
        raise InputError("--digest is the SHA-256 of the subject: 64 hexadecimal digits in lower case")
    facts = gather(
        evidence,
        subject=subject,
        signers=read_signers(signers) if signers is not None else (),
        log=read_policy(log) if log is not None else None,
        today=today or day_now(),
        events=events,
    )
    return gate, digest, decide(gate, facts, autonomy)


def day_now() -> str:
    """Today, UTC."""
    seconds = SystemClock().wall_ns() // 1_000_000_000
    return date.fromordinal(date(1970, 1, 1).toordinal() + seconds // 86_400).isoformat()


def decision_statement(gate: Gate, gate_digest: str, decision: Decision, subject: Subject) -> bytes:
    """The decision as an in-toto statement about the subject, for whoever signs and logs it; it ends with the gate."""
    predicate = {
        "gate": gate.id,
        "gate_sha256": gate_digest,
        "expires": gate.expires,
        **msgspec.to_builtins(decision),
    }
    return make_statement(DECISION, {subject.name: subject.digest}, predicate)


def prove(policy: Path | None) -> tuple[Invariant, ...]:
    """Prove the invariants of a policy file, or of the shipped policy.

    Raises:
        InputError: The policy does not fit its schema, or the solvers are not installed.
    """
    return prove_autonomy(None if policy is None else read_text(policy))


def schema() -> dict[str, Any]:
    """JSON Schema of a gate."""
    return gate_schema()
