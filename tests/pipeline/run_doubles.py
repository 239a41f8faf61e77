"""Stand-ins for what a pipeline works with: a process tree that can misbehave, and a detector that finds words."""

import threading

from subcritical.clock import FakeClock, SystemClock
from subcritical.ids import Ids
from subcritical.ledger import Journal, read_journal, verify_journal
from subcritical.pipeline import Pipeline, Timing
from subcritical.schema import Evidence, Finding, HandleReport, Message, Order, Severity
from subcritical.tripwires import Condition, Latch, Rule, Tripwires


class FakeTree:
    """A process tree of three. It does what the kernel would, unless a fault is set.

    `faults` may hold: freeze_unverified, kill_unverified, thaw_unverified, freeze_raises, kill_raises, thaw_raises.
    """

    rung = "R1"

    def __init__(self, clock=None, faults=()):
        self.clock = clock or SystemClock()
        self.faults = set(faults)
        self.running, self.frozen, self.alive = True, False, 3
        self.calls = []
        self.freezing = threading.Event()
        self.let_freeze_end = threading.Event()
        self.let_freeze_end.set()

    def freeze(self, _timeout_s):
        self.calls.append("freeze")
        self.freezing.set()
        self.let_freeze_end.wait(10)
        self._maybe_raise("freeze_raises")
        if "freeze_unverified" in self.faults:
            return self._report(verified=False, survivors=2)
        self.frozen = True
        return self._report()

    def thaw(self):
        self.calls.append("thaw")
        self._maybe_raise("thaw_raises")
        if "thaw_unverified" in self.faults:
            return self._report(verified=False, survivors=-1)
        self.frozen = False
        return self._report()

    def kill(self, _timeout_s):
        self.calls.append("kill")
        self._maybe_raise("kill_raises")
        if "kill_unverified" in self.faults:
            return self._report(verified=False, survivors=1)
        self.alive = 0
        return self._report()

    def verify(self):
        self.calls.append("verify")
        return self._report(survivors=self.alive)

    @property
    def can_run(self):
        return self.alive > 0 and not self.frozen

    def _maybe_raise(self, fault):
        if fault in self.faults:
            raise OSError(f"{fault}\x1b[2J")

    def _report(self, *, verified=True, survivors=0):
        now = self.clock.boot_ns()
        return HandleReport(
            verified=verified,
            quiesced_ns=now,
            confirmed_ns=now if verified else 0,
            processes=3,
            survivors=survivors,
        )


class WordDetector:
    """Finds `word` in messages; `crash on` makes it crash. Its state counts what it saw."""

    version = 1
    maturity = "stable"
    docs = "detectors/none.md"

    def __init__(self, name="words", word="tamper", severity=Severity.HIGH, technique="RSI-T0300"):
        self.id, self.word, self.severity = name, word, severity
        self.techniques = (technique,)

    def key(self, _event):
        return b""

    def new(self):
        return []

    def batch(self, states, events):
        findings = []
        for event in events:
            if not isinstance(event.data, Message):
                continue
            states[b""].append(event.seq)
            if "crash" in event.data.text:
                raise RuntimeError(f"cannot read \x1b]0;owned\x07 {event.data.text}")
            if self.word in event.data.text:
                findings.append(found(self, event))
        return findings


def found(detector, event):
    return Finding(
        detector=detector.id,
        version=detector.version,
        severity=detector.severity,
        confidence=0.9,
        title=f"{detector.word} seen",
        why="a word was seen",
        evidence=(Evidence(first_seq=event.seq, last_seq=event.seq),),
        technique=detector.techniques[0],
        generation=event.generation,
    )


def say(text):
    return Message(source="guest", text=text)


PAUSE_ON_TAMPERING = Rule(id="tampering", on=Condition(technique="RSI-T0300"), action=Order.PAUSE)


class Run:
    """A pipeline over a real journal and a fake tree."""

    def __init__(self, path, *, rules=(PAUSE_ON_TAMPERING,), detectors=None, faults=(), threads=False, **more):
        self.clock = SystemClock() if threads else FakeClock()
        self.directory = path / "journal"
        self.journal = more.pop("journal", None) or Journal.create(self.directory, "run-1", self.clock)
        self.tree = FakeTree(self.clock, faults)
        self.told = []
        self.pipeline = Pipeline(
            self.journal,
            [WordDetector()] if detectors is None else detectors,
            Tripwires(list(rules)),
            self.tree,
            self.clock,
            run="run-1",
            ids=more.pop("ids", Ids(7)),
            timing=more.pop("timing", Timing(record_timeout_s=5.0)),
            notify=self.told.append,
            **more,
        )
        self.pipeline.start(threads=threads)

    def records(self):
        self.journal.commit()
        return list(read_journal(self.directory))

    def check(self):
        """What must hold of every journal: it verifies, and replaying it gives the latch."""
        latch = Latch()
        for record in self.records():
            latch = latch.apply(record)
        assert latch == self.pipeline.latch
        assert verify_journal(self.directory).ok

    def seconds(self, count):
        self.clock.advance(int(count * 1e9))
