"""Orders to receipts, from any thread: check, record, act, record.

Containing orders (pause, stop, quarantine, deny) of a person and of silence act first and are
recorded at once afterwards, so that neither a full nor a hanging disk nor a busy pipeline can keep
them from happening. Rules on findings record first, but wait for the disk only for a moment. What
loosens (resume, a wider throttle) or changes the system (roll back) is recorded first and does not
happen otherwise.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec

from subcritical.actuators import Notify, Timeouts, act, refuse
from subcritical.clock import Clock
from subcritical.ids import Ids
from subcritical.pipeline.recorder import Recorder
from subcritical.schema import Action, Handle, HandleReport, Order, Receipt, Record, RunState, visible
from subcritical.tripwires import BY_PREFIX, LIFT, MOST_DENIED, NO_THROTTLE, Latch

First = Literal["act", "record", "must_record"]

_KILLS = frozenset({Order.STOP, Order.QUARANTINE})
_LONGEST_TEXT = 4096
_LONGEST_NAME = 200
_MOST_IDS = 1024
_MOMENT_S = 0.5
_CHANGE_S = 0.05


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An order before it is an action. With a `mark`, it is refused if anything was ordered after that action."""

    order: Order
    by: str
    reason: str
    findings: tuple[str, ...] = ()
    argument: str = ""
    mark: str = ""


class Orders:
    """Carries orders out on one handle. Thread-safe; a kill never waits for a pause that is under way."""

    def __init__(
        self,
        recorder: Recorder,
        handle: Handle,
        clock: Clock,
        ids: Ids,
        *,
        observe: Callable[[Sequence[Record]], object],
        timeouts: Timeouts,
        record_timeout_s: float,
        notify: Notify | None,
    ) -> None:
        """Act on `handle`; `observe` tells the tripwires of every receipt before the latch knows it."""
        self._recorder = recorder
        self._handle = handle
        self._clock = clock
        self._ids = ids
        self._observe = observe
        self._timeouts = timeouts
        self._record_timeout_s = record_timeout_s
        self._notify = notify
        # A kill is legal while a freeze waits for the kernel, so it takes a lock of its own.
        self._moving = threading.RLock()
        self._killing = threading.RLock()
        self._applying = threading.Lock()
        self.failed: Receipt | None = None

    def carry_out(self, wanted: Wanted, first: First) -> Receipt:
        """Carry `wanted` out and return the proof. Never raises because of handle, disk or text."""
        action = Action(
            id=self._ids.record("a"),
            order=wanted.order,
            by=_clean(wanted.by, _LONGEST_NAME),
            reason=_clean(wanted.reason, _LONGEST_TEXT),
            findings=tuple(_clean(identity, _LONGEST_NAME) for identity in wanted.findings[:_MOST_IDS]),
            argument=_clean(wanted.argument, _LONGEST_NAME),
        )
        with self._after_what_is_applied():
            ordered_ns = self._clock.boot_ns()
            moved = wanted.mark not in ("", self._recorder.latch.mark)
            slot = self._recorder.put(action)
        recorded = True
        if first != "act":
            wait_s = self._record_timeout_s if first == "must_record" else min(_MOMENT_S, self._record_timeout_s)
            recorded = self._recorder.make_durable(slot, wait_s)
        with self._killing if action.order in _KILLS else self._moving:
            refusal = "something was ordered in between" if moved else refusal_of(action, self._recorder.latch)
            if first == "must_record" and not recorded and not refusal:
                refusal = "the journal cannot be written, and what loosens or changes the run must be recorded first"
            receipt = self._act(action, ordered_ns, refusal)
            # The rules are armed again before the latch is released: a finding in between meets at least one of them.
            self._observe([receipt])
            written = self._recorder.put(receipt)
            self._keep(receipt)
            if action.order is Order.RESUME and receipt.outcome == "confirmed" and self._recorder.latch.causes:
                self._hold_again()
        if not self._recorder.make_durable(written, self._record_timeout_s):
            receipt = msgspec.structs.replace(receipt, detail=_joined(receipt.detail, "not yet in the journal"))
        return receipt

    def preview(self, wanted: Wanted) -> Receipt:
        """What `wanted` would do. Touches and records nothing."""
        action = Action(id="", order=wanted.order, by=wanted.by, reason=wanted.reason, argument=wanted.argument)
        action = msgspec.structs.replace(action, findings=wanted.findings)
        latch, ordered_ns = self._recorder.latch, self._clock.boot_ns()
        refusal = refusal_of(action, latch)
        if refusal:
            detail = f"dry run: {refusal}"
            return refuse(action, self._handle, latch.state, ordered_ns=ordered_ns, detail=detail)
        return act(action, self._handle, latch.state, self._clock, ordered_ns=ordered_ns, dry_run=True)

    def unless_held(self, change: Callable[[], None]) -> bool:
        """Do something quick that no order comes in the middle of; False, and not done, where a latch is down.

        What this does not protect against: a file system on which `change` hangs. An order waits for it only a moment,
        so that it still stops the run; the change may then be seen after it.
        """
        with self._applying:
            if self._recorder.latch.down:
                return False
            change()
            return True

    @contextlib.contextmanager
    def _after_what_is_applied(self) -> Iterator[None]:
        had = self._applying.acquire(timeout=_CHANGE_S)
        try:
            yield
        finally:
            if had:
                self._applying.release()

    def _act(self, action: Action, ordered_ns: int, refusal: str) -> Receipt:
        state = self._recorder.latch.state
        if refusal:
            return refuse(action, self._handle, state, ordered_ns=ordered_ns, detail=refusal)
        try:
            return act(
                action,
                self._handle,
                state,
                self._clock,
                ordered_ns=ordered_ns,
                timeouts=self._timeouts,
                notify=self._notify,
            )
        except Exception as error:  # noqa: BLE001 - a dead actuator: end the run by the handle itself
            return self._without_actuator(action, ordered_ns, error)

    def _without_actuator(self, action: Action, ordered_ns: int, error: Exception) -> Receipt:
        detail = f"the actuator failed: {type(error).__name__}: {visible(str(error), 300)}"
        report = HandleReport(verified=False, quiesced_ns=0, confirmed_ns=0, processes=0, survivors=-1)
        try:
            report = self._handle.kill(self._timeouts.kill_s)
        except Exception as second:  # noqa: BLE001 - nothing is left to try; the receipt says so and exits with 6
            detail += f"; so did the handle: {type(second).__name__}"
        return Receipt(
            action=action.id,
            order=action.order,
            outcome="escalated" if report.verified else "failed",
            state=RunState.KILLED if report.verified else RunState.KILLING,
            ordered_ns=ordered_ns,
            quiesced_ns=report.quiesced_ns,
            confirmed_ns=report.confirmed_ns,
            processes=report.processes,
            survivors=report.survivors,
            rung="unknown",
            detail=detail,
        )

    def _keep(self, receipt: Receipt) -> None:
        """Remember whether something may still run although it was ordered not to."""
        if receipt.state is RunState.KILLED and receipt.outcome in ("confirmed", "escalated"):
            self.failed = None
        elif receipt.outcome == "failed" and receipt.state is RunState.KILLING:
            self.failed = receipt

    def _hold_again(self) -> None:
        """A finding arrived that the resume did not name: it holds until it is named too."""
        reason = "found while the resume was under way; name these findings too"
        wanted = Wanted(order=Order.PAUSE, by="pipeline", reason=reason, findings=self._recorder.latch.findings)
        self.carry_out(wanted, "act")


