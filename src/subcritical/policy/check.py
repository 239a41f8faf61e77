"""What a gate must be like beyond its schema: short-lived, and never laxer at a higher level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import pairwise

from subcritical.errors import InputError
from subcritical.policy.gate import LIFE_DAYS_MAX, Gate, Level

_CEILINGS = {"none": 0, "alert": 1, "high": 2}


def check_gate(gate: Gate) -> Gate:
    """The gate itself.

    Raises:
        InputError: Every fault, one sentence each.
    """
    faults = [*_dates(gate), *_names(gate), *_levels(gate)]
    if faults:
        raise InputError(f"gate {gate.id}: " + "; ".join(faults))
    return gate


def day(text: str) -> date:
    """A day.

    Raises:
        InputError: There is no such day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text!r} is no day of the calendar; write it like '2026-12-31'") from error


def _dates(gate: Gate) -> Iterator[str]:
    life = (day(gate.expires) - day(gate.valid_from)).days
    if life < 0:
        yield f"it expires ({gate.expires}) before it begins ({gate.valid_from})"
    elif life > LIFE_DAYS_MAX:
        yield f"it lives {life} days; at most {LIFE_DAYS_MAX} are allowed: set an earlier `expires` and renew it"


def _names(gate: Gate) -> Iterator[str]:
    for what, names in (
        ("threshold", (one.id for one in gate.thresholds)),
        ("safeguard", (one.id for one in gate.safeguards)),
        ("level", (str(one.autonomy) for one in gate.levels)),
    ):
        for name in _twice(names):
            yield f"{what} {name} is given twice"
    known = {one.id for one in gate.safeguards}
    for level in gate.levels:
        for name in level.safeguards:
            if name not in known:
                yield f"level {level.autonomy} names the safeguard {name}, which the gate does not define"
    for threshold in gate.thresholds:
        for name in _twice(one.metric for one in threshold.indicators):
            yield f"threshold {threshold.id}: metric {name} is given twice"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _levels(gate: Gate) -> Iterator[str]:
    ordered = sorted(gate.levels, key=lambda level: level.autonomy)
    for lower, higher in pairwise(ordered):
        yield from _laxer(lower, higher)


def _laxer(lower: Level, higher: Level) -> Iterator[str]:
    pair = f"level {higher.autonomy} below level {lower.autonomy}"
    dropped = sorted(set(lower.safeguards) - set(higher.safeguards))
    if dropped:
        yield f"{pair}: it drops the safeguard {dropped[0]}"
    if higher.approvals < lower.approvals:
        yield f"{pair}: it asks for {higher.approvals} approvals instead of {lower.approvals}"
    if _CEILINGS[higher.max_severity] > _CEILINGS[lower.max_severity]:
        yield f"{pair}: it tolerates {higher.max_severity} where the lower one tolerates {lower.max_severity}"
