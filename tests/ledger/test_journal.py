from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from power_cut_files import PowerCutFiles

from subcritical.clock import FakeClock
from subcritical.errors import InputError, LedgerError
from subcritical.ledger import Journal, OsFiles, _frame, read_batches, read_journal, verify_journal
from subcritical.schema import (
    Action,
    Evidence,
    Finding,
    Measurement,
    Message,
    Order,
    Receipt,
    RunState,
    Score,
    Severity,
    Split,
)


@pytest.fixture
def journal(tmp_path):
    with Journal.create(tmp_path / "deep" / "journal", "run-1", FakeClock(5)) as opened:
        yield opened


def message(journal: Journal, text: str = "hello"):
    return journal.event(Message(source="guest", text=text), producer="loop", generation=3)


def every_kind():
    return [
        Finding(
            detector="d",
            version=1,
            severity=Severity.HIGH,
            confidence=0.9,
            title="t",
            why="w",
            evidence=(Evidence(first_seq=1, last_seq=2),),
            facts={"a": 1, "b": 2.5, "c": "x", "d": True, "e": None},
        ),
        Measurement(
            name="gap", estimate=None, low=None, high=0.3, level=0.95, unit="1", method="m", n=0, why="no data"
        ),
        Action(id="a-1", order=Order.PAUSE, by="t", reason="r"),
        Receipt(
            action="a-1",
            order=Order.PAUSE,
            outcome="confirmed",
            state=RunState.PAUSED,
            ordered_ns=1,
            quiesced_ns=2,
            confirmed_ns=3,
            processes=4,
            survivors=0,
            rung="R1",
        ),
    ]


def test_every_kind_of_record_is_numbered_stamped_and_reads_back(journal):
    first = message(journal, "héllo \x1b[31m \u202e \u0000 </script>")
    rest = [journal.append(record) for record in every_kind()]
    assert journal.durable_seq == 0
    assert journal.commit() == 5
    written = [first, *rest]
    assert [record.seq for record in written] == [1, 2, 3, 4, 5]
    assert {(record.run, record.time_ns) for record in written} == {("run-1", 5)}
    assert list(read_journal(journal.directory)) == written


def test_files_are_the_owners_alone(tmp_path):
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o755)
    old = os.umask(0)
    try:
        with Journal.create(loose, "r", FakeClock()) as journal:
            message(journal)
    finally:
        os.umask(old)
    assert stat.S_IMODE(loose.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in loose.iterdir()} == {0o600}


def test_what_is_not_committed_is_not_read(journal):
    message(journal)
    journal.commit()
    message(journal)
    assert len(list(read_journal(journal.directory))) == 1


def test_closing_commits(journal):
    message(journal)
    journal.close()
    journal.close()
    assert verify_journal(journal.directory).last_seq == 1
    with pytest.raises(LedgerError, match="closed"):
        message(journal)
    with pytest.raises(LedgerError, match="closed"):
        journal.commit()


def test_one_writer_at_a_time(journal):
    with pytest.raises(LedgerError, match="one writer"):
        Journal.open(journal.directory, FakeClock())
    code = (
        "import sys; from pathlib import Path; from subcritical.ledger import Journal; "
        "from subcritical.clock import FakeClock; Journal.open(Path(sys.argv[1]), FakeClock())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(journal.directory)], capture_output=True, text=True, check=False, timeout=60
    )
    assert "one writer" in other.stderr
    journal.close()
    Journal.open(journal.directory, FakeClock()).close()


def test_a_directory_in_use_is_not_overwritten(journal, tmp_path):
    with pytest.raises(InputError, match="not empty"):
        Journal.create(journal.directory, "run-2", FakeClock())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(InputError, match="not empty"):
        Journal.create(tmp_path / "other", "run-2", FakeClock())
    with pytest.raises(InputError, match="no journal"):
        Journal.open(tmp_path / "other", FakeClock())
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "\x1b[0m", "\u202e"])
def test_run_names_that_could_forge_output_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="run name"):
        Journal.create(tmp_path / "j", name, FakeClock())


def test_segments_hang_on_one_chain(tmp_path):
    with Journal.create(tmp_path / "j", "r", FakeClock(), segment_bytes=2_000) as journal:
        for _ in range(40):
            message(journal, "x" * 100)
            journal.commit()
        digest = journal.digest
    check = verify_journal(tmp_path / "j")
    assert check.ok
    assert check.segments > 5
    assert (check.records, check.batches, check.digest, check.acknowledged) == (40, 40, digest, 40)
    batches = list(read_batches(tmp_path / "j"))
    assert [batch.previous for batch in batches[1:]] == [batch.digest for batch in batches[:-1]]
    with Journal.open(tmp_path / "j", FakeClock(), segment_bytes=2_000) as journal:
        assert journal.dropped is None
        assert (journal.run, journal.last_seq, journal.digest) == ("r", 40, digest)


def test_not_a_number_is_recorded_as_null_and_the_caller_is_told(journal):
    score = Score(proposal="p", tree="t", split=Split.REPORTED, metric="m", value=float("nan"))
    event = journal.event(score, producer="loop", generation=0)
    assert event.data.value is None
    journal.commit()
    assert list(read_journal(journal.directory)) == [event]


@pytest.mark.parametrize(
    "data",
    [
        Message(source="guest", text="name \udcff"),
        Message(source="guest", text="x" * (_frame.RECORD_BYTES_MAX + 1)),
        Score(proposal="p", tree="t", split=Split.PUBLIC, metric="m", value=1.0, duration_s=float("nan")),
        Score(proposal="p", tree="t", split=Split.PUBLIC, metric="m", value=1.0, n=10**5_000),
    ],
    ids=["surrogate", "huge", "nan", "integer"],
)
def test_what_would_not_read_back_is_refused_and_uses_no_number(journal, data):
    with pytest.raises(InputError, match="Event"):
        journal.event(data, producer="loop", generation=0)
    assert message(journal).seq == 1
    assert journal.commit() == 1


