"""One improvement history on one scale: what every measure of growth reads."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError
from subcritical.schema import Direction

Floats = NDArray[np.float64]
Scale = Literal["raw", "log2", "logit", "elo"]
ELO_PER_LOGIT = 400 / math.log(10)
"""173.7 Elo are one logit of the chance to win."""

UNITS = {"raw": "units", "log2": "doublings", "logit": "logits", "elo": "logits"}


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One measured version. Counts (`successes` of `n`), or a score with or without a standard error.

    `time` is in the history's unit; `work` the cumulative research input so far, if known; `cause` what is said to
    have made it better (hostile text).
    """

    time: float
    score: float | None = None
    n: float | None = None
    successes: float | None = None
    se: float | None = None
    work: float | None = None
    version: str = ""
    cause: str = ""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Points of one system on one metric, in order of time; `per` names the unit of time."""

    points: tuple[Point, ...]
    system: str = ""
    metric: str = "score"
    direction: Direction = "up"
    per: str = "round"
    scale: Scale | None = None

    @property
    def counted(self) -> bool:
        """Whether every point is a count, so that the logit scale and its noise are known."""
        return bool(self.points) and all(p.n is not None and p.successes is not None for p in self.points)

    @property
    def chosen(self) -> Scale:
        """The scale asked for, or logit for counts and raw for everything else."""
        return self.scale or ("logit" if self.counted else "raw")

    @property
    def unit(self) -> str:
        """Unit of a value on the chosen scale."""
        return UNITS[self.chosen]

    def columns(self) -> Columns:
        """Times, values with better upwards, and standard errors (None where any is unknown).

        Raises:
            InputError: A value is not usable on the scale (counts on log2, a length that is not positive, ...).
        """
        if self.chosen == "logit" and self.counted:
            return self._logits()
        return self._scores()

    def _logits(self) -> Columns:
        sign = 1.0 if self.direction == "up" else -1.0
        values, errors = [], []
        for point in self.points:
            n, k = float(point.n or 0), float(point.successes or 0)
            if not (n > 0 and 0 <= k <= n):
                raise InputError(f"time {point.time:g}: {k:g} successes of {n:g}; give counts with 0 <= successes <= n")
            values.append(sign * math.log((k + 0.5) / (n - k + 0.5)))
            rate = (k + 0.5) / (n + 1)
            errors.append(1 / math.sqrt(n * rate * (1 - rate)))
        return Columns(self._times(), np.array(values), np.array(errors))

    def _scores(self) -> Columns:
        values, errors = [], []
        for point in self.points:
            if point.score is None or not math.isfinite(point.score):
                raise InputError(f"time {point.time:g}: no finite score; leave the row out and say why")
            value, slope = _on_scale(point.score, self.chosen, point.time)
            values.append(value if self.direction == "up" else -value)
            errors.append(math.nan if point.se is None else point.se * slope)
        error = np.array(errors)
        known = bool(error.size) and bool((error > 0).all())
        return Columns(self._times(), np.array(values), error if known else None)

    def _times(self) -> Floats:
        return np.array([point.time for point in self.points], dtype=np.float64)


class Columns(NamedTuple):
    """A history as arrays of shape (points,); `se` is None where the noise is not known."""

    t: Floats
    y: Floats
    se: Floats | None

    def by_time(self) -> Columns:
        """Points of one time pooled: weighted by their errors where those are known."""
        times, place = np.unique(self.t, return_inverse=True)
        weight = np.ones_like(self.y) if self.se is None else self.se**-2
        total = np.bincount(place, weights=weight)
        mean = np.bincount(place, weights=weight * self.y) / total
        return Columns(times, mean, None if self.se is None else 1.0 / np.sqrt(total))


def _on_scale(score: float, scale: Scale, time: float) -> tuple[float, float]:
    """The value on a scale, and how much one unit of score is there."""
    if scale == "raw":
        return score, 1.0
    if scale == "elo":
        return score / ELO_PER_LOGIT, 1 / ELO_PER_LOGIT
    if scale == "log2":
        if score <= 0:
            raise InputError(f"time {time:g}: {score:g} has no log2; only positive scores do")
        return math.log2(score), 1 / (score * math.log(2))
    if not 0 < score < 1:
        raise InputError(f"time {time:g}: {score:g} has no logit; give rates in (0, 1), or counts")
    return math.log(score / (1 - score)), 1 / (score * (1 - score))
