"""The real loop, gateway, ballot box, pipeline and ledger, on one thread, with people, crashes and a clock in between.

The guest, the judge and the processes are stand-ins; whatever decides about a change is the product's own code. At every
place where another thread or a crash could come in between, the world may do something. What must hold is checked against
what people signed and ordered and what happened to the head, not against anything that the product counts.
"""

import random
from collections import Counter

from door_doubles import EverBetter
from gateway_people import EVERYBODY, RULES, key_of
from run_doubles import FakeTree

from subcritical.canonical import digest
from subcritical.clock import FakeClock
from subcritical.errors import ContainmentError, GatewayError, InputError, LedgerError
from subcritical.gateway import BallotBox, Correction, Gateway, Quorum, Store, Vote, _apply, sign
from subcritical.ids import Ids
from subcritical.ledger import Journal, read_journal, verify_journal
from subcritical.loop.correcting import Correcting
from subcritical.loop.guest import Ended, Submission
from subcritical.loop.lineage import Lineage
from subcritical.loop.outcome import Bounds
from subcritical.loop.runner import Runner
from subcritical.pipeline import Pipeline
from subcritical.sandbox import Collected
from subcritical.schema import Approval, Ballot, Control, Event, Order, Proposal, RunState, Score
from subcritical.tripwires import Tripwires

SEED = {"solution.py": b"0", "goal.json": b"0", "prompt.txt": b"be kind"}
HOUR_NS = 3600 * 10**9
BUDGET = 3
OWNER = {"ana": "ana", "ana-desk": "ana", "bo": "bo", "cy": "cy", "dot": "owner"}
PAUSED, STOPPED, RUNNING = "paused", "stopped", "running"


class Crash(BaseException):
    """The supervisor is killed here."""


class Guest:
    """Proposes ordinary and defining changes, a few of them the same bytes again."""

    def __init__(self, world, files):
        self.world, self.files = world, dict(files)

    def next(self, watch):
        self.world.something_happens()
        watch.check()
        if self.world.left == 0:
            return Ended(reason="done", orderly=True)
        self.world.left -= 1
        path = self.world.random.choice(["goal.json", "goal.json", "solution.py"])
        changed = {**self.files, path: str(self.world.random.randrange(3)).encode()}
        return Submission(collected=Collected(files=changed), claim="better", reported=None)

    def answer(self, answer):
        if answer.verdict == "accepted":
            self.files = dict(self.world.store.tree(self.world.store.head().tree))

    def hold(self):
        pass

    def release(self):
        pass

    def output(self):
        return None

    def close(self):
        pass


class Containment:
    """Holds the processes, and the lease."""

    def __init__(self, world):
        self.world, self.handle = world, FakeTree(world.clock)

    def paused_ns(self):
        return 0

    def confirm_lease(self):
        if self.world.lease_lost:
            raise ContainmentError("the dead man's switch has killed this run")