def test_a_full_buffer_is_written_before_it_takes_more(journal, monkeypatch):
    monkeypatch.setattr(_frame, "BUFFER_RECORDS_MAX", 10)
    for _ in range(25):
        message(journal)
    assert journal.durable_seq == 20
    monkeypatch.setattr(_frame, "BUFFER_BYTES_MAX", 1_000)
    message(journal, "x" * 2_000)
    message(journal)
    assert journal.durable_seq == 26


class SlowSync(OsFiles):
    """Each sync of a segment waits until it is allowed."""

    def __init__(self):
        self.started = threading.Semaphore(0)
        self.allowed = threading.Semaphore(0)
        self.armed = False
        self.syncs = 0

    def create(self, path: Path):
        file = super().create(path)
        if path.name.startswith("segment"):
            plain = file.sync

            def sync():
                if self.armed:
                    self.syncs += 1
                    self.started.release()
                    assert self.allowed.acquire(timeout=30)
                plain()

            file.sync = sync
        return file


def test_threads_that_commit_together_share_a_sync(tmp_path):
    files = SlowSync()
    journal = Journal.create(tmp_path / "j", "r", FakeClock(), files)
    files.armed = True
    durable = []

    def work():
        seq = message(journal).seq
        durable.append((seq, journal.commit()))

    threads = [threading.Thread(target=work) for _ in range(9)]
    threads[0].start()
    assert files.started.acquire(timeout=30)
    for thread in threads[1:]:
        thread.start()
    while journal.last_seq < 9:
        threading.Event().wait(0.001)
    assert journal.durable_seq == 0
    assert not durable, "acknowledged before its sync"
    files.allowed.release(2)
    for thread in threads:
        thread.join(timeout=30)
    assert files.syncs == 2
    assert sorted(seq for seq, _ in durable) == list(range(1, 10))
    assert all(seq <= reached for seq, reached in durable)
    journal.close()
    assert verify_journal(tmp_path / "j").batches == 2


def test_a_commit_reaches_the_disk_through_fdatasync(tmp_path, monkeypatch):
    calls = []
    real_sync, real_write = os.fdatasync, os.pwrite
    with Journal.create(tmp_path / "j", "r", FakeClock()) as journal:
        monkeypatch.setattr(os, "fdatasync", lambda fd: (calls.append("sync"), real_sync(fd)))
        monkeypatch.setattr(os, "pwrite", lambda fd, data, at: (calls.append("write"), real_write(fd, data, at))[1])
        message(journal)
        message(journal)
        journal.commit()
    assert calls[:3] == ["write", "sync", "write"], "records, then the sync, then the mark"


class FullDisk(PowerCutFiles):
    full = False

    def count(self, name, content=None, offset=0, data=b""):
        super().count(name, content, offset, data)
        if self.full and name == "append":
            content.write(offset, data[: len(data) // 2])
            raise OSError(28, "No space left on device")


def test_after_a_failed_write_nothing_is_accepted_until_the_journal_was_read_again():
    files, directory = FullDisk(), Path("/run/j")
    journal = Journal.create(directory, "r", FakeClock(), files)
    message(journal, "kept")
    journal.commit()
    files.full = True
    message(journal, "lost")
    with pytest.raises(LedgerError, match="No space left"):
        journal.commit()
    files.full = False
    for use in (journal.commit, lambda: message(journal)):
        with pytest.raises(LedgerError, match="nothing more can be recorded"):
            use()
    journal.close()
    check = verify_journal(directory, files)
    assert check.ok
    assert check.unfinished_bytes > 0
    with Journal.open(directory, FakeClock(), files) as journal:
        assert journal.dropped.size == check.unfinished_bytes
        assert journal.last_seq == 1
        message(journal, "kept too")
    assert [record.data.text for record in read_journal(directory, files)] == ["kept", "kept too"]


def test_a_fork_cannot_write(journal):
    child = os.fork()
    if child == 0:
        try:
            message(journal)
        except LedgerError:
            os._exit(7)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert message(journal).seq == 1


def test_a_reader_beside_the_writer_sees_a_prefix_and_no_damage(tmp_path):
    journal = Journal.create(tmp_path / "j", "r", FakeClock(), segment_bytes=5_000)
    done = threading.Event()

    def write():
        for turn in range(400):
            message(journal, "x" * (turn % 50))
            if turn % 3 == 0:
                journal.commit()
        journal.close()
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    lengths = []
    while not done.is_set():
        before = journal.durable_seq
        lengths.append(len(list(read_journal(tmp_path / "j"))))
        assert lengths[-1] >= before
    writer.join()
    assert lengths == sorted(lengths)
    assert len(list(read_journal(tmp_path / "j"))) == 400


def test_a_writer_that_begins_a_segment_while_names_are_read_is_no_damage(tmp_path):
    journal = Journal.create(tmp_path / "j", "r", FakeClock(), segment_bytes=1)

    def commit():
        message(journal)
        journal.commit()

    class Overtaken(OsFiles):
        def names(self, directory: Path):
            found = super().names(directory)
            commit()
            return found

    for _ in range(3):
        commit()
    assert len(list(read_journal(tmp_path / "j", Overtaken()))) == 3
    assert verify_journal(tmp_path / "j", Overtaken()).ok
    journal.close()
