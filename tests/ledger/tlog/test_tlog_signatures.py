"""The three signature types: what exactly is signed, and that not one bit of a line may change."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from tlog_world import ED, LOG, ORIGIN, PQ, TIME, body, signed, tree

from subcritical.ledger.tlog import (
    Cosigner,
    FormatError,
    KeyType,
    LogSigner,
    Signature,
    SignatureError,
    TlogError,
    UnsupportedKeyError,
    VerifierKey,
    _schemes,
    open_note,
    parse_note,
)

SIGNERS = [LOG, ED, PQ]
TEXT = body(7)


def test_lengths_and_messages_are_those_of_the_specification():
    log, ed, pq = (signature.payload for signature in parse_note(signed(TEXT, *SIGNERS)).signatures)
    Ed25519PublicKey.from_public_bytes(LOG.verifier_key.public).verify(log, TEXT)
    assert (len(log), len(ed), len(pq)) == (64, 8 + 64, 8 + 2420)
    assert ed[:8] == pq[:8] == TIME.to_bytes(8, "big")
    said = b"cosignature/v1\ntime 1767225600\n" + TEXT
    Ed25519PublicKey.from_public_bytes(ED.verifier_key.public).verify(ed[8:], said)
    name, origin = b"witness.example/pq", ORIGIN.encode()
    said = b"subtree/v1\n\x00" + bytes([len(name)]) + name + TIME.to_bytes(8, "big")
    said += bytes([len(origin)]) + origin + bytes(8) + (7).to_bytes(8, "big") + tree(7).root()
    MLDSA44PublicKey.from_public_bytes(PQ.verifier_key.public).verify(pq[8:], said)


@pytest.mark.parametrize("signer", SIGNERS, ids=repr)
def test_each_type_verifies_and_only_its_own_text(signer):
    key = signer.verifier_key
    opened = open_note(signed(TEXT, signer), [key])
    assert opened.verified[0].time == (None if signer is LOG else TIME)
    line = parse_note(signed(TEXT, signer)).signatures[0]
    for other in (body(8), body(7, origin="log.example/other"), body(7, root=bytes(32))):
        with pytest.raises(SignatureError, match="false, or made for another text"):
            key.verify(other, line)


def test_extension_lines_are_covered_by_ed25519_and_not_by_ml_dsa():
    extended = body(7, extensions=("more",))
    ed, pq = parse_note(signed(TEXT, ED, PQ)).signatures
    with pytest.raises(SignatureError):
        ED.verifier_key.verify(extended, ed)
    assert PQ.verifier_key.verify(extended, pq) == TIME


@pytest.mark.parametrize("signer", [ED, PQ], ids=repr)
def test_a_cosignature_is_for_checkpoints(signer):
    with pytest.raises(FormatError, match="checkpoint"):
        signer.sign(b"anything\n", TIME)
    line = parse_note(signed(TEXT, signer)).signatures[0]
    with pytest.raises(TlogError):
        signer.verifier_key.verify(b"anything\n", line)


@pytest.mark.parametrize("time", [0, -1, 2**63, True, 1.5, None])
def test_no_time_a_witness_must_not_state(time):
    for signer in (ED, PQ):
        with pytest.raises(FormatError, match="time"):
            signer.sign(TEXT, time)


def test_a_time_beyond_63_bits_is_refused():
    for key in (ED.verifier_key, PQ.verifier_key):
        payload = (2**63).to_bytes(8, "big") + bytes(64 if key.kind == KeyType.COSIGNER_ED25519 else 2420)
        with pytest.raises(SignatureError, match="2\\^63"):
            key.verify(TEXT, Signature(key.name, key.key_id, payload))


@pytest.mark.parametrize("signer", SIGNERS, ids=repr)
def test_lengths_that_are_not_the_types_own(signer):
    key = signer.verifier_key
    line = parse_note(signed(TEXT, signer)).signatures[0]
    for payload in (line.payload[:-1], line.payload + b"\x00", line.payload[8:], b"\x00"):
        with pytest.raises(SignatureError, match="bytes"):
            key.verify(TEXT, Signature(key.name, key.key_id, payload))


def test_a_line_of_another_key_is_not_tried():
    line = parse_note(signed(TEXT, ED)).signatures[0]
    with pytest.raises(SignatureError, match="another key"):
        LOG.verifier_key.verify(TEXT, line)


def test_types_keep_one_raw_key_apart():
    as_log, as_witness = LogSigner("same.example", bytes(32)), Cosigner("same.example", bytes(32), KeyType(4))
    assert as_log.verifier_key.public == as_witness.verifier_key.public
    assert as_log.verifier_key.key_id != as_witness.verifier_key.key_id
    for signer, other in ((as_log, as_witness), (as_witness, as_log)):
        with pytest.raises(SignatureError, match="none of 1"):
            open_note(signed(TEXT, signer), [other.verifier_key])


def refused_with_each_flipped_bit(signer, bits):
    data = bytearray(signed(TEXT, signer))
    start = len(TEXT) + 1
    keys = [signer.verifier_key]
    for bit in bits(8 * (len(data) - start)):
        at, mask = start + bit // 8, 1 << bit % 8
        data[at] ^= mask
        with pytest.raises(TlogError):
            open_note(bytes(data), keys)
        data[at] ^= mask
    assert open_note(bytes(data), keys).text == TEXT


@pytest.mark.parametrize("signer", [LOG, ED], ids=repr)
def test_no_bit_of_an_ed25519_line_may_change(signer):
    refused_with_each_flipped_bit(signer, range)


def test_no_bit_of_the_head_and_none_of_every_nineteenth_of_the_rest_of_an_ml_dsa_line_may_change():
    refused_with_each_flipped_bit(
        PQ, lambda count: [*range(500), *range(500, count - 64, 19), *range(count - 64, count)]
    )


@pytest.mark.sim
def test_no_bit_of_an_ml_dsa_line_may_change():
    refused_with_each_flipped_bit(PQ, range)


@pytest.mark.parametrize("signer", SIGNERS, ids=repr)
def test_no_bit_of_the_text_may_change(signer):
    data = bytearray(signed(TEXT, signer))
    for bit in range(8 * len(TEXT)):
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TlogError):
            open_note(bytes(data), [signer.verifier_key])
        data[bit // 8] ^= 1 << bit % 8


def test_planted_failure_without_the_verification(monkeypatch):
    test_no_bit_of_the_text_may_change(LOG)
    monkeypatch.setattr(VerifierKey, "verify", lambda *_: None)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_no_bit_of_the_text_may_change(LOG)


def test_seeds_go_in_and_out_and_do_not_show():
    for signer in SIGNERS:
        assert bytes([signer.seed[0]]) * 32 == signer.seed
        assert signer.seed.hex() not in repr(signer)
        assert repr(signer.seed) not in repr(signer)
        assert (
            repr(signer) == f"{type(signer).__name__}({signer.verifier_key.name!r}, {signer.verifier_key.key_id.hex()})"
        )
    assert Cosigner("w", bytes(32)).verifier_key.kind is KeyType.COSIGNER_ML_DSA_44


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(64), "x" * 32, None])
def test_seeds_that_are_none(seed):
    for make in (LogSigner, Cosigner):
        with pytest.raises(FormatError, match="32 bytes"):
            make("name", seed)


def test_a_log_signs_notes_only_and_a_cosigner_is_no_log():
    for text in (b"", b"no newline", b"tab\t\n", b"\xff\n"):
        with pytest.raises(FormatError):
            LOG.sign(text)
    with pytest.raises(FormatError, match="is a log's"):
        Cosigner("name", bytes(32), KeyType.LOG_ED25519)


def test_ml_dsa_names_and_origins_have_a_length_byte():
    long = "x" * 256
    with pytest.raises(FormatError, match="255"):
        Cosigner(long, bytes(32)).sign(TEXT, TIME)
    with pytest.raises(FormatError, match="255"):
        PQ.sign(body(origin=long), TIME)
    assert Cosigner("x" * 255, bytes(32)).sign(TEXT, TIME)


def test_without_ml_dsa_only_its_use_is_an_error(monkeypatch):
    data = signed(TEXT, LOG, PQ)
    monkeypatch.setattr(_schemes, "mldsa", None)
    assert open_note(data, [LOG.verifier_key]).text == TEXT
    with pytest.raises(UnsupportedKeyError, match="cryptography"):
        open_note(data, [LOG.verifier_key, PQ.verifier_key])
    with pytest.raises(UnsupportedKeyError):
        Cosigner("name", bytes(32))
