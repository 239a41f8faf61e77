"""What a witness answers, in the order of the specification: an earlier failure hides every later one."""

import pytest
from tlog_world import ED, LOG, ORIGIN, OTHER_LOG, TIME, body, signed, tree

from subcritical.ledger.tlog import (
    EMPTY_ROOT,
    AddCheckpoint,
    Cosigner,
    FormatError,
    Signature,
    WitnessState,
    decide,
    format_add_checkpoint,
    malformed,
    open_note,
    parse_add_checkpoint,
    parse_conflict,
    parse_note,
    witness_protocol,
)
from subcritical.ledger.tlog import Note as SignedNote
from subcritical.ledger.tlog import format_note as note_bytes

TREE = tree(40)
LOGS = {ORIGIN: [LOG.verifier_key]}
TEXT_TYPE = "text/plain; charset=utf-8"
KNOWN = WitnessState(10, TREE.root(10))
FALSE = [bytes(32)]


def ask(old, new, *, proof=None, origin=ORIGIN, root=None, signer=LOG):
    text = body(new, origin=origin, root=TREE.root(new) if root is None else root)
    steps = TREE.consistency_proof(old, new) if proof is None and old <= new else proof or []
    return AddCheckpoint(old, tuple(steps), signed(text, signer))


def false_signature(old, new, **more):
    honest = parse_note(ask(old, new, **more).note)
    key = LOG.verifier_key
    return AddCheckpoint(old, (), note_bytes(SignedNote(honest.text, (Signature(key.name, key.key_id, bytes(64)),))))


TABLE = [
    # Each request is also wrong in every way that comes later, as far as one request can be.
    ("unknown origin before all", 404, ask(30, 20, origin="log.example/x", signer=OTHER_LOG, proof=FALSE), KNOWN),
    ("unknown origin, else right", 404, ask(10, 20, origin="log.example/other", signer=OTHER_LOG), KNOWN),
    ("no trusted signature before sizes", 403, ask(30, 20, signer=OTHER_LOG, proof=FALSE), KNOWN),
    ("a false signature before sizes", 403, false_signature(30, 20), KNOWN),
    ("a false signature, else right", 403, false_signature(10, 10), KNOWN),
    ("another log's signature, else right", 403, ask(10, 20, signer=OTHER_LOG), KNOWN),
    ("old above new before the recorded size", 400, ask(30, 20, proof=FALSE), KNOWN),
    ("old above new at the recorded size", 400, ask(10, 9, proof=FALSE), KNOWN),
    ("a stale client before its proof", 409, ask(9, 20, proof=FALSE), KNOWN),
    ("a stale client with a right proof", 409, ask(9, 20), KNOWN),
    ("a client from the future", 409, ask(11, 20), KNOWN),
    ("a client that asks for the size", 409, ask(0, 20), KNOWN),
    ("a first request from a later size", 409, ask(10, 20), None),
    ("a false proof", 422, ask(10, 20, proof=FALSE), KNOWN),
    ("no proof", 422, ask(10, 20, proof=[]), KNOWN),
    ("a proof of too much", 422, ask(10, 20, proof=[*TREE.consistency_proof(10, 20), bytes(32)]), KNOWN),
    ("another history", 422, ask(10, 20, root=tree(20, b"fork").root()), KNOWN),
    ("another root at the same size", 422, ask(10, 10, root=tree(10, b"fork").root()), KNOWN),
    ("a proof at the same size", 422, ask(10, 10, proof=FALSE), KNOWN),
    ("a proof from nothing", 422, ask(0, 20, proof=FALSE), None),
    ("size 0 with a root", 422, ask(0, 0, root=bytes(32)), None),
    ("size 0 with a root, recorded as it should be", 422, ask(0, 0, root=bytes(32)), WitnessState(0, EMPTY_ROOT)),
    ("a first checkpoint", 200, ask(0, 20), None),
    ("a first, empty checkpoint", 200, ask(0, 0), None),
    ("a longer tree", 200, ask(10, 20), KNOWN),
    ("the same tree again", 200, ask(10, 10), KNOWN),
]


