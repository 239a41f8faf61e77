"""Rules over findings, measurements and silence that request actions; they latch."""

from subcritical.tripwires.engine import Tripwires
from subcritical.tripwires.latch import (
    LIFT,
    LIVE,
    MOST_DENIED,
    NO_THROTTLE,
    NOT_ROLLED_BACK,
    PREVIOUS,
    ROLLED_BACK,
    START,
    Cause,
    Latch,
)
from subcritical.tripwires.rules import BY_PREFIX, Condition, Request, Rule
from subcritical.tripwires.written import Trigger, Tripwire, check_tripwires, tripwire_rules

__all__ = [
    "BY_PREFIX",
    "LIFT",
    "LIVE",
    "MOST_DENIED",
    "NOT_ROLLED_BACK",
    "NO_THROTTLE",
    "PREVIOUS",
    "ROLLED_BACK",
    "START",
    "Cause",
    "Condition",
    "Latch",
    "Request",
    "Rule",
    "Trigger",
    "Tripwire",
    "Tripwires",
    "check_tripwires",
    "tripwire_rules",
]
