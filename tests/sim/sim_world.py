"""A whole run, simulated: one thread, a fake clock, a seed that decides everything, and faults.

The world feeds a pipeline over a real journal and a fake process tree. After every step it checks
what must always hold, against a model of its own that knows nothing of latches.
"""

import random

from run_doubles import FakeTree, WordDetector, say

from subcritical.clock import FakeClock
from subcritical.errors import LedgerError
from subcritical.ids import Ids
from subcritical.ledger import Journal, read_journal, verify_journal
from subcritical.pipeline import Pipeline, Timing
from subcritical.schema import (
    Action,
    Approval,
    Control,
    Event,
    Heartbeat,
    Message,
    Order,
    Receipt,
    Review,
    RunState,
)
from subcritical.tripwires import START, Condition, Latch, Rule, Tripwires

SILENCE_S = 10
RULES = (
    Rule(id="tampering", on=Condition(technique="RSI-T0300"), action=Order.PAUSE),
    Rule(id="silence", on=Condition(silence_s=float(SILENCE_S)), action=Order.STOP),
)
TREE_FAULTS = ("freeze_unverified", "freeze_raises", "kill_unverified", "kill_raises", "thaw_unverified", "thaw_raises")
GONE = (RunState.KILLING, RunState.KILLED, RunState.FINISHED)
FORGERIES = (
    Control(order=START, by="operator"),
    Control(order="rolled_back", by="gateway"),
    Review(by="operator", reason="all good"),
    Approval(proposal="p", tree="t", verdict="accepted", by="gateway"),
    Heartbeat(state="running", end=True),
)


class ShakyJournal:
    """A real journal on a disk that is full while it is told to be."""

    def __init__(self, inner):
        self.inner, self.full = inner, False

    def append(self, record):
        self._check()
        return self.inner.append(record)

    def commit(self):
        self._check()
        return self.inner.commit()

    def _check(self):
        if self.full:
            raise LedgerError("no space left on device")


