"""Selection: a version is kept if the trusted evaluator scores it strictly better on the public split."""

from __future__ import annotations

from subcritical.loop.evaluation import Scored
from subcritical.schema import Direction


def better(new: float, old: float | None, direction: Direction) -> bool:
    """Whether `new` beats `old` strictly; anything beats nothing."""
    if old is None:
        return True
    return new > old if direction == "up" else new < old


def keeps(new: Scored, best: float | None) -> bool:
    """Whether selection keeps a version with this public score."""
    return better(new.value, best, new.direction)
