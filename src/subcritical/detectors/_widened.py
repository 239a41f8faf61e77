"""What a text must hold for a regular expression of Python's to match it, as expressions for a matcher of bytes.

The result finds at least what the original finds: assertions are dropped, long repeats are unbounded, and a class that
holds one character beyond ASCII holds all of them. Upper and lower case are the same.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

# The parser has no public name; what it gives is read by kind, and a kind that is not known counts as anything.
_PARSER: Any = importlib.import_module("re._parser")
_OPS: Any = importlib.import_module("re._constants")

FOLDED = r"\xc5\xbf|\xe2\x84\xaa|\xc4[\xb0\xb1]"
"""The four letters beyond ASCII that equal an ASCII letter where case does not matter: s, k and i twice."""
ANYTHING = r"[\x00-\xff]"
_ASCII = [chr(number) for number in range(128)]
_WORD = frozenset(char for char in _ASCII if char.isalnum() or char == "_")
_CATEGORIES = {
    _OPS.CATEGORY_WORD: _WORD,
    _OPS.CATEGORY_DIGIT: frozenset("0123456789"),
    _OPS.CATEGORY_SPACE: frozenset(char for char in _ASCII if char.isspace()),
}
_CATEGORIES |= {
    _OPS.CATEGORY_NOT_WORD: frozenset(_ASCII) - _CATEGORIES[_OPS.CATEGORY_WORD],
    _OPS.CATEGORY_NOT_DIGIT: frozenset(_ASCII) - _CATEGORIES[_OPS.CATEGORY_DIGIT],
    _OPS.CATEGORY_NOT_SPACE: frozenset(_ASCII) - _CATEGORIES[_OPS.CATEGORY_SPACE],
}
_EXACT_MAX = 4
_HIGH = 128
_CLAUSES_MAX = 3
_CUT, _SPOKEN, _LAST = 1 << 20, 1 << 21, 1 << 22
"""Beside the flags of the parser: only a beginning of the text counts; sentences come from it; nothing follows."""
_LEFT_OUT = r"[\x60\x22\x27\xe2][^\n]*"
"""A quotation or code as it begins."""
_RARE = 1
_FEW = 8


class Clause(NamedTuple):
    """One thing that must be in a text: an expression, and how rare its rarest words make it at least."""

    weight: int
    regex: str


BEGIN, END = "\x04", r"\x0a"
Formula = tuple[Clause, ...]
"""All of these must be in a text; none of them says nothing."""
NOTHING: Formula = ()


def widened(regex: str, *, begun: bool = False) -> Formula:
    """What a text must hold for `re.search(regex, text)` to find something.

    Args:
        regex: The expression.
        begun: Whether the matcher sees `BEGIN` directly before the text, and a line end behind it.
    """
    tree = _PARSER.parse(regex)
    flags = tree.state.flags | (_LAST if begun else 0)
    return _needed(_begun(list(tree)) if begun and not flags & re.MULTILINE else list(tree), flags)


def spoken(regex: str) -> tuple[Formula, ...]:
    """Of which of these at least one holds in a text that has a sentence in which `regex` is found.

    Between two words of a sentence a text may hold what is left out of sentences: code and quotations. A sentence may
    end in the middle of a word, and marks are taken off its beginning.
    """
    return _ways(regex, _CUT | _SPOKEN)


def begun_with(regex: str) -> tuple[Formula, ...]:
    """Of which of these at least one holds in a text of which a beginning, cut anywhere, holds `regex`."""
    return _ways(regex, _CUT)


def _ways(regex: str, flags: int) -> tuple[Formula, ...]:
    tree = _PARSER.parse(regex)
    items = list(tree)
    ways = items[0][1][1] if len(items) == 1 and items[0][0] is _OPS.BRANCH else [items]
    return tuple(_needed(list(way), tree.state.flags | flags) for way in ways)


def groups(ways: Iterable[Formula]) -> tuple[tuple[str, ...], ...]:
    """Formulas as a matcher's groups; a way that asks for nothing is there in any text."""
    return tuple(tuple(f"(?:{clause.regex})" for clause in way) or (ANYTHING,) for way in ways)


def both(formulas: Iterable[Formula]) -> Formula:
    """What must hold where all of several formulas must, the rarest first."""
    return tuple(sorted({clause for formula in formulas for clause in formula}, reverse=True)[:_CLAUSES_MAX])


def either(formulas: Iterable[Formula]) -> Formula:
    """What must hold where one of several formulas must: one of their rarest, one of their second, and so on."""
    ranked = list(formulas)
    if not ranked:
        return NOTHING
    rows = (dict.fromkeys(formula[rank] for formula in ranked) for rank in range(min(map(len, ranked))))
    return tuple(
        Clause(min(one.weight for one in row), "|".join(dict.fromkeys(one.regex for one in row))) for row in rows
    )


