"""Tripwires as people write them in YAML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from subcritical.schema import Order, Severity
from subcritical.tripwires.rules import Condition, Rule
from subcritical.yaml_source import Duration, Source, seconds

Count = Annotated[int, msgspec.Meta(ge=1)]


class Trigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tripwire watches: exactly one of technique, detector, severity, measure or silence."""

    technique: str | None = None
    detector: str | None = None
    severity: Severity | None = None
    measure: str | None = None
    above: float | None = None
    confidence: float = 0.95
    silence: Duration | None = None


class Tripwire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When `on` holds, do `action`. `at_most` belongs to `throttle`: accepted changes per recorded review."""

    on: Trigger
    action: Order
    at_most: Count | None = None


def check_tripwires(source: Source, tripwires: Sequence[Tripwire]) -> None:
    """Refuse what no tripwire can be.

    Raises:
        ConfigError: With file and line.
    """
    for index, tripwire in enumerate(tripwires):
        trigger, key = tripwire.on, ("tripwires", index)
        chosen = [
            n for n in ("technique", "detector", "severity", "measure", "silence") if getattr(trigger, n) is not None
        ]
        if len(chosen) != 1:
            raise source.error("a tripwire watches exactly one of technique, detector, severity, measure, silence", key)
        if (trigger.measure is None) != (trigger.above is None):
            raise source.error("a measure and `above` go together", (*key, "on"))
        if tripwire.action is Order.RESUME:
            raise source.error("a tripwire cannot resume a run; only a person can", (*key, "action"))
        if (tripwire.action is Order.THROTTLE) != (tripwire.at_most is not None):
            raise source.error("`at_most` belongs to the action throttle, and throttle needs it", key)


def tripwire_rules(tripwires: tuple[Tripwire, ...]) -> list[Rule]:
    """Written tripwires as rules, named by their place."""
    return [
        Rule(
            id=f"{number}-{tripwire.action}",
            on=Condition(
                technique=tripwire.on.technique,
                detector=tripwire.on.detector,
                severity=tripwire.on.severity,
                measure=tripwire.on.measure,
                above=tripwire.on.above,
                confidence=tripwire.on.confidence,
                silence_s=seconds(tripwire.on.silence) if tripwire.on.silence else None,
            ),
            action=tripwire.action,
            argument=str(tripwire.at_most) if tripwire.at_most is not None else "",
        )
        for number, tripwire in enumerate(tripwires, 1)
    ]
