"""Rules as a loop file states them: a condition, and what to request when it holds."""

from __future__ import annotations

import msgspec

from subcritical.errors import InputError
from subcritical.schema import Order, Severity

BY_PREFIX = "tripwire:"
"""What `Action.by` starts with where a rule asked for it. No person may use a name that starts so."""

ANY_SEVERITY = frozenset({Order.NOTIFY, Order.THROTTLE})
"""What a finding below `high` may cause: neither stops the guest nor closes the gateway."""

_ORDERS = frozenset(Order) - {Order.RESUME}
_LONGEST_ID = 64
_LONGEST_NUMBER = 9


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a rule fires. Exactly one subject: a finding, a measurement, or silence.

    Attributes:
        technique: A finding names this technique, or its detector was to watch it and crashed.
        detector: A finding comes from this detector.
        severity: A finding is at least this severe. May stand beside `technique` and `detector`.
        measure: A measurement has this name and lies above `above`.
        above: Limit, in the unit of the measurement.
        confidence: One-sided confidence, in (0.5, 1), that the quantity lies above `above`.
        silence_s: A producer whose heartbeats are expected was silent for so many seconds, > 0.
        producer: The producer whose silence counts; None: any.
    """

    technique: str | None = None
    detector: str | None = None
    severity: Severity | None = None
    measure: str | None = None
    above: float | None = None
    confidence: float = 0.95
    silence_s: float | None = None
    producer: str | None = None

    def __post_init__(self) -> None:
        """Refuse a condition that could never hold, or that mixes subjects."""
        finding = self.technique is not None or self.detector is not None or self.severity is not None
        subjects = finding + (self.measure is not None) + (self.silence_s is not None)
        if subjects != 1:
            raise InputError(
                "a tripwire condition needs exactly one subject: a finding (technique, detector, severity), "
                "a measure, or silence"
            )
        if (self.measure is None) != (self.above is None):
            raise InputError("a tripwire condition on a measure needs both `measure` and `above`")
        if self.above is not None and self.above - self.above != 0:
            raise InputError("tripwire condition: `above` must be a finite number")
        if not 0.5 < self.confidence < 1:  # noqa: PLR2004 - one half is a coin toss, not confidence
            raise InputError("tripwire condition: `confidence` lies between 0.5 and 1")
        if self.silence_s is not None and not 0 < self.silence_s < float("inf"):
            raise InputError("tripwire condition: `silence` is a duration above 0")
        if self.producer is not None and self.silence_s is None:
            raise InputError("tripwire condition: `producer` only goes with `silence`")

    @property
    def text(self) -> str:
        """The condition in the words of the loop file."""
        if self.silence_s is not None:
            return f"silence {self.silence_s:g}s" + (f" of {self.producer}" if self.producer else "")
        if self.measure is not None:
            return f"{self.measure} above {self.above:g} at confidence {self.confidence:g}"
        parts = [f"technique {self.technique}"] if self.technique else []
        parts += [f"detector {self.detector}"] if self.detector else []
        parts += [f"severity {self.severity} or above"] if self.severity else []
        return ", ".join(parts)


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tripwire. `argument` is what the action needs: a number for `throttle`, a version for `roll_back`."""

    id: str
    on: Condition
    action: Order
    argument: str = ""

    def __post_init__(self) -> None:
        """Refuse a rule that could not be carried out when it is needed."""
        if not self.id or len(self.id) > _LONGEST_ID or not self.id.isprintable():
            raise InputError(f"a tripwire id has 1 to {_LONGEST_ID} printable characters")
        if self.action not in _ORDERS:
            raise InputError(f"tripwire {self.id}: no rule may `resume`; that takes a person")
        number = self.argument.isascii() and self.argument.isdigit() and len(self.argument) <= _LONGEST_NUMBER
        if self.action is Order.THROTTLE and not number:
            raise InputError(f"tripwire {self.id}: `throttle` needs the number of changes between two reviews")

    @property
    def by(self) -> str:
        """How this rule signs the actions it asks for."""
        return BY_PREFIX + self.id


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule asks for. The pipeline records it as an `Action` and has it carried out."""

    rule: str
    order: Order
    reason: str
    findings: tuple[str, ...] = ()
    argument: str = ""

    @property
    def by(self) -> str:
        """The name the action is signed with."""
        return BY_PREFIX + self.rule