def _needed(items: list[Any], flags: int) -> Formula:
    """A sequence is cut at its gaps; what stands between them must all be there."""
    formulas: list[Formula] = []
    piece: list[Any] = []
    for op, value in [*items, (None, None)]:
        if op is _OPS.ASSERT and value[0] == 1:
            # What is ahead of the beginning begins there.
            formulas.append(_needed([*(_BEGINNING if piece == _BEGINNING else ()), *value[1]], flags))
        elif op is None or (_is_gap(op, value) and not flags & _CUT):
            formulas.append(_piece(piece, flags))
            piece = []
        else:
            piece.append((op, value))
    return both(formulas)


_BEGINNING = [(_OPS.LITERAL, ord(BEGIN))]


def _begun(items: list[Any]) -> list[Any]:
    """The items with the beginning of the text as a character of its own, where it is what they begin with."""
    if not items:
        return []
    op, value = items[0]
    if op is _OPS.AT and value in {_OPS.AT_BEGINNING, _OPS.AT_BEGINNING_STRING}:
        return [*_BEGINNING, *items[1:]]
    if op is _OPS.SUBPATTERN:
        return [(op, (*value[:3], _begun(list(value[3])))), *items[1:]]
    if op is _OPS.BRANCH:
        return [(op, (None, [_begun(list(branch)) for branch in value[1]])), *items[1:]]
    return items


def _is_cut(item: Any, flags: int) -> bool:
    return item[0] is _OPS.ASSERT or (_is_gap(*item) and not flags & _CUT)


def _is_gap(op: Any, value: Any) -> bool:
    if op not in _REPEATS:
        return False
    least, most, inner = value
    return least == 0 and most > _EXACT_MAX and len(inner) == 1 and inner[0][0] in {_OPS.ANY, _OPS.NOT_LITERAL}


def _piece(items: list[Any], flags: int) -> Formula:
    inner = [(op, value) for op, value in items if op is not _OPS.AT and op is not _OPS.ASSERT_NOT]
    at = items.index(inner[0]) if inner else 0
    if len(inner) == 1 and inner[0][0] is _OPS.SUBPATTERN:
        held = list(inner[0][1][3])
        if len(inner) == len(items) or (len(held) == 1 and held[0][0] is _OPS.BRANCH):
            return _piece([*items[:at], *held, *items[at + 1 :]], (flags | inner[0][1][1]) & ~inner[0][1][2])
    if len(inner) == 1 and inner[0][0] is _OPS.BRANCH:
        branches = [list(branch) for branch in inner[0][1][1]]
        if len(inner) == len(items) or any(_is_cut(item, flags) for branch in branches for item in branch):
            return either(_needed(branch, flags) for branch in branches)
    # What says little is dropped at both ends.
    solid = [number for number, item in enumerate(items) if _weight([item])]
    if not solid:
        return NOTHING
    first, last = solid[0], solid[-1] + 1
    # An assertion directly before or behind may be a boundary.
    first -= first > 0 and items[first - 1][0] is _OPS.AT
    last += last < len(items) and items[last][0] is _OPS.AT
    weight = _weight(items)
    return (Clause(weight, _sequence(items[first:last], flags)),) if weight >= _RARE else NOTHING


def _weight(items: list[Any]) -> int:
    """How many characters that are letters of a word, or among a few, a match holds at least."""
    total = 0
    for op, value in items:
        if op is _OPS.LITERAL:
            total += 1
        elif op is _OPS.IN:
            chars, high = _members(value)
            total += not high and len(chars) <= _FEW
        elif op is _OPS.SUBPATTERN:
            total += _weight(list(value[3]))
        elif op is _OPS.BRANCH:
            total += min(_weight(list(branch)) for branch in value[1])
        elif op in _REPEATS:
            total += min(value[0], 1) * _weight(list(value[2]))
    return total


def _sequence(items: list[Any], flags: int) -> str:
    parts = []
    for number, (op, value) in enumerate(items):
        last = number + 1 == len(items)
        if op is not _OPS.AT:
            parts.append(_one(op, value, flags if last else flags & ~_LAST))
        elif value is _OPS.AT_END and last and flags & _LAST:
            parts.append(END)
        elif value is _OPS.AT_BOUNDARY and (_is_word(items[number + 1 :], 1) or _is_word(items[:number], -1)):
            # Next to a letter beyond ASCII the two kinds of boundary differ, so it stays only where none can stand.
            parts.append(_boundary(flags, first=_is_word(items[number + 1 :], 1)))
    return "".join(parts)


