"""Carry an action out on a handle and prove it.

A receipt never says more than the kernel confirmed: PAUSED only after a verified freeze, otherwise
the tree is killed; KILLED only after a verified kill, otherwise the outcome is `failed`. A handle
that raises has confirmed nothing. Never thaw in order to kill.

What this does not protect against: a handle that lies. The sandbox room owns that proof.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from subcritical.actuators.matrix import Step, step_for, why_refused
from subcritical.clock import Clock
from subcritical.schema import Action, Handle, HandleReport, Order, Receipt, RunState, visible

Outcome = Literal["confirmed", "escalated", "failed", "refused"]
Notify = Callable[[str], None]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long the kernel gets to confirm, in seconds, > 0. Then the next stronger action follows."""

    freeze_s: float = 2.0
    kill_s: float = 5.0


class _Job(NamedTuple):
    action: Action
    handle: Handle
    state: RunState
    timeouts: Timeouts
    notify: Notify | None


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    outcome: Outcome
    state: RunState
    report: HandleReport | None = None
    detail: str = ""


def act(
    action: Action,
    handle: Handle,
    state: RunState,
    clock: Clock,
    *,
    ordered_ns: int | None = None,
    timeouts: Timeouts | None = None,
    notify: Notify | None = None,
    dry_run: bool = False,
) -> Receipt:
    """Carry out `action` on a run in `state`.

    `roll_back`, `throttle` and `deny` only order: the gateway and the loop read the latch. Legal
    in every state: `stop`, `quarantine`, `notify`.

    Args:
        action: What was ordered; for a containing order it need not be recorded yet.
        handle: Everything the run started.
        state: State before the action.
        clock: Source of ORDERED where the caller has none.
        ordered_ns: CLOCK_BOOTTIME nanoseconds at which the supervisor received the order.
        timeouts: How long the kernel gets.
        notify: Shows one line to a person. The text may hold hostile characters: the callee escapes.
        dry_run: Touch nothing; say what would happen.

    Returns:
        The receipt. Never raises because of the handle or the callback.
    """
    ordered_ns = clock.boot_ns() if ordered_ns is None else ordered_ns
    step = step_for(action.order, state)
    if dry_run:
        detail = why_refused(action.order, state) if step is Step.REFUSE else f"would {step.value} the run"
        result = _Result(outcome="refused", state=state, detail=f"dry run: {detail}")
    else:
        result = _take(step, _Job(action, handle, state, timeouts or Timeouts(), notify))
    return _receipt(action, handle, ordered_ns, result)


def refuse(action: Action, handle: Handle, state: RunState, *, ordered_ns: int, detail: str) -> Receipt:
    """The receipt of an action that was not carried out, for a reason outside the matrix."""
    return _receipt(action, handle, ordered_ns, _Result(outcome="refused", state=state, detail=detail))


def _take(step: Step, job: _Job) -> _Result:
    if step is Step.FREEZE:
        return _freeze(job.handle, job.timeouts)
    if step is Step.THAW:
        return _thaw(job.handle, job.timeouts)
    if step is Step.KILL:
        return _kill(job.handle, job.timeouts, job.state)
    if step is Step.TELL:
        return _tell(job.action, job.state, job.notify)
    if step is Step.NOTE:
        return _Result(outcome="confirmed", state=job.state, detail=_note(job.action))
    return _Result(outcome="refused", state=job.state, detail=why_refused(job.action.order, job.state))


def _freeze(handle: Handle, timeouts: Timeouts) -> _Result:
    report = _ask(lambda: handle.freeze(timeouts.freeze_s))
    if report.verified:
        return _Result(outcome="confirmed", state=RunState.PAUSED, report=report, detail=report.detail)
    return _escalate(handle, timeouts, f"pause not verified within {timeouts.freeze_s:g} s", report)


