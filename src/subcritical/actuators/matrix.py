"""Which order does what in which state: the whole matrix, one cell each, nothing by default."""

from __future__ import annotations

from enum import StrEnum

from subcritical.schema import Order, RunState


class Step(StrEnum):
    """What an order does to the processes."""

    FREEZE = "freeze"
    """Freeze and verify; what cannot be verified is killed. Repeated on a paused run, it verifies again."""
    THAW = "thaw"
    """Let it run; what does not run again is frozen again."""
    KILL = "kill"
    """Kill and verify. Repeated on a dead run, it verifies again."""
    NOTE = "note"
    """Touches no process: the record is the effect."""
    TELL = "tell"
    """Touches no process: a person is told."""
    REFUSE = "refuse"
    """Not legal here; nothing happens."""


def _row(default: Step, **cells: Step) -> dict[RunState, Step]:
    return {state: cells.get(state.value, default) for state in RunState}


_MATRIX: dict[Order, dict[RunState, Step]] = {
    # While a kill is not confirmed, a pause asks for less than what is under way: kill again.
    Order.PAUSE: _row(Step.FREEZE, killing=Step.KILL, killed=Step.REFUSE, finished=Step.REFUSE),
    # `running`: nothing to thaw, but a `deny` latch is released.
    Order.RESUME: _row(Step.REFUSE, running=Step.NOTE, paused=Step.THAW),
    Order.THROTTLE: _row(Step.NOTE, killing=Step.REFUSE, killed=Step.REFUSE, finished=Step.REFUSE),
    Order.STOP: _row(Step.KILL),
    Order.ROLL_BACK: _row(Step.REFUSE, paused=Step.NOTE, killed=Step.NOTE),
    Order.DENY: _row(Step.NOTE, killing=Step.REFUSE, killed=Step.REFUSE, finished=Step.REFUSE),
    Order.QUARANTINE: _row(Step.KILL),
    Order.NOTIFY: _row(Step.TELL),
}

_WHY = {
    Order.PAUSE: "the run is {state}: nothing is left to pause",
    Order.RESUME: "the run is {state}: only a paused run resumes, and a killed one needs a new start",
    Order.THROTTLE: "the run is {state}: nothing more will be accepted",
    Order.ROLL_BACK: "the run is {state}: pause or stop it first, a rollback needs a run that stands still",
    Order.DENY: "the run is {state}: nothing more will be applied",
}


def step_for(order: Order, state: RunState) -> Step:
    """What `order` does in `state`."""
    return _MATRIX[order][state]


def why_refused(order: Order, state: RunState) -> str:
    """Why `order` is not legal in `state`, and what to do instead."""
    return _WHY.get(order, "the run is {state}").format(state=state.value)
