"""Bytes found in a journal are hostile: damage is named with its place, and nothing acknowledged is dropped in silence."""

from __future__ import annotations

import hashlib
import json
import os
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subcritical.clock import FakeClock
from subcritical.errors import InputError, LedgerError
from subcritical.ledger import Journal, JournalDamageError, read_journal, verify_journal
from subcritical.schema import Message

BATCHES = 6


@pytest.fixture
def directory(tmp_path):
    return write(tmp_path / "j")


def write(directory, *, segment_bytes=1 << 20):
    with Journal.create(directory, "r", FakeClock(), segment_bytes=segment_bytes) as journal:
        for turn in range(BATCHES):
            for _ in range(3):
                journal.event(Message(source="guest", text=f"turn {turn}"), producer="p", generation=turn)
            journal.commit()
    return directory


def segment(directory, index=1):
    return directory / f"segment-{index:06d}.jsonl"


def refused(directory, match):
    check = verify_journal(directory)
    assert not check.ok
    with pytest.raises(LedgerError, match=match):
        list(read_journal(directory))
    with pytest.raises(LedgerError, match=match):
        Journal.open(directory, FakeClock())
    return check.problems[0]


SALT = b'"salt":"' + 32 * b"7" + b'",'
RECORD = slice(18 + len(SALT) + len(b'"record":'), -2)
"""Where the JSON of a record lies in its line."""


def reframed(payload: bytes, kind: bytes = b"record") -> bytes:
    body = (SALT if kind == b"record" else b"") + b'"' + kind + b'":' + payload
    return b'{"crc":"%08x",%b}\n' % (zlib.crc32(body), body)


def test_a_flipped_bit_in_the_middle_is_named_with_its_place(directory):
    data = bytearray(segment(directory).read_bytes())
    at = data.index(b"turn 3")
    data[at] ^= 1
    segment(directory).write_bytes(data)
    problem = refused(directory, "checksum")
    line = bytes(data).rindex(b"\n", 0, at) + 1
    assert problem.place == f"segment-000001.jsonl, byte {line}"
    assert problem.seq == 10


def test_records_before_the_damage_can_still_be_read(directory):
    data = segment(directory).read_bytes()
    segment(directory).write_bytes(data.replace(b"turn 3", b"turn 9"))
    records = read_journal(directory)
    assert [next(records).seq for _ in range(9)] == list(range(1, 10))
    with pytest.raises(JournalDamageError):
        next(records)


def test_rot_in_the_last_acknowledged_batch_is_damage_not_a_torn_end(directory):
    data = segment(directory).read_bytes()
    segment(directory).write_bytes(data.replace(b"turn 5", b"turn 9"))
    refused(directory, "acknowledged")
    # Planted failure: without the mark nothing tells it from a power cut, and the batch is dropped.
    (directory / "acknowledged").unlink()
    with Journal.open(directory, FakeClock()) as journal:
        assert journal.last_seq == 15
        assert journal.dropped.records == 0


def test_a_removed_end_is_damage(directory):
    lines = segment(directory).read_bytes().splitlines(keepends=True)
    segment(directory).write_bytes(b"".join(lines[:-4]))
    assert refused(directory, "up to 18 were acknowledged").seq == 16


def test_a_record_changed_with_its_checksum_breaks_the_batch(directory):
    lines = segment(directory).read_bytes().splitlines(keepends=True)
    lines[1] = reframed(lines[1][RECORD].replace(b"turn 0", b"turn 7"))
    segment(directory).write_bytes(b"".join(lines))
    refused(directory, "digest")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda lines: [*lines[:2], *lines[3:]], "calls itself"),
        (lambda lines: [*lines[:5], *lines[1:5], *lines[5:]], "calls itself"),
        (lambda lines: [lines[0], *lines[5:]], "calls itself"),
        (lambda lines: lines[1:], "no valid first line"),
        (lambda lines: [lines[0], lines[4], *lines[1:]], "without records"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], "unexpected kind"),
        (lambda lines: [lines[0], reframed(b"[]"), *lines[1:]], "cannot be read"),
        (lambda lines: [lines[0], reframed(b'{"record":"event"}'), *lines[1:]], "cannot be read"),
        (lambda lines: [lines[0], reframed(b'{"x":' + b"[" * 100_000), *lines[1:]], "cannot be read"),
        (lambda lines: [lines[0], reframed(b"\xff\xfe"), *lines[1:]], "cannot be read"),
        (lambda lines: [lines[0], lines[1], lines[2], lines[3], reframed(b'{"first":1e999}', b"batch")], "cannot be"),
        (lambda lines: [lines[0], lines[1].replace(b'"run":"r"', b'"run":"q"'), *lines[2:]], "checksum"),
        (
            lambda lines: [lines[0], reframed(lines[1][RECORD].replace(b'"run":"r"', b'"run":"q"')), *lines[2:]],
            "another",
        ),
        (lambda lines: [lines[0].replace(b"{", b'{"a":1,', 1), *lines[1:]], "no valid first line"),
        (lambda lines: [lines[0], b"\x00" * 100_000, *lines[1:]], "checksum"),
        (lambda lines: [lines[0], b"x" * 9_000_000, *lines[1:]], "checksum"),
        (lambda lines: [*lines, *lines[1:5]], "calls itself"),
    ],
)
def test_lines_that_do_not_belong_are_damage(directory, change, match):
    lines = segment(directory).read_bytes().splitlines(keepends=True)
    segment(directory).write_bytes(b"".join(change(lines)))
    refused(directory, match)


