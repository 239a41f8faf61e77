"""Notes, keys and checkpoints: the published vectors, and everything the format forbids."""

import base64

import pytest
from tlog_world import ED, LOG, ORIGIN, OTHER_LOG, PQ, TIME, body, signed

from subcritical.errors import InputError
from subcritical.ledger.tlog import (
    EMPTY_ROOT,
    Checkpoint,
    FormatError,
    KeyType,
    LogSigner,
    Note,
    Signature,
    SignatureError,
    VerifierKey,
    format_checkpoint,
    format_note,
    format_verifier_key,
    open_note,
    parse_checkpoint,
    parse_note,
    parse_signatures,
    parse_verifier_key,
)

VECTOR_KEY = b"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
VECTOR = (
    "This is an example message.\n"
    "\n"
    "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
TEXT = body()
DASH = "\u2014 ".encode()


def test_the_published_note_opens():
    key = parse_verifier_key(VECTOR_KEY)
    assert (key.name, key.kind, key.key_id.hex()) == ("example.com/foo", KeyType.LOG_ED25519, "530d903a")
    opened = open_note(VECTOR, [key])
    assert opened.text == b"This is an example message.\n"
    assert [verified.key for verified in opened.verified] == [key]
    assert opened.verified[0].time is None
    assert format_note(parse_note(VECTOR)) == VECTOR
    assert format_verifier_key(key) == VECTOR_KEY


def test_the_note_of_the_go_package_is_signed_byte_for_byte():
    signer = LogSigner("PeterNeumann", GO_SEED)
    assert (
        format_verifier_key(signer.verifier_key)
        == b"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    )
    assert signer.sign(GO_TEXT).line == (
        DASH
        + b"PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )


def test_the_key_of_the_go_checksum_database():
    key = parse_verifier_key(b"sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    assert key.key_id.hex() == "033de0ae"


def test_text_and_signatures_divide_at_the_last_blank_line():
    text = b"one\n\n\n\xe2\x80\x94 not a signature\n\ntwo\n"
    note = parse_note(signed(text, LOG))
    assert note.text == text
    assert open_note(format_note(note), [LOG.verifier_key]).text == text
    assert parse_note(signed(b"\n", LOG)).text == b"\n"


def test_lines_of_unknown_keys_are_ignored_even_with_a_known_name_or_id():
    note = parse_note(signed(TEXT, LOG, ED))
    known = LOG.verifier_key
    same_name = Signature(known.name, b"\x00\x00\x00\x00", b"?")
    same_id = Signature("another", known.key_id, b"?")
    data = format_note(Note(TEXT, (same_name, same_id, *note.signatures)))
    assert [verified.key for verified in open_note(data, [known]).verified] == [known]
    with pytest.raises(SignatureError, match="none of 1 trusted keys"):
        open_note(format_note(Note(TEXT, (same_name, same_id))), [known])
    with pytest.raises(SignatureError, match="none of 0"):
        open_note(data, [])


def test_one_false_line_of_a_known_key_rejects_the_note_wherever_it_stands():
    good = parse_note(signed(TEXT, LOG, ED)).signatures
    false = Signature(ED.verifier_key.name, ED.verifier_key.key_id, good[1].payload[:-1] + b"\x00")
    keys = [LOG.verifier_key, ED.verifier_key]
    for lines in ((false, *good), (*good, false), (good[0], false)):
        with pytest.raises(SignatureError, match=r"witness\.example/ed"):
            open_note(format_note(Note(TEXT, lines)), keys)
    assert open_note(format_note(Note(TEXT, (*good, false))), keys[:1]).text == TEXT


def test_a_key_counts_once():
    line = LOG.sign(TEXT)
    early, late = ED.sign(TEXT, TIME), ED.sign(TEXT, TIME + 9)
    opened = open_note(format_note(Note(TEXT, (line, line, early, late))), [LOG.verifier_key, ED.verifier_key])
    assert [(v.key.name, v.time) for v in opened.verified] == [(ORIGIN, None), ("witness.example/ed", TIME)]


def test_a_hundred_lines_are_read_and_no_more():
    line = LOG.sign(TEXT)
    strangers = tuple(OTHER_LOG.sign(b"%d\n" % number) for number in range(99))
    assert open_note(format_note(Note(TEXT, (*strangers, line))), [LOG.verifier_key]).text == TEXT
    with pytest.raises(FormatError, match="101 signatures"):
        Note(TEXT, (*strangers, line, line))
    with pytest.raises(FormatError, match="more than 100"):
        parse_note(TEXT + b"\n" + line.line * 101)


def test_sixteen_of_the_largest_signatures_fit():
    lines = tuple(Signature(f"witness.example/{'x' * 200}/{at}", b"abcd", bytes(8 + 5000)) for at in range(16))
    assert len(parse_note(format_note(Note(TEXT, lines))).signatures) == 16
    with pytest.raises(FormatError, match="at most"):
        parse_note(TEXT + b"\n" + b"x" * (256 << 10))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        b"text\n" + LOG.sign(TEXT).line,
        b"text\n\n" + LOG.sign(TEXT).line[:-1],
        b"text\n\n" + LOG.sign(TEXT).line + b"\n",
        b"text\n\n" + LOG.sign(TEXT).line + b"junk\n",
        b"te\txt\n\n" + LOG.sign(TEXT).line,
        b"text\r\n\n" + LOG.sign(TEXT).line,
        b"te\x00xt\n\n" + LOG.sign(TEXT).line,
        b"te\xffxt\n\n" + LOG.sign(TEXT).line,
        b"te\xed\xa0\x80xt\n\n" + LOG.sign(TEXT).line,
        b"text\n\n" + DASH + b"name\n",
        b"text\n\n" + DASH + b"name \n",
        b"text\n\n" + DASH + b" AAAAAAA=\n",
        b"text\n\n" + DASH + b"name AAAA\n",
        b"text\n\n" + DASH + b"name AAAAAA==\n",
        b"text\n\n" + DASH + b"name AAAAAAA\n",
        b"text\n\n" + DASH + b"name AAAAAAB=\n",
        b"text\n\n" + DASH + b"name AAAAAAA= \n",
        b"text\n\n" + DASH + b"name  AAAAAAA=\n",
        b"text\n\n" + DASH + b"na+me AAAAAAA=\n",
        b"text\n\n" + DASH + "na\u00a0me AAAAAAA=\n".encode(),
        b"text\n\n" + DASH + "na\u2028me AAAAAAA=\n".encode(),
        b"text\n\n" + DASH + b"name AAA_AAA=\n",
        b"text\n\n- name AAAAAAA=\n",
        b"text\n\n" + DASH[:3] + b"name AAAAAAA=\n",
    ],
)
def test_notes_that_are_none(data):
    with pytest.raises(FormatError):
        parse_note(data)


def test_signature_lines_alone():
    lines = LOG.sign(TEXT).line + ED.sign(TEXT, TIME).line
    assert b"".join(signature.line for signature in parse_signatures(lines)) == lines
    with pytest.raises(FormatError):
        parse_signatures(b"")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u3000b", "a\nb", "a\tb", "a\x00b", "\ud800", "a\x1fb"])
def test_key_names_that_are_none(name):
    with pytest.raises(FormatError, match="key name"):
        VerifierKey(name, KeyType.LOG_ED25519, bytes(32))
    with pytest.raises(FormatError, match="key name"):
        Signature(name, b"abcd", b"x")


@pytest.mark.parametrize("signer", [LOG, ED, PQ], ids=repr)
def test_keys_round_trip(signer):
    text = format_verifier_key(signer.verifier_key)
    assert parse_verifier_key(text) == signer.verifier_key
    assert b"\n" not in text


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace(b"530d903a", b"530d903b"),
        lambda t: t.replace(b"530d903a", b"530D903A"),
        lambda t: t.replace(b"530d903a", b"30d903a"),
        lambda t: t.replace(b"example", b"exemple"),
        lambda t: t.replace(b"foo", b"f o"),
        lambda t: t.replace(b"foo", b"f\xffo"),
        lambda t: t[:-4],
        lambda t: t + b"AAAA",
        lambda t: t + b"\n",
        lambda t: b"+" + t,
        lambda t: t[: t.rindex(b"+") + 1] + b"=",
        lambda t: t[: t.rindex(b"+") + 1] + b"AQ==",
        lambda t: t[: t.rindex(b"+") + 1],
        lambda t: t.replace(b"Aeky", b"Beky"),
        lambda t: t.replace(b"Aeky", b"Auky"),
        lambda t: b"a" * 4096 + t,
        lambda t: b"",
    ],
)
def test_keys_that_are_none(change):
    with pytest.raises(FormatError):
        parse_verifier_key(change(VECTOR_KEY))