class World:
    """One simulated run."""

    def __init__(self, path, seed, *, faults=True):
        self.random = random.Random(seed)
        self.path, self.with_faults = path, faults
        self.clock = FakeClock()
        self.starts = 0
        self.late = []
        self.quiet_s = 0.0
        self.held = False
        self.accepted = 0
        self.seen = {"steps": 0, "paused": 0, "killed": 0, "uncontained": 0, "resumed": 0, "full": 0, "restarts": 0}
        self.start([])

    def start(self, history):
        """A supervisor begins, or begins again after it died."""
        self.starts += 1
        self.directory = self.path / f"journal{self.starts}"
        inner = Journal.create(self.directory, "run", self.clock)
        for record in history:
            inner.append(record)
        inner.commit()
        self.journal = ShakyJournal(inner)
        self.tree = FakeTree(self.clock)
        self.pipeline = Pipeline(
            self.journal,
            [WordDetector()],
            Tripwires(list(RULES)),
            self.tree,
            self.clock,
            ids=Ids(self.random.getrandbits(32)),
            timing=Timing(record_timeout_s=0.01),
            history=history,
        )
        self.pipeline.start(threads=False)
        self.quiet_s = 0.0

    def step(self):
        """Something happens."""
        self.seen["steps"] += 1
        kinds = [self.observe, self.observe, self.observe, self.accept, self.beat, self.beat, self.person, self.hang]
        if self.with_faults:
            kinds += [self.fault, self.deliver_late]
            if self.random.random() < 0.05:
                kinds = [self.die]
        self.random.choice(kinds)()
        self.check()

    # What happens -----------------------------------------------------------------------------------

    def observe(self):
        """The guest says something, over a source that loses, delays, doubles and forges."""
        text = self.random.choice(["hello", "hello", "hello", "tamper", "crash", "crash tamper"])
        fate = (
            self.random.choice(["whole", "whole", "lost", "late", "doubled", "forged"]) if self.with_faults else "whole"
        )
        if fate == "lost":
            return
        if fate == "late":
            self.late.append(text)
            return
        if fate == "forged":
            self.feed(self.random.choice(FORGERIES), producer="guest")
        for _ in range(2 if fate == "doubled" else 1):
            self.feed(say(text))
        self.process()

    def deliver_late(self):
        """What was delayed arrives, in any order."""
        self.random.shuffle(self.late)
        for text in self.late:
            self.feed(say(text))
        self.late.clear()
        self.process()

    def accept(self):
        """The loop accepts a self-change if it may."""
        could = self.pipeline.latch.may_accept
        approval = Approval(proposal="p", tree="t", verdict="accepted", by="selection")
        try:
            done = self.pipeline.accept(approval, generation=self.accepted) is not None
            assert done is could
            self.quiet_s = 0.0 if done else self.quiet_s
        except LedgerError:
            assert self.journal.full
            # It waits for the journal and will count: whoever accepted it must not go on.
            assert self.pipeline.latch.down
            done = True
        self.accepted += done

    def feed(self, data, producer="loop"):
        """Record one event; a full disk may refuse it, and nothing else may."""
        self.quiet_s = 0.0
        try:
            self.pipeline.event(data, generation=self.accepted, producer=producer)
        except LedgerError:
            assert self.journal.full
            assert self.pipeline.latch.down
            return False
        return True

    def process(self):
        try:
            findings = self.pipeline.process()
        except LedgerError:
            assert self.journal.full
            assert self.pipeline.latch.down
            return
        self.quiet_s = 0.0
        if findings:
            self.held = True

    def beat(self):
        """Time passes, the loop is alive."""
        self.pipeline.alive()
        self.pass_time(self.random.choice([0.1, 0.5, 1.0]))
        self.quiet_s = 0.0

    def hang(self):
        """The loop hangs for a while."""
        for _ in range(self.random.choice([2, 5, 30])):
            self.quiet_s += self.pipeline.state is not RunState.PAUSED
            self.pass_time(1.0)

    def pass_time(self, seconds):
        self.clock.advance(int(seconds * 1e9))
        self.pipeline.tick()

    def person(self):
        """Somebody gives an order, in his right mind or not."""
        order = self.random.choice(
            [
                Order.PAUSE,
                Order.RESUME,
                Order.RESUME,
                Order.RESUME,
                Order.DENY,
                Order.THROTTLE,
                Order.ROLL_BACK,
                Order.NOTIFY,
            ]
            + [Order.STOP] * (self.random.random() < 0.2)
        )
        named = self.pipeline.latch.findings if self.random.random() < 0.7 else self.pipeline.latch.findings[1:]
        argument = self.random.choice(["3", "off", "nonsense"]) if order is Order.THROTTLE else ""
        before = self.pipeline.latch
        receipt = self.pipeline.order(order, "ann", "because", named, argument=argument)
        if order is Order.RESUME and receipt.outcome == "confirmed":
            self.seen["resumed"] += 1
            self.quiet_s = 0.0
            assert not before.causes or set(before.findings) <= set(named), "resumed without naming what tripped"
            assert not self.journal.full, "resumed although nothing could be recorded"
            if not self.pipeline.latch.causes:
                self.held = False
        if order in (Order.STOP, Order.QUARANTINE):
            assert receipt.outcome in ("confirmed", "failed")
        if self.pipeline.latch.roll_back is not None and self.random.random() < 0.5:
            self.feed(Control(order="rolled_back", by="gateway"), producer="pipeline")

    def fault(self):
        """Something breaks, or is repaired."""
        if self.random.random() < 0.3:
            self.journal.full = not self.journal.full
            self.seen["full"] += self.journal.full
        elif self.random.random() < 0.5:
            self.tree.faults.clear()
        else:
            self.tree.faults.add(self.random.choice(TREE_FAULTS))

    def die(self):
        """The supervisor dies, its guests with it; a new one reads what is on disk."""
        self.seen["restarts"] += 1
        unjudged = self.random.random() < 0.5 and self.feed(say(self.random.choice(["tamper", "crash"])))
        if unjudged and not self.journal.full:
            self.journal.commit()
        history = list(read_journal(self.directory))
        self.journal.inner.close()
        self.start(history)
        self.late.clear()
        self.accepted = sum(self.is_acceptance(record) for record in history)
        self.held = self.pending(history)

    # What must hold ---------------------------------------------------------------------------------

    @staticmethod
    def is_acceptance(record):
        return isinstance(record, Event) and record.producer == "loop" and isinstance(record.data, Approval)

    @staticmethod
    def pending(history):
        """Whether something bad is on disk that no confirmed resume came after."""
        bad = False
        for record in history:
            if isinstance(record, Event) and isinstance(record.data, Message):
                bad = bad or "tamper" in record.data.text or "crash" in record.data.text
            if isinstance(record, Receipt) and record.order is Order.RESUME and record.outcome == "confirmed":
                bad = False
        return bad

    def check(self):
        """The safety of the run, after every step."""
        pipeline, tree = self.pipeline, self.tree
        state, latch = pipeline.state, pipeline.latch
        self.seen["paused"] += state is RunState.PAUSED
        self.seen["killed"] += state is RunState.KILLED
        self.seen["uncontained"] += not pipeline.contained
        assert state is not RunState.PAUSING, "an order is over, so a pause is proven or something stronger happened"
        assert not (state is RunState.PAUSED and tree.can_run), "called paused, and runs"
        assert not (state is RunState.KILLED and tree.alive), "called killed, and lives"
        if tree.can_run and state is not RunState.RUNNING:
            assert not pipeline.contained, "runs although it must not, and nobody says so"
        if self.held:
            assert latch.down, "a finding tripped, nobody resumed, and changes may be applied"
            assert not (tree.can_run and pipeline.contained), "a finding tripped, nobody resumed, and it runs"
        if self.quiet_s > 2 * SILENCE_S and state is not RunState.PAUSED:
            assert state in GONE, "the loop hangs and the run goes on"

    def finish(self):
        """Repair everything, stop, close; then judge the journal as a stranger would."""
        self.journal.full = False
        self.tree.faults.clear()
        receipt = self.pipeline.order(Order.STOP, "ann", "the end")
        assert (receipt.outcome, receipt.survivors, self.tree.alive) == ("confirmed", 0, 0)
        self.pipeline.close()
        self.journal.inner.close()
        assert verify_journal(self.directory).ok
        latch, actions = Latch(), {}
        for record in read_journal(self.directory):
            if self.is_acceptance(record):
                assert latch.may_accept, "accepted while a latch was down"
            if isinstance(record, Action):
                actions[record.id] = record
            if isinstance(record, Receipt):
                assert record.order is actions[record.action].order, "a receipt without its action before it"
            latch = latch.apply(record)
        assert latch == self.pipeline.latch, "the journal tells another story than the run"


def simulate(path, seed, steps, *, faults=True):
    """Run one world; what it has seen."""
    world = World(path, seed, faults=faults)
    for _ in range(steps):
        world.step()
    world.finish()
    return world.seen
