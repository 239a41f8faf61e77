"""One file that proves one entry, and what makes it prove nothing."""

import pytest
from tlog_world import ED, ED2, LOG, OTHER_LOG, PQ, body, entries, policy, signed, tree

from subcritical.ledger.tlog import (
    FormatError,
    ProofError,
    QuorumError,
    SignatureError,
    TlogProof,
    check_tlog_proof,
    format_tlog_proof,
    parse_tlog_proof,
)

SIZE = 130
TREE = tree(SIZE)
NOTE = signed(body(SIZE), LOG, ED, PQ)
POLICY = policy(2)


def proof(index, *, note=NOTE, extra=None):
    return TlogProof(index, tuple(TREE.inclusion_proof(index)), note, extra)


@pytest.mark.parametrize("extra", [None, b"", b"context that nobody vouches for"])
@pytest.mark.parametrize("index", [0, 1, 64, 127, 128, 129])
def test_a_proof_travels_and_is_checked(index, extra):
    data = format_tlog_proof(proof(index, extra=extra))
    assert data.startswith(b"c2sp.org/tlog-proof@v1\n")
    assert data.endswith(NOTE)
    parsed = parse_tlog_proof(data)
    assert parsed == proof(index, extra=extra)
    satisfied = check_tlog_proof(parsed, entries(SIZE)[index], POLICY)
    assert (satisfied.checkpoint.size, satisfied.witnesses) == (SIZE, ("W0", "W2"))


def test_a_tree_of_one_needs_no_hashes():
    data = format_tlog_proof(TlogProof(0, (), signed(body(1), LOG, ED, ED2)))
    assert data.split(b"\n")[:3] == [b"c2sp.org/tlog-proof@v1", b"index 0", b""]
    check_tlog_proof(parse_tlog_proof(data), b"entry 0", POLICY)


def test_what_proves_nothing():
    good = proof(5)
    check_tlog_proof(good, b"entry 5", POLICY)
    for entry in (b"entry 6", b"", b"entry 5 ", TREE.leaf(5)):
        with pytest.raises(ProofError):
            check_tlog_proof(good, entry, POLICY)
    with pytest.raises(ProofError):
        check_tlog_proof(TlogProof(4, good.hashes, NOTE), b"entry 5", POLICY)
    with pytest.raises(ProofError):
        check_tlog_proof(TlogProof(5, good.hashes[:-1], NOTE), b"entry 5", POLICY)
    with pytest.raises(ProofError):
        check_tlog_proof(TlogProof(5, good.hashes, signed(body(SIZE - 1), LOG, ED, ED2)), b"entry 5", POLICY)
    with pytest.raises(ProofError):
        check_tlog_proof(TlogProof(0, (), signed(body(0), LOG, ED, ED2)), b"entry 0", POLICY)
    with pytest.raises(QuorumError):
        check_tlog_proof(proof(5, note=signed(body(SIZE), LOG, ED)), b"entry 5", POLICY)
    with pytest.raises(SignatureError):
        check_tlog_proof(proof(5, note=signed(body(SIZE), OTHER_LOG)), b"entry 5", POLICY)


DATA = format_tlog_proof(proof(5, extra=b"x"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"proof@v1", b"proof@v2"),
        (b"c2sp.org", b" c2sp.org"),  # with the dot, which base64 of random bytes cannot hold
        (b"proof@v1\n", b"proof@v1\r\n"),
        (b"extra eA==", b"extra eA="),
        (b"extra eA==", b"extra eB=="),
        (b"extra eA==", b"extra  eA=="),
        (b"extra eA==", b"Extra eA=="),
        (b"extra eA==\n", b"extra eA==\nextra eA==\n"),
        (b"index 5", b"index 05"),
        (b"index 5", b"index -5"),
        (b"index 5", b"index"),
        (b"index 5", b"index 5 "),
        (b"index 5", b"index 9223372036854775808"),
        (b"index 5\n", b""),
        (b"index 5\n", b"index 5\nindex 5\n"),
        (b"index 5\n", b"index 5\nAAAA\n"),
        (b"index 5\n", b"index 5\n" + b"A" * 43 + b"=\n" * 64),
        (b"index 5\n", b"index 5\n" + (b"A" * 43 + b"=\n") * 64),
        (b"index 5\n", b"index 5\n\n"),
        (b"\n\nlog.example", b"\nlog.example"),
        (b"\n\nlog.example", b"\n\n\nlog.example"),
        (b"\n130\n", b"\n0130\n"),
        (b"extra eA==", b"extra " + b"AAAA" * 30_000),
    ],
)
def test_files_that_are_no_proof(old, new):
    assert DATA.count(old) == 1
    with pytest.raises(FormatError):
        parse_tlog_proof(DATA.replace(old, new))


@pytest.mark.parametrize(
    "values",
    [
        (-1, (), NOTE),
        (True, (), NOTE),
        (2**63, (), NOTE),
        (0, (b"short",), NOTE),
        (0, (bytes(32),) * 64, NOTE),
        (0, (), b"not a note"),
        (0, (), signed(b"not a checkpoint\n", LOG)),
        (0, (), NOTE, bytes((64 << 10) + 1)),
    ],
)
def test_proof_objects_that_are_none(values):
    with pytest.raises(FormatError):
        TlogProof(*values)


def test_input_is_bounded():
    with pytest.raises(FormatError, match="at most"):
        parse_tlog_proof(DATA + b"x" * (400 << 10))