def _boundary(flags: int, *, first: bool) -> str:
    if flags & _CUT and not first:
        return ""
    return r"(?:\b|_)" if flags & _SPOKEN else r"\b"


def _is_word(items: list[Any], step: int) -> bool:
    """Whether what a sequence matches begins (1) or ends (-1) with an ASCII word character for certain."""
    for op, value in items[::step]:
        if op in {_OPS.AT, _OPS.ASSERT, _OPS.ASSERT_NOT}:
            continue
        if op is _OPS.LITERAL:
            return value < _HIGH and chr(value) in _WORD
        if op is _OPS.IN:
            chars, high = _members(value)
            return not high and chars <= _WORD
        if op is _OPS.SUBPATTERN:
            return _is_word(list(value[3]), step)
        if op is _OPS.BRANCH:
            return all(_is_word(list(branch), step) for branch in value[1])
        return op in _REPEATS and value[0] > 0 and _is_word(list(value[2]), step)
    return False


def _one(op: Any, value: Any, flags: int) -> str:
    if op is _OPS.LITERAL and value < _HIGH:
        char = _escaped(chr(value))
        return f"(?:{char}|{_LEFT_OUT})" if flags & _SPOKEN and value == ord(" ") else char
    if op in {_OPS.LITERAL, _OPS.ANY, _OPS.NOT_LITERAL, _OPS.IN}:
        chars, high = _class_of(op, value, flags)
        # One character beyond ASCII is several bytes.
        text = _class(chars, high=high) + ("+" if high else "")
        return f"(?:{text}|{_LEFT_OUT})" if flags & _SPOKEN and " " in chars else text
    if op is _OPS.SUBPATTERN:
        return f"(?:{_sequence(list(value[3]), (flags | value[1]) & ~value[2])})"
    if op is _OPS.BRANCH:
        return f"(?:{'|'.join(_sequence(list(branch), flags) for branch in value[1])})"
    if op in _REPEATS:
        return _repeated(value, flags)
    return "" if op in {_OPS.ASSERT, _OPS.ASSERT_NOT} else f"{ANYTHING}*"


def _repeated(value: Any, flags: int) -> str:
    least, most, items = value
    op, inner = items[0]
    if len(items) == 1 and op in {_OPS.ANY, _OPS.NOT_LITERAL, _OPS.IN}:
        chars, high = _class_of(op, inner, flags)
        text = _class(chars, high=high)
        text = f"(?:{text}|{_LEFT_OUT})" if flags & _SPOKEN and " " in chars and op is not _OPS.ANY else text
    else:
        text, high = f"(?:{_sequence(list(items), flags & ~_LAST if most != 1 else flags)})", False
    if text == "(?:)":
        return ""
    if most == 1:
        return f"{text}{'+' if high else ''}" if least else f"{text}{'*' if high else '?'}"
    return f"{text}{'+' if least else '*'}" if high or most > _EXACT_MAX else f"{text}{{{least},{most}}}"


def _class_of(op: Any, value: Any, flags: int) -> tuple[frozenset[str], bool]:
    if op is _OPS.ANY:
        return frozenset(_ASCII if flags & re.DOTALL else (char for char in _ASCII if char != "\n")), True
    if op is _OPS.LITERAL:
        return frozenset(), True
    if op is _OPS.NOT_LITERAL:
        return frozenset(char for char in _ASCII if ord(char) != value), True
    return _members(value)


def _members(items: list[Any]) -> tuple[frozenset[str], bool]:
    """ASCII characters of a class, and whether it holds others."""
    chars, high, negated = set[str](), False, False
    for op, value in items:
        if op is _OPS.NEGATE:
            negated = True
        elif op is _OPS.LITERAL:
            chars |= {chr(value)} if value < _HIGH else set()
            high |= value >= _HIGH
        elif op is _OPS.RANGE:
            chars |= {char for char in _ASCII if value[0] <= ord(char) <= value[1]}
            high |= value[1] >= _HIGH
        else:
            chars |= _CATEGORIES[value]
            high = True
    # A half of a surrogate pair is looked at as a question mark.
    return frozenset(set(_ASCII) - chars | {"?"} if negated else chars | ({"?"} if high else set())), high or negated


def _class(chars: frozenset[str], *, high: bool) -> str:
    if high and len(chars) == len(_ASCII):
        return ANYTHING
    body = "".join(map(_escaped, sorted(chars)))
    return "[" + body + (r"\x80-\xff]" if high else "]")


def _escaped(char: str) -> str:
    return char if char.isalnum() else f"\\x{ord(char):02x}"


_REPEATS = frozenset({_OPS.MAX_REPEAT, _OPS.MIN_REPEAT, _OPS.POSSESSIVE_REPEAT})