@pytest.mark.parametrize(
    "values", [("a", 1, bytes(32)), ("a", KeyType.LOG_ED25519, bytes(31)), ("a", KeyType(6), bytes(32))]
)
def test_key_objects_that_are_none(values):
    with pytest.raises(FormatError):
        VerifierKey(*values)


def test_two_trusted_keys_with_one_name_and_id_are_our_mistake(monkeypatch):
    monkeypatch.setattr(VerifierKey, "key_id", property(lambda self: b"same"))
    two = [VerifierKey("a", KeyType.LOG_ED25519, bytes([at]) * 32) for at in (1, 2)]
    with pytest.raises(InputError, match="share the id"):
        open_note(signed(TEXT, LOG), two)


def test_a_checkpoint_round_trips_to_the_byte():
    checkpoint = Checkpoint("go.sum database tree", 2**63 - 1, bytes(range(32)), ("extra", "line \u00e9"))
    text = format_checkpoint(checkpoint)
    assert text == (
        "go.sum database tree\n9223372036854775807\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nextra\nline \u00e9\n".encode()
    )
    assert parse_checkpoint(text) == checkpoint


ROOT = base64.b64encode(EMPTY_ROOT)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"\n\n\n",
        b"o\n1\n" + ROOT,
        b"o\n1\n",
        b"\n1\n" + ROOT + b"\n",
        b"o\n\n" + ROOT + b"\n",
        b"o\n01\n" + ROOT + b"\n",
        b"o\n+1\n" + ROOT + b"\n",
        b"o\n-1\n" + ROOT + b"\n",
        b"o\n 1\n" + ROOT + b"\n",
        b"o\n1_0\n" + ROOT + b"\n",
        b"o\n1.0\n" + ROOT + b"\n",
        b"o\n0x1\n" + ROOT + b"\n",
        "o\n\u0661\n".encode() + ROOT + b"\n",
        b"o\n9223372036854775808\n" + ROOT + b"\n",
        b"o\n99999999999999999999999\n" + ROOT + b"\n",
        b"o\n1\n" + ROOT[:-1] + b"\n",
        b"o\n1\n" + ROOT[:-2] + b"==\n",
        b"o\n1\n" + ROOT[:-2] + b"V=\n",
        b"o\n1\n" + ROOT.replace(b"+", b"-").replace(b"/", b"_") + b"\n",
        b"o\n1\n" + ROOT[:8] + b"\n" + ROOT[8:] + b"\n",
        b"o\n1\n" + base64.b64encode(bytes(31)) + b"\n",
        b"o\n1\n" + base64.b64encode(bytes(33)) + b"\n",
        b"o\n1\n" + ROOT + b"\n\n",
        b"o\n1\n" + ROOT + b"\n\nx\n",
        b"o\r\n1\n" + ROOT + b"\n",
        b"o\xff\n1\n" + ROOT + b"\n",
        b"o\n1\n" + ROOT + b"\n" + b"x" * (17 << 10) + b"\n",
    ],
)
def test_checkpoints_that_are_none(text):
    with pytest.raises(FormatError):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "values",
    [
        ("", 1, EMPTY_ROOT),
        ("a\nb", 1, EMPTY_ROOT),
        ("a\tb", 1, EMPTY_ROOT),
        ("o", -1, EMPTY_ROOT),
        ("o", 2**63, EMPTY_ROOT),
        ("o", True, EMPTY_ROOT),
        ("o", 1, EMPTY_ROOT[:-1]),
        ("o", 1, EMPTY_ROOT, ("",)),
        ("o", 1, EMPTY_ROOT, ("a\n",)),
        ("o", 1, EMPTY_ROOT, ("\ud800",)),
    ],
)
def test_checkpoint_objects_that_are_none(values):
    with pytest.raises(FormatError):
        Checkpoint(*values)
