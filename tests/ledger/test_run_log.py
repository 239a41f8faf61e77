"""A log is a function of its journal, grows with it, and goes on from its last signed checkpoint or not at all."""

import itertools
import json
import os
import random
import select
import shutil
import signal
import time
from pathlib import Path

import pytest
from log_cases import DirectSigner, new_journal, write_batches
from power_cut_files import PowerCut, PowerCutFiles

from subcritical.clock import FakeClock, SystemClock
from subcritical.errors import LedgerError, SubcriticalError
from subcritical.ledger import Journal, read_batches, read_journal
from subcritical.ledger.publication import Publication
from subcritical.ledger.run_log import RunLog
from subcritical.ledger.signer import SignerProcess
from subcritical.ledger.tlog import (
    leaf_hash,
    open_note,
    parse_checkpoint,
    parse_note,
    verify_consistency,
    verify_inclusion,
)
from subcritical.schema import Finding


@pytest.fixture
def run(tmp_path):
    """A journal still open, its log, a signer, and where the log is published."""
    journal = new_journal(tmp_path / "journal")
    yield journal, RunLog(tmp_path / "journal"), DirectSigner(tmp_path / "signer"), Publication(tmp_path / "ledger")
    journal.close()


def whole(directory):
    log = RunLog(directory)
    log.follow()
    return log


def test_every_decision_has_an_entry_and_every_batch_its_digest(run, tmp_path):
    _, log, _, _ = run
    log.follow()
    entries = [json.loads(entry) for entry in log.entries]
    assert [e["type"] for e in entries] == ["event.heartbeat", "finding", "batch"] * 4
    assert [e["digest"] for e in entries[2::3]] == [batch.digest for batch in read_batches(tmp_path / "journal")]
    assert [e["number"] for e in entries[1::3]] == [1, 2, 3, 4]
    assert log.seqs[:4] == [4, 5, 5, 9]
    assert all(
        entry == json.dumps(json.loads(entry), sort_keys=True, separators=(",", ":")).encode() for entry in log.entries
    )


def test_following_gives_what_reading_at_once_gives(run, tmp_path):
    journal, log, _, _ = run
    for _ in range(5):
        log.follow()
        write_batches(journal, 3)
    assert log.follow() == 9
    assert log.follow() == 0
    assert whole(tmp_path / "journal").entries == log.entries


def test_followed_over_segments_and_half_written_batches(tmp_path):
    journal = Journal.create(tmp_path / "journal", "r", FakeClock(), segment_bytes=1500)
    log = RunLog(tmp_path / "journal")
    last = tmp_path / "journal"
    for _ in range(12):
        write_batches(journal, 1)
        segment = max(last.glob("segment-*"))
        data = segment.read_bytes()
        segment.write_bytes(data + b'{"crc":"0000')  # as a live writer is seen in the middle of a write
        log.follow()
        segment.write_bytes(data)
    journal.close()
    log.follow()
    assert whole(last).tree.root() == log.tree.root()
    assert len(list(last.glob("segment-*"))) > 3


def test_signed_checkpoints_are_consistent_and_entries_are_proven(run):
    journal, log, signer, _ = run
    notes = []
    for _ in range(4):
        log.follow()
        notes.append(parse_checkpoint(open_note(log.seal(signer), [signer.key(log.origin)]).text))
        write_batches(journal, 2)
    for old, new in itertools.pairwise(notes):
        proof = log.tree.consistency_proof(old.size, new.size)
        verify_consistency(old.size, old.root, new.size, new.root, proof)
    last = notes[-1]
    for index in range(last.size):
        path = log.tree.inclusion_proof(index, last.size)
        verify_inclusion(leaf_hash(log.entries[index]), index, last.size, path, last.root)


def rewritten(directory, drop):
    """The journal as an operator rebuilds it: the same records less those that `drop` chooses, renumbered."""
    records = [record for record in read_journal(directory) if not drop(record)]
    shutil.rmtree(directory)
    with Journal.create(directory, "run-1", FakeClock()) as journal:
        for record in records:
            journal.append(record)
            journal.commit()


