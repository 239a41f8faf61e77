"""A best score that hardly moves, or cannot move, measures no improvement; that is not the same as none."""

from __future__ import annotations

import math

from subcritical.schema import Direction

SCORES_MIN = 16
"""Scores before anything is said."""
_LEVELS_MIN = 3
"""Values of the best score that say something about a trend; one step between two does not."""


class BestSoFar:
    """The course of a best score.

    Attributes:
        n: Scores seen.
    """

    def __init__(self, direction: Direction, bounds: tuple[float | None, float | None] = (None, None)) -> None:
        """Begin without scores; `bounds` are the declared bounds of the metric."""
        self.n = 0
        self._up = direction == "up"
        self._bound = bounds[1] if self._up else bounds[0]
        self._best = -math.inf if self._up else math.inf
        self._levels = 0
        self._since = 0

    def add(self, value: float) -> None:
        """The next score; what is not finite is no score."""
        if not math.isfinite(value):
            return
        self.n += 1
        if value > self._best if self._up else value < self._best:
            self._best, self._since = value, self.n
            self._levels += 1

    def unmeasurable(self) -> str:
        """Why it can show no improvement, or an empty text.

        Flat: the best score took fewer than three values. Saturated: it reached the metric's declared bound before
        the later half of the scores.
        """
        if self.n < SCORES_MIN:
            return ""
        stood = self.n - self._since
        if self._bound is not None and self._best == self._bound and 2 * stood >= self.n:
            where = f"the best score stands at its bound {self._bound:g} for the last {stood} of {self.n}"
            return f"cannot measure improvement: {where}"
        if self._levels < _LEVELS_MIN:
            step = "never moved" if self._levels == 1 else "took one step"
            return f"cannot measure improvement: the best of {self.n} scores {step}, too little for any trend"
        return ""
