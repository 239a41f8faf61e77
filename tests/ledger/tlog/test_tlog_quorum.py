"""Policies: the rules of their text, and whose signatures they ask for."""

import pytest
from tlog_world import ED, ED2, LOG, ORIGIN, OTHER_LOG, PQ, TIME, body, policy, signed

from subcritical.ledger.tlog import (
    Cosigner,
    FormatError,
    KeyType,
    LogSigner,
    Note,
    Policy,
    PolicyGroup,
    PolicyLog,
    PolicyWitness,
    QuorumError,
    Signature,
    SignatureError,
    TlogError,
    format_note,
    format_policy,
    format_verifier_key,
    parse_policy,
)
from subcritical.ledger.tlog._schemes import message

TEXT = body(7)
KEYS = {name: format_verifier_key(signer.verifier_key).decode() for name, signer in (("L", LOG), ("M", OTHER_LOG))}
SIGNERS = {
    name: Cosigner(f"witness.example/{name}", bytes([40 + at]) * 32, KeyType.COSIGNER_ED25519)
    for at, name in enumerate(("X1", "X2", "X3", "Y1", "Y2", "Y3"))
}
KEYS |= {name: format_verifier_key(signer.verifier_key).decode() for name, signer in SIGNERS.items()}
TWO_LEVELS = """
# Two organisations, of which each must be represented.
log {L} https://log.example/main
\tlog  {M}\t
witness X1 {X1} https://witness.example/x1
witness X2 {X2}
witness X3 {X3}
group X-witnesses 2 X1 X2 X3
  # Indented comment, with a byte above 0x7f: \u00e9
witness Y1 {Y1}
witness Y2 {Y2}
witness Y3 {Y3}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def text(template):
    return template.format(**KEYS).encode()


def test_two_levels_as_in_the_specification():
    parsed = parse_policy(text(TWO_LEVELS))
    assert [log.key.name for log in parsed.logs] == [ORIGIN, "log.example/other"]
    assert [log.url for log in parsed.logs] == ["https://log.example/main", ""]
    assert [(group.threshold, len(group.members)) for group in parsed.groups] == [(2, 3), (1, 3), (2, 2)]
    assert parse_policy(format_policy(parsed)) == parsed


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        ("X1 X2 Y1", None),
        ("X1 X3 Y3", None),
        ("X1 X2 X3 Y1 Y2 Y3", None),
        ("", "group 'X-and-Y' needs 2 and has 0, without 'X-witnesses', 'Y-witnesses'"),
        ("X1 X2 X3", "group 'Y-witnesses' needs 1 and has 0, without 'Y1', 'Y2', 'Y3'"),
        ("X1 Y1 Y2 Y3", "group 'X-witnesses' needs 2 and has 1, without 'X2', 'X3'"),
        ("Y1", "group 'X-witnesses' needs 2 and has 0"),
    ],
)
def test_who_must_have_cosigned(names, missing):
    parsed = parse_policy(text(TWO_LEVELS))
    note = signed(TEXT, LOG, *(SIGNERS[name] for name in names.split()))
    if missing is None:
        satisfied = parsed.check(note)
        assert satisfied.witnesses == tuple(names.split())
        assert satisfied.times == (TIME,) * len(names.split())
        assert (satisfied.log, satisfied.quorum, satisfied.checkpoint.size) == (ORIGIN, "X-and-Y", 7)
    else:
        with pytest.raises(QuorumError) as caught:
            parsed.check(note)
        assert "quorum 'X-and-Y' is missing" in str(caught.value)
        assert missing in str(caught.value)


def test_one_witness_is_a_quorum():
    parsed = parse_policy(text("log {L}\nwitness W {X1}\nquorum W\n"))
    assert parsed.check(signed(TEXT, LOG, SIGNERS["X1"])).quorum == "W"
    with pytest.raises(QuorumError, match="witness 'W' has not cosigned"):
        parsed.check(signed(TEXT, LOG, SIGNERS["X2"]))


def test_no_quorum_is_said_to_be_none():
    parsed = parse_policy(text("log {L}\nquorum none\n"))
    assert parsed.quorum is None
    assert format_policy(parsed).endswith(b"\nquorum none\n")
    satisfied = parsed.check(signed(TEXT, LOG))
    assert (satisfied.quorum, satisfied.witnesses) == (None, ())


def test_mixed_kinds_of_witness():
    ours = policy(2)
    assert ours.check(signed(TEXT, LOG, ED, PQ)).witnesses == ("W0", "W2")
    assert ours.check(signed(TEXT, PQ, ED2, LOG, ED)).witnesses == ("W0", "W1", "W2")
    with pytest.raises(QuorumError):
        ours.check(signed(TEXT, LOG, PQ))


def test_a_witness_that_signs_twice_counts_once():
    lines = (LOG.sign(TEXT), ED.sign(TEXT, TIME), ED.sign(TEXT, TIME + 1))
    with pytest.raises(QuorumError, match="has 1"):
        policy(2).check(format_note(Note(TEXT, lines)))


def test_a_false_cosignature_rejects_even_where_it_is_not_needed():
    lines = (LOG.sign(TEXT), ED.sign(TEXT, TIME), ED2.sign(TEXT, TIME), PQ.sign(body(8), TIME))
    with pytest.raises(SignatureError, match=r"witness\.example/pq"):
        policy(2).check(format_note(Note(TEXT, lines)))


def test_a_cosignature_without_a_time_does_not_count():
    key = PQ.verifier_key
    bare = PQ._private.sign(message(key.kind, key.name, TEXT, 0))
    lines = (LOG.sign(TEXT), ED.sign(TEXT, TIME), Signature(key.name, key.key_id, bytes(8) + bare))
    assert key.verify(TEXT, lines[2]) == 0
    with pytest.raises(QuorumError, match="has 1, without 'W1', 'W2'"):
        policy(2).check(format_note(Note(TEXT, lines)))


def test_a_log_cannot_speak_for_another():
    ours = policy(1, logs=(LOG, OTHER_LOG))
    assert ours.check(signed(body(origin="log.example/other"), OTHER_LOG, ED)).log == "log.example/other"
    with pytest.raises(QuorumError, match="not signed by a trusted log of this name"):
        ours.check(signed(TEXT, OTHER_LOG, ED))
    with pytest.raises(QuorumError, match="not signed by a trusted log"):
        ours.check(signed(body(origin="log.example/stranger"), LOG, OTHER_LOG, ED))


def test_witnesses_without_the_log_are_not_enough():
    with pytest.raises(QuorumError, match="not signed by a trusted log"):
        policy(1).check(signed(TEXT, ED, ED2, PQ))
    with pytest.raises(SignatureError, match="none of 4"):
        policy(1).check(signed(TEXT, OTHER_LOG))
    with pytest.raises(QuorumError, match="trusted: none"):
        parse_policy(text("witness W {X1}\nquorum none\n")).check(signed(TEXT, SIGNERS["X1"]))


def test_a_log_may_sign_with_ml_dsa():
    log = Cosigner(ORIGIN, bytes([9]) * 32)
    ours = Policy((PolicyLog(log.verifier_key),), (), (), None)
    assert ours.check(signed(TEXT, log)).log == ORIGIN


def test_size_zero_has_one_root():
    ours = policy(1)
    assert ours.check(signed(body(0), LOG, ED)).checkpoint.size == 0
    with pytest.raises(FormatError, match="size 0"):
        ours.check(signed(body(0, root=bytes(32)), LOG, ED))


def test_a_signed_text_that_is_no_checkpoint():
    with pytest.raises(FormatError, match="checkpoint"):
        policy(1).check(signed(b"hello\n", LOG))


W = "witness A {X1}\nwitness B {X2}\nwitness C {X3}\n"


@pytest.mark.parametrize(
    ("template", "match"),
    [
        ("", "no newline"),
        ("\n", "no quorum line"),
        ("log {L}\n", "no quorum line"),
        ("log {L}\nquorum none", "no newline"),
        ("quorum none\nquorum none\n", "second quorum"),
        ("quorum A\nwitness A {X1}\n", "line 1: 'A' is not defined above"),
        ("quorum\n", "0 items"),
        ("quorum none none\n", "2 items"),
        ("log\nquorum none\n", "0 items"),
        ("log {L} a b\nquorum none\n", "3 items"),
        ("log {X1}\nquorum none\n", "type COSIGNER_ED25519"),
        ("log {L}x\nquorum none\n", "line 1: verifier key"),
        ("log {L}\nlog {L}\nquorum none\n", "one key"),
        ("witness A\nquorum none\n", "1 items"),
        ("witness A {L}\nquorum none\n", "type LOG_ED25519"),
        ("witness A {X1}\nwitness B {X1}\nquorum none\n", "one key"),
        ("witness A {X1}\nwitness A {X2}\nquorum none\n", "line 2: 'A' is already defined"),
        ("witness none {X1}\nquorum none\n", "'none' is already defined"),
        (W + "group A any B\nquorum A\n", "already defined"),
        (W + "group none any B\nquorum none\n", "already defined"),
        (W + "group G any\nquorum none\n", "2 items"),
        (W + "group G 0 A B\nquorum G\n", "asks for 0 of 2"),
        (W + "group G 3 A B\nquorum G\n", "3 is above 2"),
        (W + "group G 01 A B\nquorum G\n", "not a decimal"),
        (W + "group G -1 A B\nquorum G\n", "not a decimal"),
        (W + "group G most A B\nquorum G\n", "not a decimal"),
        (W + "group G any A A\nquorum G\n", "second group"),
        (W + "group G any A\ngroup H any A B\nquorum H\n", "'A' is in a second group"),
        (W + "group G any none\nquorum G\n", "'none' is not defined"),
        (W + "group G any H\ngroup H any A\nquorum G\n", "'H' is not defined above"),
        (W + "group G any G\nquorum G\n", "'G' is not defined above"),
        ("group G any A\nwitness A {X1}\nquorum G\n", "line 1: 'A' is not defined above"),
        ("witnes A {X1}\nquorum none\n", "is not log, witness, group or quorum"),
        ("Log {L}\nquorum none\n", "is not log"),
        ("log {L} # comment\nquorum none\n", "3 items"),
        ("log\u00a0{L}\nquorum none\n", "is not log"),
        ("log {L}\r\nquorum none\n", "0x0d"),
        ("log {L}\x0bx\nquorum none\n", "0x0b"),
        ("quorum none\n\x00\n", "0x00"),
        ("quorum none\n#\x7f\n", "0x7f"),
    ],
)
def test_policies_that_are_none(template, match):
    with pytest.raises(FormatError, match=match):
        parse_policy(text(template))


def test_a_name_may_be_any_octets():
    data = b"witness \xff\xfe " + KEYS["X1"].encode() + b" \xe9\ngroup #g all \xff\xfe\nquorum #g\n# \xfd\n"
    parsed = parse_policy(data)
    assert parsed.witnesses[0].name == "\udcff\udcfe"
    assert parse_policy(format_policy(parsed)) == parsed
    assert parse_policy(b"witness \xe2\x84\xaa " + KEYS["X1"].encode() + b"\nquorum none\n").witnesses[0].name != "K"


def test_one_key_as_log_and_as_witness_is_refused():
    log, witness = LogSigner("same.example", bytes(32)), Cosigner("w.example", bytes(32), KeyType.COSIGNER_ED25519)
    with pytest.raises(FormatError, match="one key"):
        policy(1, (witness,), logs=(log,))


@pytest.mark.parametrize(
    ("groups", "quorum"),
    [
        ((), "G"),
        ((), "none"),
        ((PolicyGroup("G", 1, ("A", "A")),), "G"),
        ((PolicyGroup("G", 0, ("A",)),), "G"),
        ((PolicyGroup("G", True, ("A",)),), "G"),
        ((PolicyGroup("G", 0, ()),), "G"),
        ((PolicyGroup("G", 1, ("G",)),), "G"),
        ((PolicyGroup("A", 1, ("A",)),), "A"),
        ((PolicyGroup("none", 1, ("A",)),), None),
        ((PolicyGroup("G", 1, ("none",)),), "G"),
    ],
)
def test_a_policy_object_cannot_break_the_rules_either(groups, quorum):
    with pytest.raises(FormatError, match="policy"):
        Policy((), (PolicyWitness("A", ED.verifier_key),), groups, quorum)


@pytest.mark.parametrize("name", ["", "a b", "a\tb", "a\nb", "a\x00", "\ud800"])
def test_names_that_have_no_text_form(name):
    with pytest.raises(FormatError, match="policy"):
        format_policy(Policy((), (PolicyWitness(name, ED.verifier_key),), (), None))


def test_limits():
    witnesses = tuple(
        PolicyWitness(f"W{at}", Cosigner(f"w{at}", at.to_bytes(32, "big"), KeyType.COSIGNER_ED25519).verifier_key)
        for at in range(129)
    )
    chain = tuple(PolicyGroup(f"G{at}", 1, (f"G{at - 1}" if at else "W0",)) for at in range(128))
    long = Policy((PolicyLog(LOG.verifier_key),), witnesses[:128], chain, "G127")
    assert parse_policy(format_policy(long)) == long
    with pytest.raises(QuorumError, match="'G127' is missing"):
        long.check(signed(TEXT, LOG))
    with pytest.raises(FormatError, match="129 witnesses"):
        Policy((), witnesses, (), None)
    with pytest.raises(FormatError, match="at most"):
        parse_policy(b"#" * (1 << 20) + b"\n")


def test_planted_failure_without_the_comparison_of_log_and_origin(monkeypatch):
    test_a_log_cannot_speak_for_another()
    monkeypatch.setattr(Policy, "_log", lambda self, opened, origin: self.logs[0].key)
    with pytest.raises((pytest.fail.Exception, AssertionError)):
        test_a_log_cannot_speak_for_another()


def test_planted_failure_without_the_quorum(monkeypatch):
    test_a_witness_that_signs_twice_counts_once()
    monkeypatch.setattr(Policy, "_require", lambda *_: None)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_a_witness_that_signs_twice_counts_once()


def test_every_refusal_is_one_of_ours():
    assert issubclass(QuorumError, TlogError)
    assert issubclass(SignatureError, TlogError)
