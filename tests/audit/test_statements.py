"""Statements: read and verified by the libraries that define them, and by our verifier; nothing changed passes."""

import base64
import json

import pytest
from audit_cases import BundleMaker, DirectSigner, broken, with_new_manifest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from subcritical.audit import verify_bundle
from subcritical.audit.statements import EVALUATION, make_statement, signed
from subcritical.audit.verify_bundle import as_text, verify
from subcritical.canonical import canonical_json
from subcritical.clock import FakeClock
from subcritical.errors import LedgerError
from subcritical.ledger import Journal
from subcritical.ledger.signer import SignerProcess
from subcritical.schema import Measurement, Order, Receipt, RunState

WORDS = [
    "payload",
    "payloadType",
    "signatures",
    "keyid",
    "sig",
    "_type",
    "subject",
    "predicate",
    "records",
    "entry",
    "record",
]
RESULT = "statements/evaluation-result.dsse.json"
CONTROL = "statements/control-result.dsse.json"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A bundle of a run with two measurements and a receipt."""
    made = BundleMaker(tmp_path_factory.mktemp("statements"))
    with Journal.open(made.directory / "journal", FakeClock()) as journal:
        for name, value in (("gain_ratio", 1.25), ("k", None)):
            journal.append(
                Measurement(
                    name=name, estimate=value, low=0.9, high=None, level=0.95, unit="x", method="m", n=7, why="few"
                )
            )
        journal.append(
            Receipt(
                action="a", order=Order.STOP, outcome="confirmed", state=RunState.KILLED, ordered_ns=2**60,
                quiesced_ns=2**60 + 1, confirmed_ns=2**60 + 2, processes=3, survivors=0, rung="R1",
            )
        )  # fmt: skip
    made.files = made.make()
    return made


def public(made):
    key = made.signer.key(made.origin)
    name = f"{key.name}+{key.key_id.hex()}"
    return SSlibKey(name, "ed25519", "ed25519", {"public": key.public.hex()})


def test_other_peoples_tools_verify_and_read_them(measured):
    envelope = Envelope.from_dict(json.loads(measured.files[RESULT]))
    assert envelope.verify([public(measured)], 1)
    statement = json.loads(envelope.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == EVALUATION
    names = [cited["record"]["name"] for cited in statement["predicate"]["records"]]
    assert names == ["gain_ratio", "k"]
    spoilt = Envelope(envelope.payload + b" ", envelope.payload_type, envelope.signatures)
    with pytest.raises(VerificationError):
        spoilt.verify([public(measured)], 1)


def test_the_verifier_looks_up_what_they_cite(measured):
    text = as_text(verify(measured.files, policy=measured.policy))
    assert f"ok   {RESULT}: {EVALUATION}, 2 records cited" in text
    assert f"ok   {CONTROL}" in text
    without_journal = measured.make(with_journal=False)
    assert not verify(without_journal, policy=measured.policy).broken
    assert "without the journal it is not shown that they say this" in as_text(verify(without_journal))


def forged(made, change, signer=None):
    """The bundle with a changed statement, list of files and signatures made new; by the real key unless told."""
    signer = signer or made.signer
    statement = json.loads(base64.b64decode(json.loads(made.files[RESULT])["payload"]))
    change(statement)
    envelope = signed(canonical_json(statement) + b"\n", made.origin, signer)
    return with_new_manifest({**made.files, RESULT: envelope}, key=made.signer.seed, origin=made.origin)


def better(statement):
    statement["predicate"]["records"][0]["record"]["estimate"] = 9.0


def another_entry(statement):
    statement["predicate"]["records"][0]["entry"] = 0


def beyond(statement):
    statement["predicate"]["records"][0]["entry"] = 10**6


def another_log(statement):
    statement["subject"][0]["name"] = "subcritical/run/other#3"


def another_type(statement):
    statement["_type"] = "https://in-toto.io/Statement/v0.1"


def no_records(statement):
    del statement["predicate"]["records"]


def false_for_zero(statement):
    statement["predicate"]["records"][0]["record"]["generation"] = False


@pytest.mark.parametrize(
    "change", [false_for_zero, better, another_entry, beyond, another_log, another_type, no_records]
)
def test_a_false_statement_is_found_although_the_real_key_signed_it(measured, change):
    assert broken(forged(measured, change), policy=measured.policy) == [RESULT]


def test_a_key_given_twice_is_refused_whichever_of_the_two_is_true(measured):
    payload = base64.b64decode(json.loads(measured.files[RESULT])["payload"])
    twice = payload.replace(b'"estimate":1.25', b'"estimate":9,"estimate":1.25')
    assert twice != payload
    envelope = signed(twice, measured.origin, measured.signer)
    files = with_new_manifest({**measured.files, RESULT: envelope}, key=measured.signer.seed, origin=measured.origin)
    assert broken(files, policy=measured.policy) == [RESULT]


def test_planted_without_the_look_up_a_better_number_passes(measured, monkeypatch):
    monkeypatch.setattr(verify_bundle, "_bodies", lambda _: {})
    assert broken(forged(measured, better), policy=measured.policy) == []


def test_a_statement_by_another_key_is_refused(measured, tmp_path):
    stranger = DirectSigner(tmp_path, seed=bytes(32))
    assert broken(forged(measured, lambda _: None, stranger), policy=measured.policy) == [RESULT]
    assert broken(forged(measured, lambda _: None), policy=measured.policy) == []


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"payload":"e30=","payloadType":"x","signatures":[]}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_envelope_is_a_broken_file(measured, data):
    files = with_new_manifest({**measured.files, RESULT: data}, key=measured.signer.seed, origin=measured.origin)
    assert broken(files, policy=measured.policy) == [RESULT]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_lies_there_is_a_broken_file_and_no_traceback(measured, data):
    files = with_new_manifest({**measured.files, RESULT: data}, key=measured.signer.seed, origin=measured.origin)
    assert broken(files, policy=measured.policy) == [RESULT]


@given(JSON)
def test_whatever_the_real_key_signs_is_broken_unless_it_is_true(measured, value):
    payload = json.dumps(value).encode() + b"\n"
    files = {**measured.files, RESULT: signed(payload, measured.origin, measured.signer)}
    files = with_new_manifest(files, key=measured.signer.seed, origin=measured.origin)
    assert broken(files, policy=measured.policy) == [RESULT]


def test_a_statement_needs_a_subject_and_the_signer_signs_one_line_only(measured, tmp_path):
    with pytest.raises(LedgerError, match="subject"):
        make_statement(EVALUATION, {}, {"a": 1})
    with SignerProcess(tmp_path) as signer:
        for payload in (b"no newline", b"two\nlines\n", b"log.example\n7\nroot\n"):
            with pytest.raises(LedgerError, match="refuses"):
                signer.sign_statement("log.example/x", payload)
        assert len(signer.sign_statement("log.example/x", b"{}\n")) == 64
