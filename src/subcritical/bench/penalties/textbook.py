"""The baseline: symmetric dual ascent, one step a batch in proportion to the excess over the budget."""

from __future__ import annotations

_STEP = 0.5


class TextbookMultiplier:
    """Weight += step x (share of flagged episodes - budget), never below 0. Altman 1999; Tessler et al. 2019.

    The step is in units of the reward; at scale 1, on seeds 101 to 104, .1 and .5 hold and 8 oscillates.
    """

    def __init__(self, *, budget: float, start: float, batch: int) -> None:
        """`budget` is a share of flagged episodes, false alarms included."""
        self.weight = start
        self._budget, self._batch = budget, batch
        self._flags: list[bool] = []

    def observe(self, flagged: bool) -> float:
        """Take in one episode; the weight from now on."""
        self._flags.append(flagged)
        if len(self._flags) >= self._batch:
            excess = sum(self._flags) / len(self._flags) - self._budget
            self.weight = max(0.0, self.weight + _STEP * excess)
            self._flags.clear()
        return self.weight
