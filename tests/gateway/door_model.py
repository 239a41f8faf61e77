"""The protocol of a change as an explicit-state model, every interleaving of it, and an oracle that counts for itself.

The model knows nothing of the product's code: it says in some two hundred lines what the gateway, its ballot box, the
latch and the ledger do between them, step by step, with a crash possible between any two. `explore` visits every
reachable state within the bounds. The oracle looks at what happened to the tree, at what people signed and at the
orders they gave; it reads none of the model's own counters. A defect is one guard left out, by name.
"""

from collections import deque
from typing import NamedTuple

OWNER = {"a1": "a", "a2": "a", "b1": "b", "o1": "o"}
SYSTEM_OWNER = "o"
TREE = {"p": "P", "p again": "P", "q": "Q"}
SEED = "seed"
LIFETIME = 1
DEFECTS = {
    "double_apply": "what was applied stays accepted",
    "approval_replay": "a vote is matched by its tree alone",
    "self_approval": "keys are counted, not owners",
    "system_owner_approves": "the owner of the system counts",
    "base_moved": "the base is not compared",
    "applies_while_paused": "the latch is not looked at when applying",
    "applies_after_stop": "a stop is not looked at when applying",
    "crash_unnoticed": "what a crash left half done is not taken up",
    "stale_lease": "who lost the lease applies all the same",
    "budget_rolled_back": "a rollback gives the budget back",
    "unrecorded": "the acceptance is recorded after its effect",
    "expired_counts": "expired votes count",
    "reject_ignored": "a rejection does not end the question",
    "rollback_twice": "a rollback cut in two is done once more from where it is",
}


class Vote(NamedTuple):
    """What somebody signed."""

    key: str
    verdict: str
    proposal: str
    base: str
    epoch: int
    expires: int


class State(NamedTuple):
    """Everything. `signed`, `decided`, `effects` are the oracle's; the model's guards do not read them."""

    tree: str = SEED
    log: tuple = ()
    asked: frozenset = frozenset()
    alive: bool = True
    epoch: int = 1
    phase: tuple = ("idle",)
    votes: frozenset = frozenset()
    zombie: tuple = ()
    paused: bool = False
    stopped: bool = False
    time: int = 0
    signed: frozenset = frozenset()
    decided: tuple = ()
    effects: tuple = ()


class ViolationError(AssertionError):
    """The oracle says that something happened which must not."""