def test_a_missing_segment_is_named(tmp_path):
    directory = write(tmp_path / "j", segment_bytes=600)
    assert len(list(directory.glob("segment-*"))) > 3
    segment(directory, 2).unlink()
    with pytest.raises(LedgerError, match=r"segment-000002\.jsonl: the segment is missing"):
        list(read_journal(directory))
    assert verify_journal(directory).problems[0].place == "segment-000002.jsonl"


def test_a_torn_end_of_an_earlier_segment_is_damage(tmp_path):
    directory = write(tmp_path / "j", segment_bytes=600)
    data = segment(directory, 2).read_bytes()
    segment(directory, 2).write_bytes(data[:-10])
    refused(directory, "checksum")


def test_segments_of_two_journals_do_not_mix(tmp_path):
    one = write(tmp_path / "one", segment_bytes=600)
    two = tmp_path / "two"
    with Journal.create(two, "r", FakeClock(9), segment_bytes=600) as journal:
        for turn in range(BATCHES):
            for _ in range(3):
                journal.event(Message(source="guest", text=f"turn {turn}"), producer="p", generation=turn)
            journal.commit()
    segment(one, 2).write_bytes(segment(two, 2).read_bytes())
    refused(one, "does not continue")


def test_things_that_are_no_files_do_not_hang_or_lead_away(directory, tmp_path):
    real = tmp_path / "real.jsonl"
    segment(directory).rename(real)
    segment(directory).symlink_to(real)
    refused(directory, "cannot read|cannot open")
    segment(directory).unlink()
    os.mkfifo(segment(directory))
    refused(directory, "not a regular file")
    segment(directory).unlink()
    segment(directory).mkdir()
    refused(directory, "not a regular file|directory")


def test_nothing_there(tmp_path):
    for use in (lambda: list(read_journal(tmp_path / "x")), lambda: verify_journal(tmp_path)):
        with pytest.raises(InputError, match="no journal"):
            use()


@pytest.mark.parametrize("number", [1, 3])
def test_a_journal_of_another_version_is_named_as_that_and_not_as_damage(directory, number):
    lines = segment(directory).read_bytes().splitlines(keepends=True)
    head = json.loads(lines[0])["segment"] | {"format": number}
    lines[0] = reframed(json.dumps(head).encode(), b"segment")
    segment(directory).write_bytes(b"".join(lines))
    problem = refused(directory, f"of format {number}, this program reads 2: read it with the version that wrote it")
    assert (problem.seq, "damaged" in problem.what) == (1, False)


def test_creation_cut_off_says_what_to_do(tmp_path):
    (tmp_path / "segment-000001.jsonl").write_bytes(b'{"crc":"')
    refused(tmp_path, "remove the directory and start again")


def test_an_auditor_can_check_the_chain_with_the_standard_library_alone(directory):
    """The recipe of docs/design/0002-journal.md, without a line of ours."""
    run, previous, payloads, batches = "", "", [], 0
    for line in segment(directory).read_bytes().splitlines():
        body = line[18:-1]
        assert int(line[8:16], 16) == zlib.crc32(body)
        salt, body = (bytes.fromhex(body[8:40].decode()), body[42:]) if body.startswith(b'"salt"') else (b"", body)
        kind, payload = body.split(b":", 1)
        if kind == b'"segment"':
            run = json.loads(payload)["run"]
            start = json.dumps({"format": 2, "run": run}, sort_keys=True, separators=(",", ":"))
            previous = "sha256:" + hashlib.sha256(start.encode()).hexdigest()
            assert json.loads(payload)["previous"] == previous
        elif kind == b'"record"':
            payloads.append(hashlib.sha256(salt + payload).digest())
        else:
            batch = json.loads(payload)
            found = batch.pop("digest")
            records = "sha256:" + hashlib.sha256(b"".join(payloads)).hexdigest()
            assert (batch["previous"], batch["records"]) == (previous, records)
            link = json.dumps({**batch, "run": run}, sort_keys=True, separators=(",", ":"))
            previous = "sha256:" + hashlib.sha256(link.encode()).hexdigest()
            assert found == previous
            payloads, batches = [], batches + 1
    assert batches == BATCHES
    assert verify_journal(directory).digest == previous


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 6_000), st.integers(0, 40), st.binary(max_size=30)),
        min_size=1,
        max_size=4,
    )
)
def test_no_edit_ends_in_a_traceback_or_in_silent_loss(tmp_path_factory, edits):
    directory = write(tmp_path_factory.mktemp("fuzz") / "j")
    original = segment(directory).read_bytes()
    data = bytearray(original)
    for offset, length, new in edits:
        data[offset : offset + length] = new
    segment(directory).write_bytes(data)
    check = verify_journal(directory)
    assert check.ok == (bytes(data[: len(original)]) == original and check.last_seq == 3 * BATCHES)
    try:
        Journal.open(directory, FakeClock()).close()
    except (LedgerError, InputError):
        assert not check.ok
    else:
        assert check.ok
        assert segment(directory).read_bytes() == original


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=3_000))
def test_garbage_is_refused_or_reported(tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("garbage")
    segment(directory).write_bytes(data)
    (directory / "acknowledged").write_bytes(data)
    assert not verify_journal(directory).ok