def test_a_rewritten_journal_is_not_signed_again(run, tmp_path):
    journal, log, signer, _ = run
    log.follow()
    log.seal(signer)
    write_batches(journal, 1)
    journal.close()
    found = []
    rewritten(tmp_path / "journal", lambda r: isinstance(r, Finding) and not found and not found.append(r))
    changed = whole(tmp_path / "journal")
    assert changed.tree.size >= 12
    with pytest.raises(LedgerError, match="was rewritten"):
        changed.seal(signer)
    # Planted: with a signer that remembers nothing, the rewritten history is signed.
    changed.seal(DirectSigner(tmp_path / "forgetful"))


def test_a_rolled_back_run_is_not_signed_again(run, tmp_path):
    journal, log, signer, _ = run
    shutil.copytree(tmp_path / "journal", tmp_path / "backup")
    write_batches(journal, 2)
    log.follow()
    log.seal(signer)
    journal.close()
    shutil.rmtree(tmp_path / "journal")
    (tmp_path / "backup").rename(tmp_path / "journal")
    with pytest.raises(LedgerError, match="shortened or rolled back to record 20") as error:
        whole(tmp_path / "journal").seal(signer)
    assert error.value.seq == 21


def publish(run, rounds=1, batches=40):
    journal, log, signer, publication = run
    for _ in range(rounds):
        write_batches(journal, batches, each=1)
        log.follow()
        publication.publish(log.tree, log.entries, log.seal(signer))
    return log, publication


def test_what_is_published_is_the_log_and_grows(run, tmp_path):
    log, publication = publish(run, rounds=4)
    note = publication.checkpoint()
    checkpoint = parse_checkpoint(parse_note(note).text)
    assert checkpoint.size == log.tree.size == 492
    assert list(publication.entries(492)) == log.entries
    assert publication.verify(492, checkpoint.root).root() == log.tree.root()
    assert {p.relative_to(tmp_path / "ledger").as_posix() for p in (tmp_path / "ledger").rglob("*") if p.is_file()} >= {
        "checkpoint",
        "tile/entries/000",
        "tile/entries/001.p/236",
        "tile/0/000",
        "tile/0/001.p/236",
        "tile/1/000.p/1",
    }


def needed(directory, size=492):
    """The files that a reader of that size needs."""
    names = ["tile/entries/000", "tile/entries/001.p/236", "tile/0/000", "tile/0/001.p/236", "tile/1/000.p/1"]
    return [directory / name for name in names]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("spoil", ["flip", "cut", "longer", "remove"])
