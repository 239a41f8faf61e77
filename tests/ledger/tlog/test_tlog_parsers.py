"""Every parser against bytes that nobody meant: it gives back what it was given, or refuses with one kind of error."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlog_world import ED, LOG, PQ, TIME, body, policy, signed, tree

from subcritical.ledger.tlog import (
    AddCheckpoint,
    Bundle,
    Checkpoint,
    FormatError,
    KeyType,
    Note,
    Policy,
    PolicyGroup,
    PolicyLog,
    PolicyWitness,
    Signature,
    Tile,
    TlogError,
    TlogProof,
    VerifierKey,
    check_tlog_proof,
    decide,
    format_add_checkpoint,
    format_bundle,
    format_checkpoint,
    format_note,
    format_policy,
    format_tlog_proof,
    format_verifier_key,
    open_note,
    parse_add_checkpoint,
    parse_bundle,
    parse_checkpoint,
    parse_conflict,
    parse_note,
    parse_policy,
    parse_signatures,
    parse_tile_path,
    parse_tlog_proof,
    parse_verifier_key,
)

NOTE = signed(body(7), LOG, ED, PQ)
TREE = tree(7)
POLICY = policy(2)
KEYS = [LOG.verifier_key, ED.verifier_key, PQ.verifier_key]
SAMPLES = {
    "note": (parse_note, format_note, NOTE),
    "checkpoint": (parse_checkpoint, format_checkpoint, body(7)),
    "signatures": (parse_signatures, lambda lines: b"".join(s.line for s in lines), NOTE.rpartition(b"\n\n")[2]),
    "key": (parse_verifier_key, format_verifier_key, format_verifier_key(ED.verifier_key)),
    "policy": (parse_policy, format_policy, format_policy(POLICY)),
    "proof": (
        parse_tlog_proof,
        format_tlog_proof,
        format_tlog_proof(TlogProof(3, tuple(TREE.inclusion_proof(3)), NOTE, b"extra")),
    ),
    "request": (
        parse_add_checkpoint,
        format_add_checkpoint,
        format_add_checkpoint(AddCheckpoint(3, tuple(TREE.consistency_proof(3)), NOTE)),
    ),
    "bundle": (lambda data: parse_bundle(data, 3), format_bundle, format_bundle([b"a", b"", b"bc"])),
    "path": (parse_tile_path, lambda tile: tile.path.encode(), b"tile/0/x001/x234/067.p/9"),
    "size": (parse_conflict, lambda size: b"%d\n" % size, b"70000\n"),
}
ONE_SPELLING = sorted(set(SAMPLES) - {"policy"})


def parse_or_refuse(kind, data):
    parse, write, _ = SAMPLES[kind]
    try:
        parsed = parse(data)
    except FormatError:
        return
    if kind in ONE_SPELLING:
        assert write(parsed) == data
    else:
        assert parse(write(parsed)) == parsed


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_samples_are_what_their_formatters_write(kind):
    parse, write, data = SAMPLES[kind]
    assert write(parse(data)) == data


@pytest.mark.parametrize("kind", SAMPLES)
@given(data=st.binary(max_size=400))
def test_arbitrary_bytes(kind, data):
    parse_or_refuse(kind, data)


WORDS = [
    *(b"\n", b"\n\n", b" ", b"\t", b"\x00", b"\xff", b"+", b"=", b"#", b"0", b"1", b"old ", b"index ", b"extra "),
    *(b"c2sp.org/tlog-proof@v1", b"log", b"witness", b"group", b"quorum", b"none", b"any", b"all", b"tile/", b".p/"),
    *("\u2014 ".encode(), b"name", b"AAAA", b"x001/", b"000", base64.b64encode(bytes(32)), b"9223372036854775808"),
    format_verifier_key(LOG.verifier_key),
    NOTE,
    body(7),
]


@pytest.mark.parametrize("kind", SAMPLES)
@given(words=st.lists(st.sampled_from(WORDS), max_size=14))
def test_words_of_the_formats_in_any_order(kind, words):
    parse_or_refuse(kind, b"".join(words))


@pytest.mark.parametrize("kind", SAMPLES)
@given(data=st.data())
def test_damaged_samples(kind, data):
    sample = SAMPLES[kind][2]
    start = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(start, min(len(sample), start + 40)))
    parse_or_refuse(kind, sample[:start] + data.draw(st.binary(max_size=20)) + sample[end:])


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_cut(kind):
    sample = SAMPLES[kind][2]
    for at in range(0, len(sample), 1 if len(sample) < 1000 else 13):
        parse_or_refuse(kind, sample[:at])
        parse_or_refuse(kind, sample[at:])


@pytest.mark.parametrize("kind", SAMPLES)
def test_input_without_bound_is_refused_at_once(kind):
    for filler in (b"\n", b"a", b"#", b"1", b"\xff"):
        with pytest.raises(FormatError):
            SAMPLES[kind][0](filler * (20 << 20))


@given(data=st.data())
def test_whatever_is_done_to_a_signed_file_nothing_but_our_error_comes_out(data):
    for kind in ("note", "proof", "request"):
        sample = SAMPLES[kind][2]
        at = data.draw(st.integers(0, len(sample) - 1))
        broken = sample[:at] + data.draw(st.binary(max_size=3)) + sample[at + 1 :]
        try:
            if kind == "note":
                open_note(broken, KEYS)
                POLICY.check(broken)
            elif kind == "proof":
                check_tlog_proof(parse_tlog_proof(broken), b"entry 3", POLICY)
            else:
                assert decide(parse_add_checkpoint(broken), {"log.example/main": KEYS[:1]}, None).status != 200
        except TlogError:
            pass


names = st.text(
    st.characters(codec="utf-8", exclude_characters="+", exclude_categories=("Zs", "Zl", "Zp", "Cc")), min_size=1
)
lines = st.text(st.characters(codec="utf-8", exclude_characters=[chr(code) for code in range(32)]), min_size=1)
hashes = st.binary(min_size=32, max_size=32)
sizes = st.integers(0, 2**63 - 1)
keys = st.builds(
    lambda name, kind, seed: VerifierKey(name, kind, seed * 41 if kind == KeyType(6) else seed),
    names,
    st.sampled_from(list(KeyType)),
    hashes,
)
signatures = st.builds(Signature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=90))
texts = st.lists(st.text(st.characters(codec="utf-8", exclude_characters=[chr(c) for c in range(32)])), min_size=1).map(
    lambda parts: "".join(f"{part}\n" for part in parts).encode()
)
checkpoints = st.builds(Checkpoint, lines, sizes, hashes, st.lists(lines, max_size=3).map(tuple))
notes = st.builds(lambda c, s: format_note(Note(format_checkpoint(c), (s,))), checkpoints, signatures)


@given(st.builds(Note, texts, st.lists(signatures, min_size=1, max_size=5).map(tuple)))
def test_notes_round_trip(note):
    assert parse_note(format_note(note)) == note


@given(checkpoints)
def test_checkpoints_round_trip(checkpoint):
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint


@given(keys)
def test_keys_round_trip(key):
    assert parse_verifier_key(format_verifier_key(key)) == key


@given(st.builds(TlogProof, sizes, st.lists(hashes, max_size=63).map(tuple), notes, st.none() | st.binary(max_size=99)))
def test_proofs_round_trip(proof):
    assert parse_tlog_proof(format_tlog_proof(proof)) == proof


@given(st.builds(AddCheckpoint, sizes, st.lists(hashes, max_size=63).map(tuple), notes))
def test_requests_round_trip(request_):
    assert parse_add_checkpoint(format_add_checkpoint(request_)) == request_


@given(st.builds(Tile, st.integers(0, 63), st.integers(0, 2**55 - 1), st.integers(1, 256)))
def test_tile_paths_round_trip(tile):
    assert parse_tile_path(tile.path.encode()) == tile
    bundle = Bundle(tile.index, tile.width)
    assert parse_tile_path(bundle.path.encode()) == bundle


@st.composite
def policies(draw):
    public = draw(st.lists(hashes, min_size=1, max_size=6, unique=True))
    split = draw(st.integers(0, len(public)))
    word = st.text(st.characters(codec="utf-8", exclude_categories=("Zs", "Zl", "Zp", "Cc")), min_size=1, max_size=5)
    urls = st.just("") | word
    titles = draw(st.lists(word.filter(lambda w: w != "none"), min_size=12, max_size=12, unique=True))
    logs = [PolicyLog(VerifierKey(draw(names), KeyType(1), p), draw(urls)) for p in public[:split]]
    witnesses = [
        PolicyWitness(titles.pop(), VerifierKey(draw(names), KeyType(4), p), draw(urls)) for p in public[split:]
    ]
    free, groups = [w.name for w in witnesses], []
    while free and len(groups) < 3 and draw(st.booleans()):
        taken = free[: draw(st.integers(1, len(free)))]
        group = PolicyGroup(titles.pop(), draw(st.integers(1, len(taken))), tuple(taken))
        groups.append(group)
        free = [*free[len(taken) :], group.name]
    quorum = draw(st.none() | st.sampled_from([w.name for w in witnesses] + [g.name for g in groups] or [None]))
    return Policy(tuple(logs), tuple(witnesses), tuple(groups), quorum)


@given(policies())
def test_policies_round_trip(made):
    assert parse_policy(format_policy(made)) == made


def test_times_do_not_come_from_a_clock():
    assert ED.sign(body(7), TIME) == ED.sign(body(7), TIME)