class Model:
    """Steps of the protocol, with the guards that are not in `defects`."""

    def __init__(
        self, defects=(), *, proposals=("p", "q"), keys=tuple(OWNER), budget=1, most_votes=3, crashes=1, times=1
    ):
        self.defects = frozenset(defects)
        self.proposals, self.keys, self.budget = proposals, keys, budget
        self.most_votes, self.crashes, self.times = most_votes, crashes, times

    def has(self, name):
        return name in self.defects

    def steps(self, s):
        """Every state that can come next, with the name of the step."""
        for make in (self.guest, self.people, self.supervisor, self.orders, self.faults):
            for name, after in make(s):
                yield name, self.without_the_useless(after)

    def without_the_useless(self, s):
        """Forget votes about trees that nobody will ask about again: no step can use them."""
        open_now = {s.phase[1]} if s.phase[0] == "asked" else set()
        useful = {TREE[name] for name in open_now | set(self.proposals) - s.asked}
        return s._replace(signed=frozenset(v for v in s.signed if TREE[v.proposal] in useful))

    # the guest and the people ---------------------------------------------------------------------

    def guest(self, s):
        if s.alive and s.phase == ("idle",) and not s.paused and not s.stopped:
            for name in self.proposals:
                if name not in s.asked and TREE[name] != s.tree:
                    asked = s.asked | {name}
                    yield f"ask {name}", s._replace(phase=("asked", name, s.tree), asked=asked, votes=frozenset())

    def people(self, s):
        if not s.alive or s.phase[0] != "asked":
            return
        _, name, base = s.phase
        for key in self.keys if sum(v.proposal == name for v in s.signed) < self.most_votes else ():
            for verdict in ("approve", "reject") if key == "b1" else ("approve",):
                vote = Vote(key, verdict, name, base, s.epoch, s.time + LIFETIME)
                if vote not in s.signed:
                    yield f"{verdict} {name} {key}", self.cast(s._replace(signed=s.signed | {vote}), vote)
        for vote in s.signed - s.votes:
            after = self.cast(s, vote)
            if after != s:
                yield f"replay {vote}", after

    def cast(self, s, vote):
        """What the ballot box does with a vote."""
        _, name, base = s.phase
        fits = (vote.proposal, vote.base, vote.epoch) == (name, base, s.epoch)
        if self.has("approval_replay"):
            fits = TREE[vote.proposal] == TREE[name]
        if not fits or vote.expires <= s.time and not self.has("expired_counts"):
            return s
        if OWNER[vote.key] == SYSTEM_OWNER and vote.verdict == "approve" and not self.has("system_owner_approves"):
            return s
        if vote in s.votes:
            return s
        return s._replace(votes=s.votes | {vote})

    # the supervisor ----------------------------------------------------------------------------------

    def quorum(self, s):
        held = [v for v in s.votes if v.expires > s.time or self.has("expired_counts") or v.verdict == "reject"]
        if any(v.verdict == "reject" for v in held) and not self.has("reject_ignored"):
            return False
        voters = {v.key if self.has("self_approval") else OWNER[v.key] for v in held if v.verdict == "approve"}
        return len(voters) >= 2

    def budget_left(self, s):
        since = s.log
        if self.has("budget_rolled_back"):
            back = [place for place, entry in enumerate(s.log) if entry[0] == "rolled"]
            since = s.log[back[-1] :] if back else s.log
        accepted = sum(entry[0] == "accept" for entry in since)
        return accepted < self.budget

    def supervisor(self, s):
        if not s.alive:
            return
        if s.phase[0] == "asked":
            _, name, base = s.phase
            if not (s.paused or s.stopped) and self.quorum(s) and self.budget_left(s):
                log = s.log if self.has("unrecorded") else (*s.log, ("accept", name))
                after = s._replace(phase=("accepted", name, base), log=log, votes=frozenset())
                yield f"accept {name}", after._replace(decided=(*s.decided, self.truly_decided(s, name, base)))
            yield f"give up {name}", s._replace(phase=("idle",), votes=frozenset())
        if s.phase[0] == "accepted":
            yield from self.apply(s, s.phase, "apply")
        if s.phase[0] == "rolling":
            target = s.phase[1]
            yield f"roll back to {target}", s._replace(phase=("rolled", target), tree=target)
        if s.phase[0] == "rolled":
            yield "rolled back", s._replace(phase=("idle",), log=(*s.log, ("rolled", s.phase[1])))

    def apply(self, s, phase, how):
        _, name, base = phase
        held = s.paused and not self.has("applies_while_paused")
        gone = s.stopped and not self.has("applies_after_stop")
        moved = s.tree != base and not self.has("base_moved")
        if held or gone:
            return
        if moved:
            if how == "apply":
                yield f"base of {name} moved", s._replace(phase=("idle",), log=(*s.log, ("not applied", name)))
            return
        self.check_effect(s, name, base, how)
        after = s._replace(tree=TREE[name], effects=(*s.effects, name))
        if how != "apply":
            yield f"{how} {name}", after._replace(zombie=())
            return
        if self.has("unrecorded"):
            after = after._replace(log=(*s.log, ("accept", name)))
        yield f"{how} {name}", after if self.has("double_apply") else after._replace(phase=("idle",))

    # people's orders and faults -----------------------------------------------------------------------

    def orders(self, s):
        if not s.alive or s.stopped:
            return
        if not s.paused:
            yield "pause", s._replace(paused=True)
        elif s.phase[0] not in ("rolling", "rolled"):
            yield "resume", s._replace(paused=False)
            line = line_of(s.log)
            if len(line) > 1 and s.phase[0] != "accepted" and not any(entry[0] == "rolling" for entry in s.log):
                target = line[-2]
                log = (*s.log, ("rolling", target))
                yield "order rollback", s._replace(phase=("rolling", target), log=log, votes=frozenset())
                if s.phase[0] == "asked":
                    # The question stays open while the head moves: only the comparison of bases is in the way.
                    yield "rollback under a question", s._replace(tree=target, log=(*log, ("rolled", target)))
        yield "stop", s._replace(stopped=True)

    def faults(self, s):
        if s.time < self.times:
            yield "time passes", s._replace(time=s.time + 1)
        if s.alive and s.epoch <= self.crashes:
            dead = s._replace(alive=False, phase=("idle",), votes=frozenset())
            yield "crash", dead
            if s.phase[0] == "accepted":
                yield "freeze", dead._replace(zombie=s.phase)
        if not s.alive:
            yield "restart", self.restart(s)
        if s.alive and s.zombie and self.has("stale_lease"):
            yield from self.apply(s, s.zombie, "zombie applies")

    def restart(self, s):
        """Take up what the ledger says."""
        after = s._replace(alive=True, epoch=s.epoch + 1, stopped=False)
        last = [entry for entry in s.log if entry[0] in ("accept", "not applied", "rolling", "rolled")][-1:]
        if last and last[0][0] == "accept" and s.tree != TREE[last[0][1]] and not self.has("crash_unnoticed"):
            after = after._replace(log=(*s.log, ("not applied", last[0][1])))
        if last and last[0][0] == "rolling" and not self.has("crash_unnoticed"):
            target = last[0][1]
            if self.has("rollback_twice"):
                line = line_of(s.log)
                at = line.index(s.tree) if s.tree in line else 0
                target = line[max(0, at - 1)]
            after = after._replace(phase=("rolling", target), paused=True)
        self.check_agreement(after)
        return after

    # the oracle ----------------------------------------------------------------------------------------

    @staticmethod
    def truly_decided(s, name, base):
        """What people had really signed when it was accepted: distinct owners but the system's, in time, of this start."""
        fitting = [v for v in s.signed if (v.proposal, v.base, v.epoch) == (name, base, s.epoch)]
        owners = {OWNER[v.key] for v in fitting if v.verdict == "approve" and v.expires > s.time}
        rejected = any(v.verdict == "reject" for v in fitting)
        return name, len(owners - {SYSTEM_OWNER}) >= 2 and not rejected

    def check_effect(self, s, name, base, how):
        """Before the tree changes: may it?"""
        if (name, True) not in s.decided:
            raise ViolationError(f"{name} was applied without two owners who signed it in time")
        if name in s.effects:
            raise ViolationError(f"{name} was applied twice")
        if s.tree != base:
            raise ViolationError(f"{name} was approved over {base} and applied over {s.tree}")
        if s.paused:
            raise ViolationError(f"{name} was applied in a paused run")
        if s.stopped:
            raise ViolationError(f"{name} was applied after a stop")
        if how != "apply":
            raise ViolationError(f"{name} was applied by a supervisor that had lost its lease")
        if ("accept", name) not in s.log:
            raise ViolationError(f"{name} was applied before its acceptance was recorded")
        if len(s.effects) >= self.budget:
            raise ViolationError("more was applied between two reviews than people had set")

    @staticmethod
    def check_agreement(s):
        """After a restart: does the ledger say what is in force? A rollback that is under way may be at either end."""
        line = line_of(s.log)
        rolling = s.phase[0] == "rolling"
        if s.tree != line[-1] and not (rolling and s.tree == s.phase[1]):
            raise ViolationError(f"the ledger says {line[-1]}, in force is {s.tree}")
        ordered = [entry[1] for entry in s.log if entry[0] == "rolling"]
        if rolling and s.phase[1] not in ordered:
            raise ViolationError(f"a rollback to {ordered[-1:]} goes on to {s.phase[1]}")


