"""What holds a run back, as a fold over its records. Replaying a journal gives the same latch.

Only records of the supervisor itself move a latch: an event whose producer is not one of ours is
a statement by somebody, however it is labelled. What this does not protect against: whoever can
write the journal can also write the records that release a latch.
"""

from __future__ import annotations

import msgspec

from subcritical.schema import (
    Action,
    Approval,
    Control,
    Event,
    Finding,
    Heartbeat,
    Order,
    Receipt,
    Record,
    Review,
    RunState,
)
from subcritical.tripwires.rules import BY_PREFIX

TRUSTED_PRODUCERS = frozenset({"loop", "pipeline", "gateway"})
"""Producers inside the supervisor's own process."""

START = "start"
"""`Control.order` when a guest is started; an absorbed `killed` ends here and nowhere else."""
ROLLED_BACK = "rolled_back"
"""`Control.order` when the gateway has carried out an ordered rollback."""
NOT_ROLLED_BACK = "not_rolled_back"
"""`Control.order` when it cannot: the version was never accepted. The run stays as it is, paused."""
NO_THROTTLE = "off"
"""Argument of `throttle` that lifts it."""
LIFT = "lift:"
"""Before a pattern in the argument of `deny`: its artifacts are in quarantine no longer."""
PREVIOUS = "previous"
"""Version meant by a `roll_back` that names none: the one before the version in force."""

LIVE = frozenset({RunState.STARTING, RunState.RUNNING, RunState.PAUSING, RunState.PAUSED})
"""States in which user code may run now or later."""

_KILLS = frozenset({Order.STOP, Order.QUARANTINE})
_HOLDS = frozenset({Order.PAUSE, Order.DENY})
_MOVES = frozenset({Order.PAUSE, Order.RESUME}) | _KILLS
_MOST_FINDINGS = 256
_MOST_CAUSES = 64
_MOST_OPEN = 64
MOST_DENIED = 64


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why a latch is down: who ordered what, and why."""

    by: str
    order: Order
    reason: str

    @property
    def text(self) -> str:
        """One line for people."""
        return f"{self.order} by {self.by or 'somebody'}: {self.reason or 'no reason given'}"


class Latch(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands and what holds it.

    Attributes:
        state: State of the run.
        causes: Orders that hold it and that no resume has released.
        findings: Ids a resume has to name: the findings that tripped, and every finding of high
            severity or above recorded while the latch was down. At most 256; `more_findings`
            counts the rest.
        throttle: At most so many accepted changes since the last review; None: no limit.
        throttle_findings: Findings that set the throttle; loosening it must name them.
        accepted: Accepted changes since the last recorded review.
        roll_back: Version that a rollback was ordered to and that is not done yet.
        denied: Patterns of paths in quarantine: nothing that changes one is accepted or applied. At most `MOST_DENIED`.
        quarantined: The run was killed and marked; a later start does not clear it, a resume does.
        epoch: How often a guest was started.
        open: Actions without a receipt.
        mark: Id of the latest action; it changes with every order, also a refused one.
    """

    state: RunState = RunState.STARTING
    causes: tuple[Cause, ...] = ()
    findings: tuple[str, ...] = ()
    more_findings: int = 0
    throttle: int | None = None
    throttle_findings: tuple[str, ...] = ()
    accepted: int = 0
    roll_back: str | None = None
    denied: tuple[str, ...] = ()
    quarantined: bool = False
    epoch: int = 0
    open: tuple[Action, ...] = ()
    mark: str = ""

    @property
    def down(self) -> bool:
        """Whether nothing may be applied."""
        held = bool(self.causes) or self.roll_back is not None or self.quarantined
        return held or self.state not in (RunState.STARTING, RunState.RUNNING)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, one line each."""
        return tuple(cause.text for cause in self.causes)

    @property
    def may_accept(self) -> bool:
        """Whether one more self-change may be accepted now."""
        return not self.down and (self.throttle is None or self.accepted < self.throttle)

    def apply(self, record: Record) -> Latch:
        """The latch after one more record."""
        if isinstance(record, Event):
            return _after_event(self, record)
        if isinstance(record, Finding):
            return _with_findings(self, (record.id,)) if self.down and record.severity.may_pause else self
        if isinstance(record, Action):
            return _after_action(self, record)
        if isinstance(record, Receipt):
            return _after_receipt(self, record)
        return self


_but = msgspec.structs.replace


def _after_event(latch: Latch, event: Event) -> Latch:
    if event.producer not in TRUSTED_PRODUCERS:
        return latch
    data = event.data
    if isinstance(data, Control):
        return _after_control(latch, data)
    if isinstance(data, Approval) and data.verdict == "accepted":
        return _but(latch, accepted=latch.accepted + 1)
    if isinstance(data, Review):
        return _but(latch, accepted=0)
    if isinstance(data, Heartbeat) and data.end and event.producer == "pipeline" and latch.state in LIVE:
        return _but(latch, state=RunState.FINISHED)
    return latch


def _after_control(latch: Latch, control: Control) -> Latch:
    """A new guest. What a rule, a pause or a finding holds stays; a person's plain stop ends with this start."""
    if control.order in (ROLLED_BACK, NOT_ROLLED_BACK):
        return _but(latch, roll_back=None)
    if control.order != START:
        return latch
    stays = tuple(
        cause
        for cause in latch.causes
        if cause.order is not Order.STOP or cause.by.startswith(BY_PREFIX) or latch.findings
    )
    held = bool(stays) or latch.quarantined or latch.roll_back is not None
    state = RunState.PAUSING if held else RunState.RUNNING
    return _but(latch, state=state, causes=stays, epoch=latch.epoch + 1, open=())