@pytest.mark.parametrize(("status", "request_", "recorded"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_decision_table(status, request_, recorded):
    decision = decide(request_, LOGS, recorded)
    assert decision.status == status
    assert decision.reason
    if status == 200:
        assert decision.state == (request_.checkpoint.size, request_.checkpoint.root)
        assert decision.body == b""
    else:
        assert decision.state is None
    if status == 409:
        assert decision.content_type == "text/x.tlog.size"
        assert parse_conflict(decision.body) == (recorded.size if recorded else 0)
    else:
        assert decision.content_type == TEXT_TYPE
        assert decision.body.endswith(b"\n") == (status != 200)


def test_the_order_does_not_depend_on_the_recorded_state():
    for recorded in (None, KNOWN, WitnessState(30, TREE.root(30))):
        assert decide(ask(30, 20, origin="log.example/x", signer=OTHER_LOG), LOGS, recorded).status == 404
        assert decide(ask(30, 20, signer=OTHER_LOG), LOGS, recorded).status == 403
        assert decide(ask(30, 20), LOGS, recorded).status == 400


def test_an_origin_without_keys_is_unknown():
    assert decide(ask(10, 20), {ORIGIN: []}, KNOWN).status == 404


def test_one_of_several_keys_of_a_log_is_enough_and_others_are_ignored():
    assert decide(ask(10, 20), {ORIGIN: [OTHER_LOG.verifier_key, LOG.verifier_key]}, KNOWN).status == 200
    text = body(20, root=TREE.root(20))
    both = AddCheckpoint(10, tuple(TREE.consistency_proof(10, 20)), signed(text, OTHER_LOG, LOG, ED))
    assert decide(both, LOGS, KNOWN).status == 200


def test_a_whole_conversation():
    recorded, witness = None, ED
    for old, new in ((0, 5), (5, 16), (16, 16), (16, 40)):
        asked = parse_add_checkpoint(format_add_checkpoint(ask(old, new)))
        decision = decide(asked, LOGS, recorded)
        assert decision.status == 200
        recorded = decision.state
        text = open_note(asked.note, LOGS[ORIGIN]).text
        answer = witness.sign(text, TIME).line
        opened = open_note(asked.note + answer, [LOG.verifier_key, witness.verifier_key])
        assert [verified.key.name for verified in opened.verified] == [ORIGIN, "witness.example/ed"]
    assert recorded == (40, TREE.root(40))
    stale = decide(ask(5, 16), LOGS, recorded)
    assert (stale.status, stale.body) == (409, b"40\n")


BODY = format_add_checkpoint(ask(10, 20))


def test_the_body_is_as_the_specification_writes_it():
    lines = BODY.split(b"\n")
    assert lines[0] == b"old 10"
    blank = lines.index(b"")
    assert all(len(line) == 44 for line in lines[1:blank])
    assert lines[blank + 1 : blank + 3] == [ORIGIN.encode(), b"20"]
    assert parse_add_checkpoint(BODY) == ask(10, 20)
    assert parse_add_checkpoint(format_add_checkpoint(ask(0, 20))).proof == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"old 10", b"old 010"),
        (b"old 10", b"old  10"),
        (b"old 10", b"old -1"),
        (b"old 10", b"Old 10"),
        (b"old 10", b"old"),
        (b"old 10\n", b""),
        (b"old 10", b"old 9223372036854775808"),
        (b"old 10\n", b"old 10\r\n"),
        (b"old 10\n", b"old 10\nAAAA\n"),
        (b"old 10\n", b"old 10\n" + (b"A" * 43 + b"=\n") * 64),
        (b"old 10\n", b"old 10\n" + b"A" * 42 + b"B=\n"),
        (b"old 10\n", b"old 10\n\n"),
        (b"\n\nlog.example", b"\nlog.example"),
        (b"\n20\n", b"\n020\n"),
        ("\u2014".encode(), b"-"),
    ],
)
def test_bodies_that_are_malformed(old, new):
    assert BODY.count(old) == 1
    with pytest.raises(FormatError) as caught:
        parse_add_checkpoint(BODY.replace(old, new))
    decision = malformed(caught.value)
    assert (decision.status, decision.state, decision.content_type) == (400, None, TEXT_TYPE)
    assert decision.body.decode().strip() == str(caught.value)


def test_bodies_are_bounded_and_63_hashes_are_read():
    with pytest.raises(FormatError, match="at most"):
        parse_add_checkpoint(BODY + b"x" * (300 << 10))
    assert len(parse_add_checkpoint(format_add_checkpoint(ask(10, 20, proof=[bytes(32)] * 63))).proof) == 63
    with pytest.raises(FormatError, match="at most 63"):
        ask(10, 20, proof=[bytes(32)] * 64)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"10", b"010\n", b"10\n\n", b"-1\n", b"1" * 40 + b"\n", b"9223372036854775808\n"]
)
def test_sizes_that_are_none(data):
    with pytest.raises(FormatError):
        parse_conflict(data)


def test_an_origin_that_an_ml_dsa_key_cannot_sign_is_refused_not_raised():
    long, log = "x" * 300, Cosigner("log.example/pq", bytes([7]) * 32)
    key = log.verifier_key
    text = body(20, origin=long, root=TREE.root(20))
    asked = AddCheckpoint(0, (), note_bytes(SignedNote(text, (Signature(key.name, key.key_id, bytes(2428)),))))
    assert decide(asked, {long: [key]}, None).status == 403


def test_planted_failure_without_the_consistency_check(monkeypatch):
    monkeypatch.setattr(witness_protocol, "verify_consistency", lambda *_: None)
    forks = [row for row in TABLE if row[1] == 422]
    assert len(forks) >= 7
    for _, status, asked, recorded in forks:
        with pytest.raises(AssertionError):
            test_decision_table(status, asked, recorded)
