"""A proof of a policy as an attestation: made once, signed by a person, demanded by runs that want it.

A run believes the person who signed, not the file: it does not prove again. `policy prove` does, whenever anybody asks.
"""

from __future__ import annotations

import binascii
import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as DsseError
from securesystemslib.signer._signature import Signature

from subcritical.app.changing import policy_of
from subcritical.audit.statements import make_statement
from subcritical.canonical import record_digest
from subcritical.errors import InputError
from subcritical.gateway.principals import Principal, public_of
from subcritical.ledger.signer.serving import STATEMENT_TYPE
from subcritical.loop.gatekeeping import policy_text, principals_of
from subcritical.loop.loopfile import Loop
from subcritical.loop.small_files import read_text
from subcritical.policy.cedar import Invariant, change_policy
from subcritical.policy.cedar.changes import CLAIMS
from subcritical.policy.cedar.engine import shipped

PROOF = "urn:subcritical:policy-proof:v1"
_AGAIN = "prove it again: `subcritical policy prove --attest FILE --key KEY`"


def attest(policy: Path | None, found: tuple[Invariant, ...], key: Ed25519PrivateKey) -> bytes:
    """An in-toto statement that every claim about a policy is proved, signed (DSSE).

    Raises:
        InputError: Not every claim is.
    """
    open_claims = [one.id for one in found if one.verdict != "PROVED"]
    if open_claims or not {claim.id for claim in CLAIMS} <= {one.id for one in found}:
        raise InputError(f"not proved: {', '.join(open_claims) or 'some claims'}; nothing was attested")
    text = policy_of(policy)
    predicate = {
        "claims": _claims(),
        "invariants": [
            {"id": one.id, "verdict": one.verdict, "solver_agreement": one.solver_agreement} for one in found
        ],
    }
    statement = make_statement(PROOF, {"policy": hashlib.sha256(text.encode()).hexdigest()}, predicate)
    envelope = Envelope(statement, STATEMENT_TYPE, {})
    name = hashlib.sha256(public_of(key)).hexdigest()
    envelope.signatures[name] = Signature(name, key.sign(envelope.pae()).hex())
    return json.dumps(envelope.to_dict(), indent=1).encode() + b"\n"


def require_proof(loop: Loop) -> None:
    """Refuse a loop that demands a proof of its policy and has none that holds.

    Raises:
        InputError: What is wrong with the proof.
    """
    settings = loop.settings
    if settings.containment.proof != "required" or settings.policy.proof is None:
        return
    name = settings.policy.proof
    text = policy_text(loop) or change_policy()
    owner = (settings.oversight.owner or "").casefold()
    people = [one for one in principals_of(loop).enrolled if one.owner.casefold() != owner]
    statement = _signed_by_one_of(read_text(loop.resolve(name)), name, people)
    try:
        about = [one["digest"]["sha256"] for one in statement["subject"]]
        kind, predicate = statement["predicateType"], statement["predicate"]
        proved = {
            one["id"] for one in predicate["invariants"] if one["verdict"] == "PROVED" and one["solver_agreement"]
        }
        claims = predicate["claims"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{name}: not a proof of a policy ({error}); {_AGAIN}") from error
    if kind != PROOF or hashlib.sha256(text.encode()).hexdigest() not in about:
        raise InputError(f"{name}: the proof is not about this policy (containment.proof: required); {_AGAIN}")
    if claims != _claims() or not {claim.id for claim in CLAIMS} <= proved:
        raise InputError(f"{name}: the proof is of other claims than this version makes; {_AGAIN}")


def _claims() -> str:
    """Digest of what is claimed, and of the schema that it is claimed over."""
    return record_digest({"claims": CLAIMS, "schema": shipped("changes.schema.json")})


def _signed_by_one_of(text: str, name: str, people: list[Principal]) -> Any:
    try:
        envelope = Envelope.from_dict(json.loads(text))
        signatures = [bytes.fromhex(one.signature) for one in envelope.signatures.values()]
        statement = json.loads(envelope.payload)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, DsseError) as error:
        raise InputError(f"{name}: not a statement in a DSSE envelope ({error}); {_AGAIN}") from error
    if envelope.payload_type != STATEMENT_TYPE:
        raise InputError(f"{name}: its payload is no in-toto statement; {_AGAIN}")
    if not any(_verifies(one.public, signature, envelope.pae()) for one in people for signature in signatures):
        raise InputError(f"{name}: no enrolled principal signed it (the system's owner does not count); {_AGAIN}")
    return statement


def _verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