def _after_action(latch: Latch, action: Action) -> Latch:
    """Holding and killing count from the order on, not from its confirmation."""
    latch = _but(latch, open=(*latch.open, action)[-_MOST_OPEN:], mark=action.id)
    if action.order in _KILLS and latch.state is not RunState.FINISHED:
        state = latch.state if latch.state is RunState.KILLED else RunState.KILLING
        quarantined = latch.quarantined or action.order is Order.QUARANTINE
        return _because(_but(latch, state=state, quarantined=quarantined), action)
    if action.order is Order.DENY and action.argument:
        return _denied(latch, action.argument)
    if action.order in _HOLDS and latch.state in LIVE:
        pausing = action.order is Order.PAUSE and latch.state is not RunState.PAUSED
        return _because(_but(latch, state=RunState.PAUSING) if pausing else latch, action)
    return latch


def _denied(latch: Latch, pattern: str) -> Latch:
    """One more pattern in quarantine, from the order on. Lifting waits for its receipt."""
    if pattern.startswith(LIFT) or pattern in latch.denied:
        return latch
    return _but(latch, denied=(*latch.denied, pattern)[:MOST_DENIED])


def _because(latch: Latch, action: Action) -> Latch:
    cause = Cause(by=action.by, order=action.order, reason=action.reason)
    causes = latch.causes if cause in latch.causes else (*latch.causes, cause)[:_MOST_CAUSES]
    return _with_findings(_but(latch, causes=causes), action.findings)


def _with_findings(latch: Latch, ids: tuple[str, ...]) -> Latch:
    new = tuple(dict.fromkeys(identity for identity in ids if identity and identity not in latch.findings))
    room = max(0, _MOST_FINDINGS - len(latch.findings))
    return _but(latch, findings=latch.findings + new[:room], more_findings=latch.more_findings + len(new[room:]))


def _after_receipt(latch: Latch, receipt: Receipt) -> Latch:
    action = next((action for action in latch.open if action.id == receipt.action), None)
    latch = _but(latch, open=tuple(action for action in latch.open if action.id != receipt.action))
    if receipt.outcome == "refused":
        return latch
    if receipt.order in _MOVES:
        latch = _but(latch, state=_next_state(latch.state, receipt.state))
    if action is None or receipt.outcome != "confirmed":
        return latch
    if action.order is Order.ROLL_BACK:
        return _but(latch, roll_back=action.argument or PREVIOUS)
    if action.order is Order.THROTTLE:
        return _throttled(latch, action)
    if action.order is Order.DENY and action.argument.startswith(LIFT):
        return _but(latch, denied=tuple(p for p in latch.denied if p != action.argument.removeprefix(LIFT)))
    return _released(latch, action) if action.order is Order.RESUME else latch


def _released(latch: Latch, action: Action) -> Latch:
    """Release what the resume named. A finding that came in between stays, and so do the causes then."""
    left = tuple(identity for identity in latch.findings if identity not in action.findings)
    if left:
        return _but(latch, findings=left)
    return _but(latch, causes=(), findings=(), more_findings=0, quarantined=False)


def _throttled(latch: Latch, action: Action) -> Latch:
    """A rule only tightens; a person may loosen, and takes the findings off by doing so."""
    if action.argument == NO_THROTTLE:
        return _but(latch, throttle=None, throttle_findings=())
    limit = int(action.argument)
    if action.by.startswith(BY_PREFIX):
        named = tuple(dict.fromkeys((*latch.throttle_findings, *action.findings)))[:_MOST_FINDINGS]
        tightest = limit if latch.throttle is None else min(limit, latch.throttle)
        return _but(latch, throttle=tightest, throttle_findings=named)
    loosened = latch.throttle is not None and limit > latch.throttle
    return _but(latch, throttle=limit, throttle_findings=() if loosened else latch.throttle_findings)


def _next_state(now: RunState, reported: RunState) -> RunState:
    """`killed` is absorbing, `killing` only leads there, whatever an action that was under way reports later."""
    if now is RunState.KILLED:
        return now
    if now is RunState.KILLING and reported is not RunState.KILLED:
        return now
    return reported
