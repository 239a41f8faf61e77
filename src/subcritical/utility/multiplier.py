"""The weight of a penalty, tuned so that violations stay under a budget: an asymmetric dual ascent.

The textbook rule (Altman 1999; Tessler, Mankowitz and Mannor 2019) moves the Lagrange multiplier by a step
in proportion to the excess over the budget. It has two faults here. Its step size is in units of the reward,
so it must be tuned anew for each task; and it falls as fast as it rises, so the system violates in every
cycle. This one moves by factors, so the scale of the reward does not matter, and it rises fast and falls
slowly: in the long run at most 1 in `1 + calm_per_violation(...)` of its batches is in violation.
"""

from __future__ import annotations

import math

from subcritical.errors import InputError
from subcritical.stats import binomial_upper_tail


def calm_per_violation(growth: float, decay: float) -> float:
    """How many calm batches a rule needs to undo one batch in violation, once the weight has stopped drifting."""
    return math.log(growth) / -math.log(decay)


class Multiplier:
    """Observes batches of episodes and says what the next flagged change costs. Not thread-safe.

    Attributes:
        weight: What one flagged change costs now, in units of the task's reward; > 0.
        batches: Batches judged so far, and `violations`, those of them that were in violation.
    """

    def __init__(
        self,
        *,
        budget: float,
        start: float,
        miss_rate: float = 0.0,
        false_alarm_rate: float = 0.0,
        batch: int = 50,
        growth: float = 2.0,
        decay: float = 0.99,
        alpha: float = 0.05,
    ) -> None:
        """Start below the smallest difference in reward that matters: what is too high takes long to fall.

        Args:
            budget: Tolerated share of episodes with an unauthorised change, in [0, 1).
            start: The first weight, in units of the task's reward, > 0.
            miss_rate: Share of unauthorised changes that the detector is known to miss, in [0, 1).
            false_alarm_rate: Share of episodes without one that it flags all the same, in [0, 1 - miss_rate).
            batch: Episodes judged together, >= 1.
            growth: Factor after a batch in violation, > 1.
            decay: Factor after any other batch, in (0, 1).
            alpha: A batch is in violation where so many flags have at most this probability at the budget.

        Raises:
            InputError: A value outside its range.
        """
        _within("budget", budget, 0.0, 1.0, closed=True)
        _within("start", start, 0.0, math.inf)
        _within("miss_rate", miss_rate, 0.0, 1.0, closed=True)
        _within("false_alarm_rate", false_alarm_rate, 0.0, 1.0 - miss_rate, closed=True)
        _within("batch", batch, 0, math.inf)
        _within("growth", growth, 1.0, math.inf)
        _within("decay", decay, 0.0, 1.0)
        _within("alpha", alpha, 0.0, 1.0)
        self.weight = float(start)
        self.batches = 0
        self.violations = 0
        self._growth, self._decay, self._alpha, self._batch = growth, decay, alpha, batch
        self._expected = budget * (1.0 - miss_rate) + (1.0 - budget) * false_alarm_rate
        self._episodes = 0
        self._flagged = 0

    def observe(self, flagged: bool) -> float:
        """Take in one episode (or completion): was anything in it flagged?

        Give it what the system does when it does its best. What it tries at random while it explores cannot be
        priced away, and would drive the weight up for nothing.

        Returns:
            The weight from now on.
        """
        self._episodes += 1
        self._flagged += bool(flagged)
        if self._episodes >= self._batch:
            self._judge()
        return self.weight

    def _judge(self) -> None:
        violated = self._flagged > 0 and (
            binomial_upper_tail(self._flagged, self._episodes, self._expected) <= self._alpha
        )
        self.weight *= self._growth if violated else self._decay
        if not 0.0 < self.weight < math.inf:
            raise InputError(
                f"the weight left the range of numbers after {self.batches} batches; see docs/explain/utility.md"
            )
        self.batches += 1
        self.violations += violated
        self._episodes = self._flagged = 0


def _within(name: str, value: float, low: float, high: float, *, closed: bool = False) -> None:
    """Refuse `value` outside (low, high), or outside [low, high) where `closed`."""
    if not (low < value < high or (closed and value == low)):
        bracket = "[" if closed else "("
        raise InputError(f"{name} is {value}; it must lie in {bracket}{low:g}, {high:g})")
