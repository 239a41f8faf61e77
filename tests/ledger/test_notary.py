"""The log is kept while the journal is written: what people act on at once, and never beyond what is on disk."""

import os
import signal
import subprocess
import sys
import time

import pytest
from log_cases import DirectSigner, new_journal, write_batches

from subcritical.clock import FakeClock
from subcritical.errors import LedgerError
from subcritical.ledger import _frame
from subcritical.ledger.notary import Notary
from subcritical.ledger.notary.keeping import Keeper
from subcritical.ledger.publication import Publication
from subcritical.ledger.run_log import RunLog
from subcritical.ledger.signer import SignerProcess
from subcritical.ledger.tlog import open_note, parse_checkpoint, parse_tlog_proof, verify_inclusion
from subcritical.ledger.tlog.hashing import leaf_hash
from subcritical.schema import Heartbeat, Message


class Kept:
    """A journal, its keeper, and what the keeper said."""

    def __init__(self, place):
        self.place, self.clock, self.said = place, FakeClock(), []
        self.journal = new_journal(place / "journal", 2)
        self.signer = DirectSigner(place / "signer")
        self.keeper = Keeper(place / "journal", place / "ledger", self.signer, self.clock, self.said.append)
        self.keeper.look()

    def note(self, text):
        self.journal.event(Message(source="guest", text=text), producer="guest", generation=1)
        self.journal.commit()
        self.keeper.look()


@pytest.fixture
def kept(tmp_path):
    made = Kept(tmp_path)
    yield made
    made.journal.close()


def test_a_finding_is_signed_at_once_and_talk_within_the_interval(kept):
    assert kept.said[-1].size == 6  # two batches with a finding each
    kept.note("talk")
    assert kept.said[-1].size == 6
    kept.clock.advance(250_000_000)
    kept.keeper.look()
    assert kept.said[-1].size == 7
    write_batches(kept.journal, 1)
    kept.keeper.look()
    assert kept.said[-1].size == 10


def unacknowledged(kept):
    """One more batch as it stands between its write and its sync: the mark still names the one before."""
    mark = kept.place / "journal" / _frame.MARK_NAME
    before = mark.read_bytes()
    write_batches(kept.journal, 1)
    after = mark.read_bytes()
    mark.write_bytes(before)
    return lambda: mark.write_bytes(after)


def test_nothing_is_signed_before_it_is_acknowledged(kept):
    acknowledge = unacknowledged(kept)
    kept.keeper.look()
    assert kept.said[-1].size == 6
    acknowledge()
    kept.keeper.look()
    assert kept.said[-1].size == 9


def test_an_end_that_is_not_acknowledged_is_not_called_signed(kept):
    unacknowledged(kept)
    with pytest.raises(LedgerError, match="3 entries at the end"):
        kept.keeper.end()
    assert kept.said[-1].size == 6
    assert (kept.place / "ledger/checkpoint").exists()


def test_planted_a_keeper_that_does_not_ask_signs_what_a_power_cut_can_take(kept, monkeypatch):
    unacknowledged(kept)
    everything = property(lambda log: log.tree.size, lambda *_: None)
    monkeypatch.setattr(RunLog, "durable", everything, raising=False)
    kept.keeper.look()
    assert kept.said[-1].size == 9


def test_the_end_is_signed_published_and_each_finding_proven(kept):
    kept.journal.event(Heartbeat(state="finished", end=True), producer="pipeline", generation=1)
    kept.journal.close()
    kept.keeper.end()
    last = kept.said[-1]
    assert (last.size, last.published, last.last) == (8, True, True)
    note = (kept.place / "ledger" / "checkpoint").read_bytes()
    checkpoint = parse_checkpoint(open_note(note, [kept.signer.key(last.origin)]).text)
    assert (checkpoint.size, checkpoint.root.hex()) == (last.size, last.root)
    proofs = sorted((kept.place / "ledger" / "proofs").glob("*.tlog-proof"))
    assert [path.stem for path in proofs] == ["10", "5"]
    for path in proofs:
        proof = parse_tlog_proof(path.read_bytes())
        entry = path.with_suffix(".entry").read_bytes()
        assert b'"type":"finding"' in entry
        verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, list(proof.hashes), checkpoint.root)


def test_a_rewritten_journal_is_not_signed_on(kept, tmp_path):
    kept.journal.close()
    (tmp_path / "journal").rename(tmp_path / "old")
    new_journal(tmp_path / "journal", 2, text="another").close()
    again = Keeper(tmp_path / "journal", tmp_path / "again", kept.signer, kept.clock, kept.said.append)
    with pytest.raises(LedgerError, match="rewritten"):
        again.look()


def test_no_journal_at_all_is_said_at_the_end(tmp_path):
    said = []
    keeper = Keeper(tmp_path / "journal", tmp_path / "ledger", DirectSigner(tmp_path / "s"), FakeClock(), said.append)
    keeper.look()
    with pytest.raises(LedgerError, match="nothing to sign"):
        keeper.end()


def test_as_a_process_it_follows_signs_and_ends(tmp_path):
    notary = Notary(tmp_path / "journal", tmp_path / "ledger", tmp_path / "home")
    journal = new_journal(tmp_path / "journal", 30)
    notary.wait_until_checked()
    write_batches(journal, 30)
    journal.close()
    said = notary.close()
    assert (said.size, said.refused, said.published) == (180, "", True)
    assert notary.close() == said
    with SignerProcess(tmp_path / "home") as signer:
        assert signer.last(said.origin) == (180, bytes.fromhex(said.root))


def test_its_death_is_told_at_once_and_at_the_end(tmp_path):
    notary = Notary(tmp_path / "journal", tmp_path / "ledger", tmp_path / "home")
    journal = new_journal(tmp_path / "journal", 1)
    notary.wait_until_checked()
    told = []
    with notary.watched(told.append):
        os.kill(notary.pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
    journal.close()
    assert told == ["the notary ended; nothing after that is signed"]
    assert notary.close().refused == told[0]
    with notary.watched(told.append):
        assert len(told) == 2


def test_other_processes_may_seal_and_publish_meanwhile(kept):
    """`ledger seal` on a run that goes on: the keeper takes up from what was signed, and never calls it a rollback."""
    write_batches(kept.journal, 2)
    other = RunLog(kept.place / "journal")
    other.settle()
    Publication(kept.place / "ledger").publish(
        other.tree, other.entries, other.seal(DirectSigner(kept.place / "signer"))
    )
    kept.clock.advance(6_000_000_000)
    kept.keeper.look()
    write_batches(kept.journal, 1)
    kept.clock.advance(6_000_000_000)
    kept.keeper.look()
    assert kept.said[-1].size == 15
    behind = RunLog(kept.place / "journal")
    behind.follow()
    write_batches(kept.journal, 1)
    kept.keeper.look()
    kept.clock.advance(6_000_000_000)
    kept.keeper.look()
    note = behind.seal(kept.signer)
    assert parse_checkpoint(open_note(note, [kept.signer.key(behind.origin)]).text).size == 18


SUPERVISOR = """\
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from log_cases import new_journal
from subcritical.ledger.notary import Notary
place = Path(sys.argv[1])
notary = Notary(place / "journal", place / "ledger", place / "home")
new_journal(place / "journal", 40)
print(notary.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_supervisor_leaves_a_signed_log_and_no_process(tmp_path):
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path), os.path.dirname(__file__)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid = int(done.stdout)
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{pid}")
    with SignerProcess(tmp_path / "home") as signer:
        assert signer.last("subcritical/run/run-1")[0] == 120
    assert (tmp_path / "ledger" / "checkpoint").exists()