def refusal_of(action: Action, latch: Latch) -> str:
    """Why `action` is not carried out although its state would allow it; empty where nothing speaks against it."""
    if action.order is Order.RESUME:
        return _resume_refusal(action, latch)
    if action.order is Order.THROTTLE:
        return _throttle_refusal(action, latch)
    if action.order is Order.DENY and action.argument:
        return _denial_refusal(action, latch)
    return ""


def loosens(order: Order, argument: str, latch: Latch) -> bool:
    """Whether the order lets the system do more than it may now, or changes it."""
    if order is Order.THROTTLE:
        limit = _limit(argument)
        return latch.throttle is not None and (limit is None or limit > latch.throttle)
    if order is Order.DENY:
        return argument.startswith(LIFT)
    return order in (Order.RESUME, Order.ROLL_BACK)


def _resume_refusal(action: Action, latch: Latch) -> str:
    if action.by.startswith(BY_PREFIX):
        return "no rule resumes a run; that takes a person"
    if latch.roll_back is not None:  # a run that goes on would never stand still for it, and could accept nothing
        return "a rollback or a correction is under way; resume when it is done (`status` shows it)"
    if not latch.causes:
        return ""
    if not action.by.strip() or not action.reason.strip():
        return "a latch is down: say who resumes and why"
    return _unnamed(action, latch.findings)


def _throttle_refusal(action: Action, latch: Latch) -> str:
    if action.argument != NO_THROTTLE and _limit(action.argument) is None:
        return f"throttle needs the number of accepted changes between two reviews, or `{NO_THROTTLE}`"
    if not loosens(action.order, action.argument, latch) or action.by.startswith(BY_PREFIX):
        return ""
    if not action.by.strip() or not action.reason.strip():
        return "this loosens the throttle: say who and why"
    return _unnamed(action, latch.throttle_findings)


def _denial_refusal(action: Action, latch: Latch) -> str:
    """A quarantine of artifacts is one person's or a rule's to order, and only people's to lift."""
    if not action.argument.startswith(LIFT):
        full = len(latch.denied) >= MOST_DENIED and action.argument not in latch.denied
        return f"{MOST_DENIED} patterns are in quarantine already; pause the run instead" if full else ""
    if action.by.startswith(BY_PREFIX) or not action.by.strip() or not action.reason.strip():
        return "a quarantine is lifted by people: say who and why"
    pattern = action.argument.removeprefix(LIFT)
    known = ", ".join(latch.denied) or "nothing"
    return "" if pattern in latch.denied else f"{pattern[:200]} is not in quarantine; what is: {known}"


def _unnamed(action: Action, needed: Sequence[str]) -> str:
    missing = [identity for identity in needed if identity not in action.findings]
    return f"name the findings that tripped it; missing: {', '.join(missing)}" if missing else ""


def _limit(argument: str) -> int | None:
    digits = argument.isascii() and argument.isdigit() and len(argument) <= 9  # noqa: PLR2004 - a billion is no limit
    return int(argument) if digits else None


def _clean(text: str, longest: int) -> str:
    """Text the journal can hold: no lone surrogates, and not endless. Whoever shows it escapes it."""
    return text[:longest].encode("utf-8", "backslashreplace").decode("utf-8")


def _joined(detail: str, more: str) -> str:
    return f"{detail}; {more}" if detail else more
