"""What a flagged change costs."""

from __future__ import annotations

import math
from typing import Protocol

from subcritical.errors import InputError


class Price(Protocol):
    """A price, and what moves it. A `Multiplier` is one that is tuned."""

    weight: float
    """What one flagged change costs now, in units of the task's reward, >= 0."""

    def observe(self, flagged: bool) -> float:
        """Take in one episode (or completion): was anything in it flagged? The weight from now on."""


class FixedPrice:
    """Always the same."""

    def __init__(self, weight: float) -> None:
        """Set the weight, in units of the task's reward.

        Raises:
            InputError: It is negative or not finite.
        """
        if not 0.0 <= weight < math.inf:
            raise InputError(f"weight is {weight}; it must be a finite number, 0 or more")
        self.weight = weight

    def observe(self, flagged: bool) -> float:
        """Nothing moves it."""
        del flagged
        return self.weight
