"""Literals of which any match of a pattern must contain one: what a search for words alone can filter by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from subcritical.matching.leaves import LEAVES, Uncoverable, combined, leaf, parsed

LITERALS_MAX = 64
"""Literals of one pattern; where it takes more, it is searched for by `re` alone."""
SHORTEST = 2
"""Characters; a single one stands in nearly every text and filters nothing."""
_CHOICES_MAX = 8
_LONGEST = 24
Words = frozenset[str]
_NOTHING: Words = frozenset({""})
_UNKNOWN: dict[str, Words | None] = {
    "AT": _NOTHING,  # these take no characters
    "ASSERT": _NOTHING,
    "ASSERT_NOT": _NOTHING,
    "GROUPREF": None,  # these may be anything
    "GROUPREF_EXISTS": None,
}


def literals(regex: str, flags: int) -> Words | None:
    """Lower-case ASCII literals, one of which stands in every text that matches once its ASCII letters are lowered.

    Args:
        regex: A pattern that `re` compiles.
        flags: As for `re.compile`.

    Returns:
        Between 1 and `LITERALS_MAX` literals of at least `SHORTEST` characters, or None where there is no such set.
        The promise holds for texts without `leaves.TRAPS`.
    """
    tree = parsed(regex, flags)
    try:
        _, best = _sequence([*tree], tree.state.flags)
    except (Uncoverable, RecursionError):
        return None
    return best


def _sequence(nodes: Sequence[Any], flags: int) -> tuple[Words | None, Words | None]:
    """All that the whole can be, lowered, where that is few, and the best set that it must contain one of."""
    run: Words = _NOTHING
    known = True
    best: Words | None = None
    for op, argument in nodes:
        exact, inside = _node(str(op), op, argument, flags)
        joined = _joined(run, exact)
        if joined is None:
            best = _better(best, run)
            run, known = (_NOTHING if exact is None else exact), False
        else:
            run = joined
        best = _better(best, inside)
    best = _better(best, run)
    return (run if known else None), best


def _node(name: str, op: Any, argument: Any, flags: int) -> tuple[Words | None, Words | None]:
    if name in LEAVES:
        taken = leaf(op, argument, flags)
        few = frozenset(chr(code).lower() for code in taken.ascii)
        return (few if not taken.wide and 0 < len(few) <= _CHOICES_MAX else None), None
    if name in _UNKNOWN:
        return _UNKNOWN[name], None
    if name in _GROUPS:
        return _GROUPS[name](argument, flags)
    raise Uncoverable


def _group(argument: Any, flags: int) -> tuple[Words | None, Words | None]:
    return _sequence([*argument[3]], combined(flags, argument[1], argument[2]))


def _atomic(argument: Any, flags: int) -> tuple[Words | None, Words | None]:
    return _sequence([*argument], flags)


def _branch(argument: Any, flags: int) -> tuple[Words | None, Words | None]:
    exact: Words | None = frozenset()
    best: Words | None = frozenset()
    for one in argument[1]:
        whole, inside = _sequence([*one], flags)
        exact = _union(exact, whole)
        best = _union(best, inside)
    return exact, best


def _repeat(argument: Any, flags: int) -> tuple[Words | None, Words | None]:
    least, most, inside = argument
    exact, best = _sequence([*inside], flags)
    if int(least) == 0:
        return (_union(exact, _NOTHING) if int(most) == 1 else None), None
    return (exact if int(most) == 1 else None), best


_GROUPS = {
    "SUBPATTERN": _group,
    "ATOMIC_GROUP": _atomic,
    "BRANCH": _branch,
    "MAX_REPEAT": _repeat,
    "MIN_REPEAT": _repeat,
    "POSSESSIVE_REPEAT": _repeat,
}


def _union(one: Words | None, other: Words | None) -> Words | None:
    if one is None or other is None or len(one | other) > LITERALS_MAX:
        return None
    return one | other


def _joined(one: Words | None, other: Words | None) -> Words | None:
    """Every word of the one followed by every word of the other, where that stays few and short."""
    if one is None or other is None or len(one) * len(other) > LITERALS_MAX:
        return None
    joined = frozenset(first + second for first in one for second in other)
    return joined if max(map(len, joined)) <= _LONGEST else None


def _better(one: Words | None, other: Words | None) -> Words | None:
    """Of two sets the one that will be found more seldom: its shortest word is longer, or it has fewer."""
    usable = [words for words in (one, other) if words and min(map(len, words)) >= SHORTEST]
    return max(usable, key=lambda words: (min(map(len, words)), -len(words)), default=None)