class DoorWorld:
    """One history: starts, restarts after every crash, ends when the guest has nothing left."""

    def __init__(self, path, seed):
        self.random = random.Random(seed)
        self.path, self.clock = path, FakeClock()
        self.store = Store(path / "store")
        self.left, self.starts = 6, 0
        self.judge = EverBetter(before=self.something_happens)
        self.signed = []
        self.edits, self.edited = [], set()
        self.cast = set()
        self.state, self.lease_lost, self.foreign, self.applying = RUNNING, False, False, False
        self.decided = {}
        self.applied = []
        self.reviews, self.between_reviews = 0, Counter()
        self.line = []
        self.target = None
        self.seen = dict.fromkeys(
            (
                "applied",
                "by people",
                "crashes",
                "rolled back",
                "refused votes",
                "stops",
                "pauses",
                "leases",
                "edits",
                "foreign",
            ),
            0,
        )

    # One start --------------------------------------------------------------------------------------------------------

    def run(self):
        """Until the guest is done; the records of the last journal."""
        history = []
        while True:
            try:
                self.start(history)
                self.runner.run()
                ended = self.state != STOPPED
            except Crash:
                self.seen["crashes"] += 1
                ended = False
            except ContainmentError:
                assert self.lease_lost
                ended = False
            except (GatewayError, LedgerError):
                assert self.foreign, "the door refused what it had accepted"
                ended = True
            history = list(read_journal(self.directory))
            self.journal.close()
            if ended or self.starts > 12:
                return history

    def start(self, history):
        self.starts += 1
        self.applying = False
        self.state, self.lease_lost = RUNNING if not self.was_paused(history) else PAUSED, False
        if not self.rollback_pending(history):
            self.target = None
        self.directory = self.path / f"journal{self.starts}"
        self.journal = Journal.create(self.directory, "run", self.clock)
        for record in history:
            self.journal.append(record)
        self.journal.commit()
        self.commit = self.journal.commit
        self.journal.commit = self.crashing_commit
        gateway = Gateway(self.store, rules=RULES, quorum=Quorum(owners=EVERYBODY.owners - {"owner"}))
        if self.store.head() is None:
            gateway.seed(SEED)
        if not self.line:
            self.line = [self.store.head().tree]
        self.containment = Containment(self)
        self.pipeline = Pipeline(
            self.journal, [], Tripwires([]), self.containment.handle, self.clock, ids=Ids(self.starts), history=history
        )
        start = self.pipeline.start
        self.pipeline.start = lambda **how: start(**how, threads=False)
        self.pipeline._recorder.wait_for_change = lambda _timeout: self.something_happens(waiting=True)
        accept, apply = self.pipeline.accept, self.pipeline.apply
        self.pipeline.accept = lambda approval, generation: self.accepting(accept, approval, generation)
        self.pipeline.apply = lambda change: self.between(apply, change)
        self.box = BallotBox(
            EVERYBODY,
            run="run",
            policy=gateway.quorum.digest,
            clock=self.clock,
            record=self.pipeline.by_people,
            system_owner="owner",
        )
        self.box.wait = lambda _timeout: self.something_happens(waiting=True)
        self.lineage = Lineage()
        self.correcting = Correcting(
            gateway, EVERYBODY, self.pipeline, self.lineage, run="run", clock=self.clock, ids=Ids(5000 + self.starts)
        )
        self.runner = Runner(
            lineage=self.lineage,
            pipeline=self.pipeline,
            gateway=gateway,
            box=self.box,
            judge=self.judge,
            containment=self.containment,
            start_guest=lambda files, _hello, _watch: Guest(self, files),
            subsets=None,
            bounds=Bounds(generations=100, evaluations=1000, wall_s=1e9, approvals_s=2 * 3600.0),
            system="test",
            seed=1,
            measure_k=None,
            clock=self.clock,
            ids=Ids(1000 + self.starts),
            wait_when_paused=True,
            progress=lambda _: None,
        )
        if history:
            self.runner.restore([record for record in history if isinstance(record, Event)])
        self.check_agreement(history)
        if self.pipeline.latch.throttle is None:
            self.pipeline.order(Order.THROTTLE, "ana", "slowly", argument=str(BUDGET))

    @staticmethod
    def was_paused(history):
        """By what is on disk alone: an order to pause that no resume came after."""
        paused = False
        for record in history:
            order = getattr(record, "order", None)
            if order is Order.PAUSE:
                paused = True
            elif order is Order.RESUME and getattr(record, "outcome", "") == "confirmed":
                paused = False
        return paused

    @staticmethod
    def rollback_pending(history):
        """By what is on disk alone: a rollback that was confirmed as ordered, and is not done."""
        pending = False
        for record in history:
            if getattr(record, "order", None) is Order.ROLL_BACK:
                pending = getattr(record, "outcome", "") == "confirmed"
            elif isinstance(record, Event) and isinstance(record.data, Control):
                pending = pending and record.data.order != "rolled_back"
        return pending

    # What comes in between ------------------------------------------------------------------------------------------

    def crashing_commit(self):
        if self.random.random() < 0.01:
            raise Crash
        done = self.commit()
        if self.random.random() < 0.01:
            raise Crash
        return done

    def between(self, apply, change):
        self.applying = True  # the head is locked: nobody else moves it here
        self.something_happens(chance=0.3)
        self.applying = False
        return apply(change)

    def something_happens(self, *, waiting=False, chance=0.35):
        if not waiting and self.random.random() > chance:
            return
        kinds = [self.vote] * 6 + [self.replay] * 2 + [self.time] * 2 + [self.pause, self.correct]
        kinds += [self.resume] * (6 if self.state == PAUSED else 0) + [self.roll_back] * 2 * (self.state == PAUSED)
        kinds += [self.edit] * (self.state == PAUSED)
        kinds += [self.review] if self.random.random() < 0.3 else []
        kinds += [self.crash, self.stop, self.freeze] if self.random.random() < 0.25 else []
        self.random.choice(kinds)()

    def vote(self):
        asked = self.box._open
        if asked is None:
            return
        who = self.random.choice(["ana", "ana", "ana-desk", "bo", "bo", "cy", "dot"])
        verdict = "reject" if self.random.random() < 0.05 else "approve"
        vote = Vote(
            verdict=verdict, run="run", proposal=asked.proposal, base=asked.base, tree=asked.tree, policy=asked.policy,
            epoch=self.starts, expires=self.now() + 3600 * self.random.choice([1, 1, 5]),
        )  # fmt: skip
        self.signed.append((who, vote))
        self.put_in(who, vote)

    def replay(self):
        if self.signed:
            self.put_in(*self.random.choice(self.signed))

    def put_in(self, who, vote):
        try:
            self.box.cast(sign(vote, key_of(who)))
            self.cast.add((who, vote))
        except Crash:
            self.cast.add((who, vote))  # on disk or not: nobody knows
            raise
        except InputError:
            self.seen["refused votes"] += 1

    def time(self):
        self.clock.advance(int(self.random.choice([0.2, 0.7, 1.1]) * HOUR_NS))

    def pause(self):
        if self.pipeline.order(Order.PAUSE, "ana", "look").outcome == "confirmed":
            self.state = PAUSED if self.state == RUNNING else self.state
            self.seen["pauses"] += 1

    def resume(self):
        if self.pipeline.order(Order.RESUME, "ana", "looked").outcome == "confirmed" and self.state == PAUSED:
            self.state = RUNNING

    def stop(self):
        self.pipeline.order(Order.STOP, "ana", "enough")
        self.state = STOPPED
        self.seen["stops"] += 1

    def roll_back(self):
        if self.target is None:
            self.target = self.line[-2] if len(self.line) > 1 else self.line[-1]
            assert self.pipeline.order(Order.ROLL_BACK, "ana", "undo").outcome == "confirmed"

    def edit(self):
        """A person corrects the run, or somebody hands in an old correction once more."""
        if self.target is not None:
            return
        if self.edits and self.random.random() < 0.4:
            signed, tree = self.random.choice(self.edits)
        else:
            head = self.store.head()
            content = str(self.random.randrange(100)).encode()
            tree = self.store.put_tree({**self.store.tree(head.tree), "solution.py": content})
            correction = Correction(
                run="run",
                mark=self.pipeline.latch.mark,
                base=head.tree,
                tree=tree,
                expires=self.now() + 1800,
                reason="x",
            )
            signed = sign(correction, key_of(self.random.choice(["ana", "bo"])))
            self.edits.append((signed, tree))
        self.target = tree
        try:
            self.correcting.correct(signed)
            assert signed not in self.edited, "one correction, put in force twice"
            self.edited.add(signed)
            self.seen["edits"] += 1
        except InputError:
            self.target = None

    def review(self):
        self.reviews += 1
        self.pipeline.review("ana", "looked")

    def crash(self):
        raise Crash

    def freeze(self):
        """This process stands still for so long that the dead man's switch kills the run."""
        self.lease_lost = True
        self.seen["leases"] += 1

    def correct(self):
        """Somebody who can write the store moves the head: not allowed to anybody, and not gone along with."""
        if self.applying or self.random.random() > 0.03 or self.state == STOPPED:
            return
        tree = self.store.put_tree({**SEED, "prompt.txt": b"by another hand"})
        self.foreign = True
        self.seen["foreign"] += 1
        _apply.apply(self.store, base=self.store.head().tree, tree=tree, proposal="foreign")

    # What must hold --------------------------------------------------------------------------------------------------

    def now(self):
        return self.clock.wall_ns() // 10**9

    def accepting(self, accept, approval, generation):
        recorded = accept(approval, generation=generation)
        if recorded is not None:
            fitting = [
                (w, v)
                for w, v in self.cast
                if (v.proposal, v.tree, v.epoch) == (approval.proposal, approval.tree, self.starts)
            ]
            owners = {OWNER[w] for w, v in fitting if v.verdict == "approve" and v.expires > self.now()} - {"owner"}
            rejected = any(v.verdict == "reject" for _, v in fitting)
            bases = {v.base for _, v in fitting}
            self.decided[approval.proposal] = (owners if not rejected else set(), bases, self.reviews)
        return recorded

    def renamed(self, rename, partial, head):
        """Around the one step that changes what is in force."""
        if self.random.random() < 0.03:
            raise Crash
        before = self.store.head()
        rename(partial, head)
        after = self.store.head()
        if after.proposal == "foreign" or before is None:
            return
        if after.proposal.startswith("rollback"):
            self.check_rollback(after)
        else:
            self.check_effect(before, after)
        if self.random.random() < 0.05:
            raise Crash

    def check_effect(self, before, after):
        name = after.proposal
        assert self.state == RUNNING, f"applied in a run that people had {self.state}"
        assert not self.lease_lost, "applied by a supervisor that had lost its lease"
        assert name not in self.applied, "applied twice"
        on_disk = [r.data for r in read_journal(self.directory) if isinstance(r, Event)]
        assert any(isinstance(d, Approval) and (d.proposal, d.verdict) == (name, "accepted") for d in on_disk), (
            "unrecorded"
        )
        asked = next(d for d in on_disk if isinstance(d, Proposal) and d.proposal == name)
        assert (asked.base, asked.tree) == (before.tree, after.tree), (
            "other bytes, or over another version, than reviewed"
        )
        old, new = (self.store.entries(tree) for tree in (before.tree, after.tree))
        if old["goal.json"] != new["goal.json"]:
            owners, bases, _ = self.decided[name]
            assert len(owners) >= 2, "a new objective without two owners who had signed it in time"
            assert bases == {before.tree}, "approved over another version"
            self.seen["by people"] += 1
        self.applied.append(name)
        self.between_reviews[self.decided[name][2]] += 1
        assert max(self.between_reviews.values()) <= BUDGET, "more applied between two reviews than people had set"
        self.line.append(after.tree)
        self.seen["applied"] += 1

    def check_rollback(self, after):
        assert after.tree == self.target, "rolled back to another version than was ordered"
        self.line = gone_back(self.line, after.tree)
        self.target = None
        self.seen["rolled back"] += 1

    def check_agreement(self, history):
        """What the journal says is in force is in force; between order and effect a rollback may be at either end."""
        if not history or self.foreign:
            return
        assert self.runner._lineage.line[-1:] in ([self.store.head().tree], []) or self.runner._lineage.going_back

    def finish(self, history):
        """The last journal, as a stranger would read it."""
        assert verify_journal(self.directory).ok
        if self.foreign:
            return
        line, going = [], ""
        for data in (record.data for record in history if isinstance(record, Event)):
            if (
                isinstance(data, Score)
                and data.proposal == "seed"
                and not line
                or isinstance(data, Approval)
                and data.verdict == "accepted"
            ):
                line.append(data.tree)
            elif isinstance(data, Control) and data.order == "not_applied":
                line.pop()
            elif isinstance(data, Control) and data.order == "rolling_back":
                going = data.reason
                line = line or [going]
            elif isinstance(data, Control) and data.order == "rolled_back":
                line = gone_back(line, going)
                going = ""
        if self.pipeline.state is RunState.FINISHED and not going:
            assert line[-1] == self.store.head().tree, "ledger and tree do not agree"
        counted = {
            d.signed for r in history if isinstance(r, Event) and isinstance(d := r.data, Ballot) and d.step != "open"
        }
        assert counted <= {sign(vote, key_of(who)) for who, vote in self.cast}, "votes that nobody cast"


def gone_back(line, tree):
    """The line after the head moved to a version that was on it, or to one that a person made."""
    return line[: len(line) - line[::-1].index(tree)] if tree in line else [*line, tree]


def simulate(path, seed, monkeypatch):
    """One history; what it has seen."""
    world = DoorWorld(path, seed)
    rename = _apply._rename
    with monkeypatch.context() as patched:
        patched.setattr(_apply, "_rename", lambda partial, head: world.renamed(rename, partial, head))
        world.finish(world.run())
    assert digest(b"") != world.store.head().tree
    return world.seen
