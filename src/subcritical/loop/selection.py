"""Selection: a version is kept if it is strictly better on the public split, as the trusted evaluator scores it."""

from __future__ import annotations

from subcritical.schema import Direction


def better(new: float, old: float | None, direction: Direction) -> bool:
    """Whether `new` beats `old` strictly; anything beats nothing."""
    if old is None:
        return True
    return new > old if direction == "up" else new < old