def line_of(log):
    """The versions that led to the one in force, by the ledger's words alone."""
    line = [SEED]
    for entry in log:
        if entry[0] == "accept":
            line.append(TREE[entry[1]])
        elif entry[0] == "not applied":
            line.pop()
        elif entry[0] == "rolled" and entry[1] in line:
            del line[line.index(entry[1]) + 1 :]
    return line


class Explored(NamedTuple):
    """How much was visited, and the shortest way to a violation, if there is one."""

    states: int
    steps: int
    deepest: int
    violation: str
    way: tuple


def explore(model, most_states=2_000_000):
    """Breadth first, every state once."""
    first = State()
    came_from = {first: None}
    queue, taken, deepest = deque([(first, 0)]), 0, 0
    while queue:
        state, depth = queue.popleft()
        deepest = max(deepest, depth)
        try:
            for name, after in model.steps(state):
                taken += 1
                if after not in came_from:
                    came_from[after] = (state, name)
                    queue.append((after, depth + 1))
        except ViolationError as found:
            return Explored(len(came_from), taken, deepest, str(found), _way(came_from, state))
        if len(came_from) > most_states:
            raise RuntimeError(f"more than {most_states} states: the bounds are too wide")
    return Explored(len(came_from), taken, deepest, "", ())


def _way(came_from, state):
    names = []
    while came_from[state] is not None:
        state, name = came_from[state]
        names.append(name)
    return tuple(reversed(names))
