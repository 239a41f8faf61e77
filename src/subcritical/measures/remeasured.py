"""Versions that were measured again and came out otherwise: then the measurement changed, not the system."""

from __future__ import annotations

import math
from itertools import pairwise

import msgspec

from subcritical.measures.history import History, Point

_UNIQUE = 0.8
_ERRORS = 3.0
"""Two measurements of one version that differ by fewer standard errors of their difference are repeats."""


class Remeasured(msgspec.Struct, frozen=True, kw_only=True):
    """A version whose score is another one at a later time: a new clock, machine, data set or rule.

    Attributes:
        time: Of the later measurement, in the history's unit.
        version: What was measured twice.
        before, after: Its scores, in the history's own unit.
    """

    time: float
    version: str
    before: float
    after: float


def remeasured(history: History) -> tuple[Remeasured, ...]:
    """Changes of measurement in a history of scores, in order.

    A version (not empty) that follows itself at a later time with another score. With standard errors the scores must
    differ by three of their difference; counts are repeats, whose noise is known, and never a change. Where more than
    a fifth of the points share their version's name with another, the names are those of groups, and say nothing.
    """
    return tuple(
        Remeasured(time=new.time, version=new.version, before=float(old.score or 0), after=float(new.score or 0))
        for old, new in _changes(history)
    )


def rebased(history: History) -> History:
    """The history as the last measurement would have had it: what lies before a change is brought over.

    On a scale of ratios (log2) by the factor, on every other by the difference between the two scores of the version
    that both measured; its earlier score is left out. That is exact where the change acts alike on all versions.
    """
    changes = {old.time: (old, new) for old, new in _changes(history)}
    points = list[Point]()
    for point in history.points:
        if point.time not in changes or point != changes[point.time][0]:
            points.append(point)
            continue
        points = [_brought_over(one, *changes[point.time], ratio=history.chosen == "log2") for one in points]
    return msgspec.structs.replace(history, points=tuple(points))


def _changes(history: History) -> list[tuple[Point, Point]]:
    named = [point.version for point in history.points if point.version]
    if len(set(named)) < _UNIQUE * len(named):
        return []
    return [(old, new) for old, new in pairwise(history.points) if _changed(old, new)]


def _changed(old: Point, new: Point) -> bool:
    if not old.version or old.version != new.version or not new.time > old.time:
        return False
    if old.n is not None or new.n is not None or old.score is None or new.score is None or old.score == new.score:
        return False
    error = math.hypot(old.se or 0.0, new.se or 0.0)
    return abs(new.score - old.score) > _ERRORS * error


def _brought_over(point: Point, old: Point, new: Point, *, ratio: bool) -> Point:
    if point.score is None or old.score is None or new.score is None:
        return point
    if not ratio:
        return msgspec.structs.replace(point, score=point.score + new.score - old.score)
    if old.score <= 0 or new.score <= 0:
        return point
    factor = new.score / old.score
    return msgspec.structs.replace(
        point, score=point.score * factor, se=None if point.se is None else point.se * factor
    )
