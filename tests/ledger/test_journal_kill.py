"""kill -9 at 50 random moments: every acknowledged event is there, the journal verifies, the next writer goes on."""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import threading
import time
from pathlib import Path

from subcritical.clock import SystemClock
from subcritical.errors import InputError, LedgerError
from subcritical.ledger import Journal, read_journal, verify_journal
from subcritical.schema import Event, Message

KILLS = 50
SEGMENT_BYTES = 2_000_000
DEADLINE_S = 20.0


class HastyJournal(Journal):
    """The planted failure: acknowledges what is only in its buffer."""

    def commit(self) -> int:
        return self.last_seq


def text(number: int, turn: int) -> str:
    """Thread 2 writes megabytes, so that a kill also lands inside a write."""
    return "x" * (1_000_000 if number == 2 else turn)


def write_for_ever(kind: type[Journal], directory: Path, pipe: int, *, resume: bool) -> None:
    """The child: three threads append and commit, and say over the pipe what is durable. Ended by SIGKILL."""
    if resume:
        journal = kind.open(directory, SystemClock(), segment_bytes=SEGMENT_BYTES)
    else:
        journal = kind.create(directory, "run", SystemClock(), segment_bytes=SEGMENT_BYTES)

    def work(number: int) -> None:
        for turn in range(100_000):
            said = Message(source=f"thread {number}", text=text(number, turn))
            event = journal.event(said, producer="p", generation=0)
            journal.commit()
            os.write(pipe, f"{event.seq} {number} {turn}\n".encode())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def killed_writer(
    kind: type[Journal], directory: Path, chance: random.Random, *, resume: bool
) -> list[tuple[int, int, int]]:
    """Start a writer, kill it at a random moment, and return what it had acknowledged."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            write_for_ever(kind, directory, writing, resume=resume)
        finally:
            os._exit(1)
    os.close(writing)
    received = b""
    try:
        wanted = chance.choice([0, 1, 2, 5, 40])
        deadline = time.monotonic() + DEADLINE_S
        while received.count(b"\n") < wanted and time.monotonic() < deadline:
            if select.select([reading], [], [], 0.1)[0]:
                received += os.read(reading, 65_536)
        time.sleep(chance.uniform(0, 0.004))
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the writer ended before it was killed"
    while chunk := os.read(reading, 65_536):
        received += chunk
    os.close(reading)
    lines = received.split(b"\n")[:-1]
    return [(int(seq), int(number), int(turn)) for seq, number, turn in (line.split() for line in lines)]


def check(directory: Path, acknowledged: list[tuple[int, int, int]]) -> int:
    report = verify_journal(directory)
    assert report.ok, report.problems
    records = list(read_journal(directory))
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    for seq, number, turn in acknowledged:
        assert seq <= len(records), "an acknowledged event is gone"
        event = records[seq - 1]
        assert isinstance(event, Event)
        assert event.data == Message(source=f"thread {number}", text=text(number, turn))
    return len(records)


def cut_off_in_creation(directory: Path) -> bool:
    try:
        list(read_journal(directory))
    except InputError:
        return True
    except LedgerError as error:
        assert "creation was cut off" in str(error)  # noqa: PT017 - damage must fail, this may happen
        return True
    return False


def kill_and_check(kind: type[Journal], directory: Path, chance: random.Random, *, twice: bool) -> tuple[int, int]:
    """Returns how many events were acknowledged (-1: killed during creation) and unfinished bytes found."""
    acknowledged = killed_writer(kind, directory, chance, resume=False)
    if cut_off_in_creation(directory):
        assert not acknowledged
        return -1, 0
    before = check(directory, acknowledged)
    unfinished = verify_journal(directory).unfinished_bytes
    if twice:  # a second writer takes over and is killed too
        acknowledged += killed_writer(kind, directory, chance, resume=True)
        before = check(directory, acknowledged)
    with Journal.open(directory, SystemClock()) as journal:
        assert journal.last_seq == before
        journal.event(Message(source="after", text=""), producer="p", generation=0)
    assert check(directory, acknowledged) == before + 1
    shutil.rmtree(directory)
    return len(acknowledged), unfinished


def test_nothing_acknowledged_is_lost_to_kill_9(tmp_path):
    chance = random.Random(20)
    outcomes = [kill_and_check(Journal, tmp_path / str(kill), chance, twice=kill % 3 == 0) for kill in range(KILLS)]
    total = sum(max(0, acknowledged) for acknowledged, _ in outcomes)
    in_creation = sum(acknowledged < 0 for acknowledged, _ in outcomes)
    unfinished = sum(size > 0 for _, size in outcomes)
    print(f"{KILLS} kills: {total} acknowledged events, {unfinished} unfinished batches, {in_creation} during creation")
    assert total > KILLS
    assert in_creation < KILLS / 2


def test_a_journal_that_acknowledges_too_early_fails_the_same_test(tmp_path):
    chance = random.Random(21)
    failed = 0
    for kill in range(10):
        try:
            kill_and_check(HastyJournal, tmp_path / str(kill), chance, twice=False)
        except AssertionError:
            failed += 1
    print(f"planted failure: {failed} of 10 kills lost acknowledged events")
    assert failed >= 3
