"""Whether a change of a file of limits only makes plain numbers smaller. Unknown: no."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from subcritical.gateway.content.names import folded
from subcritical.gateway.content.python import Statement, module_of
from subcritical.gateway.content.settings import items_of, only_lowers


def only_tightens(path: str, before: bytes, after: bytes) -> bool:
    """Compare both sides of a file whose numbers are limits. Zero is not smaller: it is what many take for no limit."""
    if folded(path).endswith(".py"):
        old, new = module_of(before), module_of(after)
        return bool(old and new and pairs_lowered(*differing(old.statements, new.statements)))
    was, is_now = items_of(before, path), items_of(after, path)
    return was is not None and is_now is not None and only_lowers(Counter(was), Counter(is_now))


def differing(old: Sequence[Statement], new: Sequence[Statement]) -> tuple[list[Statement], list[Statement]]:
    """Statements of each side that the other has not, in order."""
    gone, come = Counter(s.key for s in old), Counter(s.key for s in new)
    return [s for s in old if (gone - come)[s.key]], [s for s in new if (come - gone)[s.key]]


def pairs_lowered(old: Sequence[Statement], new: Sequence[Statement]) -> bool:
    """Whether each statement of `old` sets a name to a plain number, and that of `new` the same to a smaller one."""
    return len(old) == len(new) and all(map(_lowered, old, new))


def _lowered(one: Statement, other: Statement) -> bool:
    was, is_now = one.number, other.number
    if was is None or is_now is None or one.key[:-1] != other.key[:-1]:
        return False
    return was[0] == is_now[0] and 0 < is_now[1] < was[1]
