import threading

import pytest
from run_doubles import say

from subcritical.clock import FakeClock
from subcritical.errors import InputError, LedgerError
from subcritical.ledger import Journal, read_journal
from subcritical.pipeline.recorder import Recorder
from subcritical.schema import Action, Approval, Event, Order
from subcritical.tripwires import Latch

WIDE_S = 5.0


class Gate:
    """A journal that can refuse, or hang in its commit."""

    def __init__(self, inner):
        self.inner, self.refuses = inner, False
        self.open = threading.Event()
        self.open.set()

    def append(self, record):
        if self.refuses:
            raise LedgerError("full")
        return self.inner.append(record)

    def commit(self):
        self.open.wait(WIDE_S)
        if self.refuses:
            raise LedgerError("full")
        return self.inner.commit()


@pytest.fixture
def journal(tmp_path):
    with Journal.create(tmp_path / "j", "run", FakeClock()) as inner:
        yield Gate(inner)


@pytest.fixture
def recorder(journal):
    recorder = Recorder(journal, Latch())
    yield recorder
    recorder.stop(WIDE_S)


def event(data, producer="loop"):
    return Event(seq=0, time_ns=0, run="", producer=producer, generation=0, data=data)


ACCEPTED = event(Approval(proposal="p", tree="t", verdict="accepted", by="selection"))
PAUSE = Action(id="a-1", order=Order.PAUSE, by="ann", reason="x")


def test_what_is_put_counts_at_once_and_is_written_in_its_order(recorder, journal, tmp_path):
    recorder.put(PAUSE)
    assert recorder.latch.down
    assert recorder.append(ACCEPTED).seq == 2
    recorder.commit()
    assert [type(record) for record in read_journal(tmp_path / "j")] == [Action, Event]
    assert recorder.latch.accepted == 1


def test_what_the_journal_cannot_hold_has_not_happened(recorder, journal):
    journal.refuses = True
    recorder.put(PAUSE)
    bad = event(Approval(proposal="\ud800", tree="t", verdict="accepted", by="selection"))
    recorder.put(bad)
    recorder.put(ACCEPTED)
    assert recorder.latch.accepted == 2
    journal.refuses = False
    recorder.settle()
    assert (recorder.latch.accepted, recorder.latch.down) == (1, True)
    assert [record.data.proposal for record in recorder.take(9)] == ["p"]
    with pytest.raises(InputError):
        recorder.append(bad)
    assert recorder.latch.accepted == 1


def test_only_what_the_journal_has_taken_is_handed_on(recorder, journal):
    recorder.append(event(say("one")))
    journal.refuses = True
    with pytest.raises(LedgerError):
        recorder.append(event(say("two")))
    assert [record.data.text for record in recorder.take(9)] == ["one"]
    journal.refuses = False
    recorder.commit()
    assert [record.data.text for record in recorder.take(9)] == ["two"]
    assert recorder.take(9) == []


def test_a_condition_and_its_record_are_one_step(recorder):
    assert recorder.append_if(ACCEPTED, lambda latch: latch.may_accept) is not None
    recorder.put(PAUSE)
    assert recorder.append_if(ACCEPTED, lambda latch: latch.may_accept) is None
    assert recorder.latch.accepted == 1


@pytest.mark.parametrize("threads", [False, True])
def test_durable_means_on_disk(recorder, journal, threads):
    if threads:
        recorder.start()
    assert recorder.make_durable(recorder.put(PAUSE), WIDE_S)
    assert journal.inner.durable_seq == 1
    journal.refuses = True
    assert not recorder.make_durable(recorder.put(PAUSE), WIDE_S)
    journal.refuses = False
    assert recorder.make_durable(recorder.put(PAUSE), WIDE_S)
    assert journal.inner.durable_seq == 3


def test_a_hanging_disk_is_waited_for_no_longer_than_asked(recorder, journal):
    recorder.start()
    journal.open.clear()
    assert not recorder.make_durable(recorder.put(PAUSE), 0.05)
    journal.open.set()
    assert recorder.make_durable(recorder.put(PAUSE), WIDE_S)


def test_a_failure_is_told(recorder, journal):
    told = []
    recorder.on_failure = told.append
    journal.refuses = True
    assert not recorder.make_durable(recorder.put(PAUSE), WIDE_S)
    assert [str(error) for error in told] == ["full"]


def test_the_queue_is_bounded_and_says_what_it_lost(recorder, journal):
    journal.refuses = True
    for _ in range(4096):
        recorder.put(ACCEPTED)
    with pytest.raises(LedgerError, match="has not taken 4096 records"):
        recorder.put(ACCEPTED)
    for _ in range(4096 + 10):
        recorder.put(PAUSE)
    assert (recorder.unsettled, recorder.lost) == (8192, 10)
    assert recorder.latch.down
