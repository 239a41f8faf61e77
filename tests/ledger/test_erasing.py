"""What a record said goes; that it was there, and every digest over it, stays."""

import hashlib
import json

import pytest

from subcritical.clock import FakeClock
from subcritical.errors import InputError, LedgerError
from subcritical.ledger import Journal, Numbering, erase, read_batches, read_journal, verify_journal
from subcritical.ledger._scan import Scan
from subcritical.ledger.files import OsFiles
from subcritical.schema import Control, Erased, Finding, Message, Proposal, Severity

SECRET = "the patient is called Ada"


@pytest.fixture
def directory(tmp_path):
    with Journal.create(tmp_path / "journal", "r", FakeClock(), segment_bytes=900) as journal:
        for turn in range(4):
            journal.event(
                Message(source="guest", text=SECRET if turn == 2 else f"turn {turn}"), producer="guest", generation=0
            )
            journal.event(
                Proposal(proposal=f"p{turn}", base="b", tree="t", requester="guest"), producer="gateway", generation=0
            )
            journal.append(
                Finding(detector="d", version=1, severity=Severity.LOW, confidence=0.5, title="t", why="w", evidence=())
            )
            journal.commit()
    return tmp_path / "journal"


def log_of(directory):
    numbering = Numbering()
    return [
        entry
        for committed in Scan(directory, OsFiles())
        for _, _, entry in numbering.entries("r", committed.batch, committed.records, committed.commitments)
    ]


def everything(directory):
    return b"".join(path.read_bytes() for path in directory.iterdir())


def test_the_content_is_gone_and_the_chain_and_the_log_are_the_same(directory):
    before, batches, entries = list(read_journal(directory)), list(read_batches(directory)), log_of(directory)
    assert SECRET.encode() in everything(directory)
    assert erase(directory, [7], by="ann", reason="asked by the person", clock=FakeClock()) == 1
    assert SECRET.encode() not in everything(directory)
    assert verify_journal(directory).ok
    after = list(read_journal(directory))
    assert [r for r in after[: len(before)] if r.seq != 7] == [r for r in before if r.seq != 7]
    kept = after[6]
    assert isinstance(kept, Erased)
    assert (kept.kind, kept.actor, kept.by, kept.time_ns) == ("event.message", "guest", "ann", before[6].time_ns)
    assert list(read_batches(directory))[: len(batches)] == batches
    assert log_of(directory)[: len(entries)] == entries
    assert isinstance(after[-1].data, Control)
    assert (after[-1].data.order, after[-1].data.by) == ("erase", "ann")


def test_an_erased_proposal_keeps_its_entry(directory):
    entries = log_of(directory)
    assert erase(directory, [2, 5], by="ann", reason="why", clock=FakeClock()) == 2
    assert log_of(directory)[: len(entries)] == entries
    assert json.loads(entries[0])["type"] == "event.proposal"


def test_erasing_twice_changes_nothing(directory):
    erase(directory, [7], by="ann", reason="why", clock=FakeClock())
    before = everything(directory)
    assert erase(directory, [7], by="bob", reason="again", clock=FakeClock()) == 0
    assert everything(directory) == before


@pytest.mark.parametrize(("seq", "match"), [(3, "of type finding"), (99, "no record 99"), (0, "no record 0")])
def test_what_is_never_erased(directory, seq, match):
    before = everything(directory)
    with pytest.raises(InputError, match=match):
        erase(directory, [seq], by="ann", reason="why", clock=FakeClock())
    assert everything(directory) == before


def test_a_finding_erased_by_other_hands_is_damage(directory, monkeypatch):
    monkeypatch.setattr("subcritical.ledger.erasing.ERASABLE", {"finding"})
    erase(directory, [3], by="operator", reason="looks bad", clock=FakeClock())
    with pytest.raises(LedgerError, match="never allowed"):
        list(read_journal(directory))
    # Calling it something erasable keeps the chain, and changes the entry that was signed.
    monkeypatch.undo()
    path = directory / "segment-000001.jsonl"
    assert b'"kind":"finding"' in path.read_bytes()


def test_a_journal_in_use_is_left_alone(directory):
    with Journal.open(directory, FakeClock()), pytest.raises(LedgerError, match="another process"):
        erase(directory, [7], by="ann", reason="why", clock=FakeClock())


def test_cut_off_between_order_and_deed_it_is_done_by_calling_again(directory, monkeypatch):
    def dies(*_arguments):
        raise OSError("power gone")

    with monkeypatch.context() as patch:
        patch.setattr(OsFiles, "replace", dies)
        with pytest.raises(LedgerError, match="call it again"):
            erase(directory, [7], by="ann", reason="why", clock=FakeClock())
    assert verify_journal(directory).ok
    assert SECRET.encode() in everything(directory)
    assert erase(directory, [7], by="ann", reason="why", clock=FakeClock()) == 1
    assert SECRET.encode() not in everything(directory)


def content_of(line):
    return line[18 + 42 + len(b'"record":') : -1]


@pytest.mark.parametrize("random_salt", [True, False], ids=["salted", "planted: salt known"])
def test_a_guess_at_what_was_erased_cannot_be_confirmed(tmp_path, monkeypatch, random_salt):
    if not random_salt:
        monkeypatch.setattr("subcritical.ledger.journal.secrets.token_bytes", bytes)
    with Journal.create(tmp_path / "journal", "r", FakeClock()) as journal:
        journal.event(Message(source="guest", text=SECRET), producer="guest", generation=0)
    line = next(li for li in everything(tmp_path / "journal").splitlines() if SECRET.encode() in li)
    erase(tmp_path / "journal", [1], by="ann", reason="why", clock=FakeClock())
    guess = hashlib.sha256(bytes(16) + content_of(line)).hexdigest()
    assert (guess.encode() in everything(tmp_path / "journal")) != random_salt
