"""Actions and receipts: what was ordered, and the proof of what happened."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class Order(StrEnum):
    """What an actuator can be asked to do."""

    PAUSE = "pause"
    RESUME = "resume"
    THROTTLE = "throttle"
    STOP = "stop"
    ROLL_BACK = "roll_back"
    DENY = "deny"
    QUARANTINE = "quarantine"
    NOTIFY = "notify"


class RunState(StrEnum):
    """Where a run stands. `killed` is absorbing: going on needs a new start of the guest."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    KILLING = "killing"
    KILLED = "killed"
    FINISHED = "finished"


class Action(msgspec.Struct, frozen=True, kw_only=True, tag="action", tag_field="record"):
    """A request to act, recorded before its effect. `by` is a tripwire id or a person."""

    id: str
    order: Order
    by: str
    reason: str
    findings: tuple[str, ...] = ()
    argument: str = ""
    run: str = ""
    seq: int = 0
    time_ns: int = 0


class Receipt(msgspec.Struct, frozen=True, kw_only=True, tag="receipt", tag_field="record"):
    """What came of an action.

    ORDERED is when the supervisor received the order, QUIESCED when the call that stops user code
    returned, CONFIRMED when the kernel said that all of it had stopped (0: never). All three are
    CLOCK_BOOTTIME nanoseconds. `survivors` counts processes still able to run after the action;
    -1 means unknown, and unknown is unsafe.
    """

    action: str
    order: Order
    outcome: Literal["confirmed", "escalated", "failed", "refused"]
    state: RunState
    ordered_ns: int
    quiesced_ns: int
    confirmed_ns: int
    processes: int
    survivors: int
    rung: str
    detail: str = ""
    run: str = ""
    seq: int = 0
    time_ns: int = 0