def _thaw(handle: Handle, timeouts: Timeouts) -> _Result:
    report = _ask(handle.thaw)
    if report.verified:
        return _Result(outcome="confirmed", state=RunState.RUNNING, report=report, detail=report.detail)
    # Half of it may run now. Going back to a proven state comes before trying again.
    again = _ask(lambda: handle.freeze(timeouts.freeze_s))
    if again.verified:
        detail = f"it did not run again ({report.detail}), so it is frozen again"
        return _Result(outcome="failed", state=RunState.PAUSED, report=again, detail=detail)
    return _escalate(handle, timeouts, "neither resumed nor frozen again", again)


def _kill(handle: Handle, timeouts: Timeouts, state: RunState) -> _Result:
    report = _ask(lambda: handle.kill(timeouts.kill_s))
    if report.verified:
        dead = state if state is RunState.FINISHED else RunState.KILLED
        return _Result(outcome="confirmed", state=dead, report=report, detail=report.detail)
    return _Result(outcome="failed", state=RunState.KILLING, report=report, detail=_unconfirmed(report, timeouts))


def _escalate(handle: Handle, timeouts: Timeouts, why: str, first: HandleReport) -> _Result:
    report = _ask(lambda: handle.kill(timeouts.kill_s))
    # User code stopped when the earlier of the two calls returned.
    quiesced_ns = first.quiesced_ns or report.quiesced_ns
    report = msgspec.structs.replace(report, quiesced_ns=quiesced_ns)
    if report.verified:
        return _Result(outcome="escalated", state=RunState.KILLED, report=report, detail=f"{why}: killed")
    detail = f"{why}: {_unconfirmed(report, timeouts)}"
    return _Result(outcome="failed", state=RunState.KILLING, report=report, detail=detail)


def _tell(action: Action, state: RunState, notify: Notify | None) -> _Result:
    if notify is None:
        return _Result(outcome="confirmed", state=state, detail="recorded; nobody is there to be told")
    try:
        notify(f"{action.by}: {action.reason}")
    except Exception as error:  # noqa: BLE001 - a dead channel must not stop the supervisor; the receipt says so
        return _Result(outcome="failed", state=state, detail=f"not told: {_named(error)}")
    return _Result(outcome="confirmed", state=state)


def _note(action: Action) -> str:
    if action.order is Order.ROLL_BACK:
        return "ordered; the gateway applies it"
    if action.order is Order.THROTTLE:
        return f"accepted changes between two reviews: {action.argument}"
    if action.order is Order.DENY:
        return f"in quarantine: {action.argument}" if action.argument else "nothing will be applied until a resume"
    return "already running"


def _ask(call: Callable[[], HandleReport]) -> HandleReport:
    """What the handle says; a handle that raises says nothing, and nothing is not a confirmation."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - unknown is unsafe: the caller takes the next stronger action
        detail = f"the handle failed: {_named(error)}"
        return HandleReport(verified=False, quiesced_ns=0, confirmed_ns=0, processes=0, survivors=-1, detail=detail)


def _unconfirmed(report: HandleReport, timeouts: Timeouts) -> str:
    left = "an unknown number of processes" if report.survivors < 0 else f"{report.survivors} processes"
    more = f" ({report.detail})" if report.detail else ""
    return f"kill not confirmed within {timeouts.kill_s:g} s, {left} may still run{more}"


def _named(error: Exception) -> str:
    """The error in one line that cannot move a terminal's cursor."""
    return f"{type(error).__name__}: {visible(str(error), 300)}"


def _receipt(action: Action, handle: Handle, ordered_ns: int, result: _Result) -> Receipt:
    report = result.report
    return Receipt(
        action=action.id,
        order=action.order,
        outcome=result.outcome,
        state=result.state,
        ordered_ns=ordered_ns,
        quiesced_ns=report.quiesced_ns if report else 0,
        confirmed_ns=report.confirmed_ns if report else 0,
        processes=report.processes if report else 0,
        survivors=report.survivors if report else -1,
        rung=_rung(handle),
        detail=result.detail,
    )


def _rung(handle: Handle) -> str:
    try:
        return handle.rung
    except Exception:  # noqa: BLE001 - a receipt must be written even for a broken handle
        return "unknown"