def test_a_spoilt_file_is_named_with_the_first_entry_it_costs(run, tmp_path, number, spoil):
    log, publication = publish(run, rounds=4)
    path = needed(tmp_path / "ledger")[number]
    data = bytearray(path.read_bytes())
    if spoil == "flip":
        data[len(data) // 2] ^= 4
    if spoil == "cut":
        del data[-1:]
    if spoil == "longer":
        data += b"x"
    path.write_bytes(data) if spoil != "remove" else path.unlink()
    with pytest.raises(LedgerError) as error:
        publication.verify(492, log.tree.root())
    named = path.relative_to(tmp_path / "ledger").as_posix()
    in_an_entry = spoil == "flip" and "entries" in named
    assert named in str(error.value) or (in_an_entry and named.replace("entries", "0") in str(error.value))
    assert error.value.seq == (256 if "001" in named else 0)


def test_a_published_file_that_differs_is_never_overwritten(run, tmp_path):
    publish(run, rounds=1)
    full = tmp_path / "ledger/tile/entries/000"
    full.write_bytes(b"another history")
    with pytest.raises(LedgerError, match="is left as it is"):
        publish(run, rounds=2)
    assert full.read_bytes() == b"another history"


def test_a_checkpoint_of_another_log_or_size_is_not_published(run, tmp_path):
    log, publication = publish(run)
    note = publication.checkpoint()
    other = RunLog(tmp_path / "journal")
    with pytest.raises(LedgerError, match="not of this log"):
        publication.publish(other.tree, other.entries, note)
    older = publication.checkpoint()
    publish(run)
    with pytest.raises(LedgerError, match="is published"):
        publication.publish(log.tree, log.entries, older)


def killed_writer(directory: Path, chance: random.Random) -> list[tuple[int, int, bytes]]:
    """A process that records, seals and publishes without pause, killed at a random moment: what it had acknowledged."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signer = DirectSigner(directory / "signer")
            place = directory / "journal"
            journal = (
                Journal.open(place, SystemClock()) if place.exists() else Journal.create(place, "run-1", SystemClock())
            )
            log, publication = RunLog(place), Publication(directory / "ledger")
            while True:
                write_batches(journal, chance.randint(1, 3))
                log.follow()
                note = log.seal(signer)
                os.write(writing, f"{journal.durable_seq} {log.tree.size} {log.tree.root().hex()}\n".encode())
                if chance.random() < 0.3:
                    publication.publish(log.tree, log.entries, note)
        finally:
            os._exit(1)
    os.close(writing)
    received = b""
    wanted, deadline = chance.choice([0, 1, 3, 8]), time.monotonic() + 20
    while received.count(b"\n") < wanted and time.monotonic() < deadline:
        if select.select([reading], [], [], 0.1)[0]:
            received += os.read(reading, 1 << 16)
    time.sleep(chance.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while part := os.read(reading, 1 << 16):
        received += part
    os.close(reading)
    lines = [line.split() for line in received.split(b"\n")[:-1]]
    return [(int(seq), int(size), bytes.fromhex(root.decode())) for seq, size, root in lines]


def kills(tmp_path, count):
    for number in range(count):
        chance = random.Random(number)
        directory = tmp_path / str(number)
        directory.mkdir()
        acknowledged = [line for _ in range(2) for line in killed_writer(directory, chance)]
        if not (directory / "journal").exists() or not acknowledged:
            continue
        log = whole(directory / "journal")
        for seq, size, root in acknowledged:
            assert log.last_seq >= seq
            log.continues(size, root)
        signer = DirectSigner(directory / "signer")
        log.continues(*signer.last(log.origin))
        publication = Publication(directory / "ledger")
        publication.publish(log.tree, log.entries, log.seal(signer))
        publication.verify(log.tree.size, log.tree.root())


def test_killed_at_random_moments_every_acknowledged_entry_is_there(tmp_path):
    kills(tmp_path, 12)


@pytest.mark.sim
def test_killed_at_a_hundred_random_moments(tmp_path):
    kills(tmp_path, 100)


def cut(seed: int, **planted) -> tuple[int, int]:
    """Record and seal until the power goes, and look what the next boot finds. Sizes acknowledged and found."""
    chance = random.Random(seed)
    files = PowerCutFiles(cut_after=chance.randint(20, 900), **planted)
    acknowledged = [(0, 0, b"")]
    try:
        signer = DirectSigner(Path("/signer"), files)
        journal = Journal.create(Path("/run/journal"), "run-1", FakeClock(), files, segment_bytes=6_000)
        log, publication = RunLog(Path("/run/journal"), files), Publication(Path("/run/ledger"), files)
        while True:
            write_batches(journal, chance.randint(1, 3))
            log.follow()
            note = log.seal(signer)
            acknowledged.append((journal.durable_seq, log.tree.size, log.tree.root()))
            if chance.random() < 0.3:
                publication.publish(log.tree, log.entries, note)
    except PowerCut:
        pass
    disk = files.power_back(chance)
    if len(acknowledged) == 1:
        return 0, 0
    log = RunLog(Path("/run/journal"), disk)
    log.follow()
    signer = DirectSigner(Path("/signer"), disk)
    for seq, size, root in acknowledged[1:]:
        assert log.last_seq >= seq
        log.continues(size, root)
    assert signer.last(log.origin)[0] >= acknowledged[-1][1]
    log.continues(*signer.last(log.origin))
    publication = Publication(Path("/run/ledger"), disk)
    publication.publish(log.tree, log.entries, log.seal(signer))
    publication.verify(log.tree.size, log.tree.root())
    return acknowledged[-1][1], log.tree.size


def test_a_hundred_power_cuts():
    sizes = [cut(seed) for seed in range(100)]
    assert sum(size > 0 for size, _ in sizes) > 80


@pytest.mark.parametrize("planted", [{"syncs": False}, {"directory_syncs": False}])
def test_planted_without_syncs_acknowledged_entries_are_lost(planted):
    lost = 0
    for seed in range(40):
        try:
            cut(seed, **planted)
        except (AssertionError, SubcriticalError, OSError):
            lost += 1
    assert lost > 5


def test_sealed_by_the_real_signer_while_the_journal_grows(tmp_path):
    with new_journal(tmp_path / "journal") as journal, SignerProcess(tmp_path / "home") as signer:
        log = RunLog(tmp_path / "journal")
        for _ in range(3):
            write_batches(journal, 2)
            log.follow()
            assert parse_checkpoint(open_note(log.seal(signer), [signer.key(log.origin)]).text).size == log.tree.size
