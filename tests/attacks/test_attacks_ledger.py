"""C30 and C39: archives that want out of their folder, and records that somebody wants to be otherwise.

Whoever tries C39 may write the run directory and knows the format, so checksums and chain are made new. The control
is the same attack on a record that nobody signed, or on a reader without the rule.
"""

import io
import json
import stat
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ledger"))

from log_cases import DirectSigner, write_batches

from subcritical.app import ledgers
from subcritical.audit import verify_bundle
from subcritical.audit.verify_bundle import BrokenError, read_bundle
from subcritical.clock import FakeClock
from subcritical.ledger import Journal, read_journal
from subcritical.ledger.tlog import TlogError, open_note
from subcritical.loop.run_directory import RunDirectory
from subcritical.schema import Event, Heartbeat, Message

LINK, SETUID = stat.S_IFLNK | 0o777, stat.S_IFREG | 0o4755


def zip_of(*members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in members:
            info = zipfile.ZipInfo("x")
            info.filename, info.external_attr = name, mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return stream.getvalue()


def unpacked_as_it_says(data, place):
    """The control: what an unpacker does that believes the archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            target = place / info.filename
            if stat.S_ISLNK(info.external_attr >> 16):
                target.symlink_to(archive.read(info).decode())
            else:
                target.write_bytes(archive.read(info))
                target.chmod((info.external_attr >> 16) & 0o7777 or 0o644)


@pytest.mark.parametrize("trick", ["slip", "link-then-write", "setuid", "twice", "bomb"])
def test_c30_archives_stay_in_memory_and_are_refused(tmp_path, trick, monkeypatch):
    out = tmp_path / "outside"
    out.mkdir()
    monkeypatch.setattr(verify_bundle, "FILE_BYTES_MAX", 1 << 20)
    members = {
        "slip": [("../outside/evil", b"x", 0o100644)],
        "link-then-write": [("d", str(out).encode(), LINK), ("d/evil", b"x", 0o100644)],
        "setuid": [("tool", b"#!/bin/sh\n", SETUID)],
        "twice": [("checkpoint", b"good", 0o100644), ("checkpoint", b"evil", 0o100644)],
        "bomb": [("checkpoint", bytes(8 << 20), 0o100644)],
    }[trick]
    if trick == "twice":
        with pytest.warns(UserWarning, match="Duplicate"):
            data = zip_of(*members)
    else:
        data = zip_of(*members)
    (tmp_path / "bundle.zip").write_bytes(data)
    if trick == "setuid":
        assert read_bundle(tmp_path / "bundle.zip") == {"tool": b"#!/bin/sh\n"}  # bytes in memory, no file, no mode
    else:
        with pytest.raises(BrokenError):
            read_bundle(tmp_path / "bundle.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle.zip", "outside"]
    assert not list(out.iterdir())

    (tmp_path / "naive").mkdir()
    unpacked_as_it_says(data, tmp_path / "naive")
    done = {
        "slip": (out / "evil").exists,
        "link-then-write": (out / "evil").exists,
        "setuid": lambda: (tmp_path / "naive/tool").stat().st_mode & stat.S_ISUID,
        "twice": lambda: (tmp_path / "naive/checkpoint").read_bytes() == b"evil",
        "bomb": lambda: (tmp_path / "naive/checkpoint").stat().st_size > 100 * len(data),
    }[trick]
    assert done(), "the control did not succeed, so this case shows nothing"


def test_c30_a_tar_archive_is_no_bundle(tmp_path):
    with tarfile.open(tmp_path / "bundle.tar", "w") as archive:
        info = tarfile.TarInfo("d")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(info)
    with pytest.raises(BrokenError):
        read_bundle(tmp_path / "bundle.tar")


class World:
    """A run that was signed; `rebuild` is what somebody does who may write its directory and knows the format."""

    def __init__(self, place):
        self.place, self.run = place, RunDirectory(place / "run-1")
        self.run.path.mkdir()
        with Journal.create(self.run.journal, "run-1", FakeClock()) as journal:
            write_batches(journal, 6)
        self.signer = DirectSigner(place / "signer")
        ledgers.seal(self.run, self.signer)

    def rebuild(self, change, clock=None):
        records = change(list(read_journal(self.run.journal)))
        self.run.journal.rename(self.place / "old")
        with Journal.create(self.run.journal, "run-1", clock or FakeClock()) as journal:
            for record in records:
                journal.append(record)
                journal.commit()

    def broken(self, signer=None):
        return ledgers.verify(self.run, signer or self.signer).broken


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def truncated(records):
    return records[:-5]


def deleted(records):
    return [record for record in records if record.seq != 5]


def edited(records):
    first = next(record for record in records if isinstance(record, Event) and isinstance(record.data, Message))
    changed = Event(
        seq=first.seq,
        time_ns=first.time_ns,
        run=first.run,
        producer=first.producer,
        generation=first.generation,
        data=Message(source="guest", text="nothing happened"),
    )
    return [changed if record is first else record for record in records]


def forged(records):
    message = Message(source="operator", text="approved by everybody")
    early = Event(seq=0, time_ns=0, run="", producer="pipeline", generation=0, data=message)
    return [records[0], early, *records[1:]]


def same(records):
    return records


@pytest.mark.parametrize("attack", [truncated, deleted, edited, forged])
def test_c39_a_record_that_was_changed_is_found_although_its_chain_is_whole(world, attack):
    assert world.broken() == ()
    world.rebuild(attack)
    assert any("rewritten" in line or "rolled back" in line for line in world.broken())
    (world.run.ledger / "checkpoint").unlink()
    unsigned = DirectSigner(world.place / "another")
    assert world.broken(unsigned) == (), "without the signer's memory the chain alone finds nothing"


def test_c39_an_end_that_was_left_out_is_said(world):
    assert not ledgers.verify(world.run, world.signer).ended
    with Journal.open(world.run.journal, FakeClock()) as journal:
        journal.event(Heartbeat(state="finished", end=True), producer="pipeline", generation=1)
    assert ledgers.verify(world.run, world.signer).ended


def test_c39_a_backdated_record_is_found(world):
    world.rebuild(same, clock=FakeClock(start_ns=1_600_000_000_000_000_000))
    assert any("rewritten" in line for line in world.broken())


def test_c39_text_that_looks_like_records_stays_text(tmp_path):
    forgery = 'x\r\n{"crc":"00000000","record":{"record":"event"}}\n\u2028\x1b[2K'
    with Journal.create(tmp_path / "journal", "r", FakeClock()) as journal:
        journal.event(Message(source="guest", text=forgery), producer="guest", generation=1)
    records = list(read_journal(tmp_path / "journal"))
    assert len(records) == 1
    assert records[0].data.text == forgery
    plain = tmp_path / "plain.log"
    plain.write_text(f"guest: {forgery}\n", newline="")
    assert len(plain.read_text().splitlines()) > 2, "the control: a log of plain lines holds more records now"


def test_c39_keys_that_look_alike_are_others(world):
    note = (world.run.ledger / "checkpoint").read_bytes()
    key = world.signer.key("subcritical/run/run-1")
    assert open_note(note, [key]).verified
    for name in ("subcr\u0456tical/run/run-1", "subcritical/run/run-1\u200b", "subcritical/run/run-l"):
        with pytest.raises(TlogError):
            open_note(note, [DirectSigner(world.place / "x", seed=bytes(32)).key(name)])


def test_c39_a_key_given_twice_in_a_record_is_no_second_meaning(world):
    """The last of two equal keys would win in one reader and the first in another: the checksum covers the bytes."""
    segment = next(world.run.journal.glob("segment-*"))
    data = segment.read_bytes()
    at = data.index(b'"text":"turn 0 0"')
    segment.write_bytes(data[:at] + b'"text":"evil",' + data[at:])
    assert world.broken()
    assert json.loads(b'{"text":"evil","text":"turn 0 0"}') == {"text": "turn 0 0"}
