"""Which rules could match an act of an event: one scan of its acts, before any rule is asked.

What a rule needs is derived from its own text, so that a changed rule needs no second change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from subcritical.detectors._acts import Act
from subcritical.detectors._glance import Looker
from subcritical.detectors._sigma import Algebra, parse_condition
from subcritical.detectors._widened import BEGIN, FOLDED, NOTHING, Clause, Formula, both, either, groups, widened

Ways = tuple[Formula, ...]
"""Of these one must hold for a rule to match."""
_FORMULAS_MAX = 10
_BEGUN = frozenset({"path", "text", "old"})
"""Fields that stand in the scanned text from their beginning; the others are parts of one of them."""


class Sieve:
    """What all rules need, in one matcher."""

    def __init__(self, sources: Sequence[Mapping[str, Any]]) -> None:
        """Take rules as they were parsed; the bit of a rule is its place among them."""
        needs = [needed(source) for source in sources]
        self._always = sum(1 << bit for bit, need in enumerate(needs) if NOTHING in need)
        self._looker = Looker([(FOLDED, *groups(formula for formula in need if formula)) for need in needs])

    def bits(self, acts: Sequence[Act]) -> int:
        """The rules that could match one of these acts."""
        return self._looker.bits("".join(_fields(acts))) | self._always if acts else 0


def _any(needs: list[Ways]) -> Ways:
    found = tuple(dict.fromkeys(formula for need in needs for formula in need))
    return found if len(found) <= _FORMULAS_MAX else (either(found),)


def _all(needs: list[Ways]) -> Ways:
    if prod(map(len, needs)) > _FORMULAS_MAX:
        return (both(either(need) for need in needs),)
    return tuple(dict.fromkeys(map(both, product(*needs))))


def needed(source: Mapping[str, Any]) -> Ways:
    """What the text of an act must hold for a rule to match it; what is to be absent asks for nothing."""
    detection = dict(source["detection"])
    condition = str(detection.pop("condition"))
    return parse_condition(condition, {name: _selection(part) for name, part in detection.items()}, _NEEDS)


_NEEDS: Algebra[Ways] = Algebra(_any, _all, lambda _: (NOTHING,))


def _selection(part: Any) -> Ways:
    maps = part if isinstance(part, list) else [part]
    return _any([(both(_field(key, value) for key, value in one.items()),) for one in maps])


def _field(key: str, value: Any) -> Formula:
    field, *modifiers = key.split("|")
    values = [str(one) for one in (value if isinstance(value, list) else [value])]
    if modifiers == ["re"]:
        return either(widened(one, begun=field in _BEGUN) for one in values)
    if not modifiers and field in _MARKED and not any(set(one) & set("*?") or not one.isascii() for one in values):
        before, behind = _MARKED[field]
        return (Clause(_WHOLE if field == "program" else 0, f"{before}(?:{'|'.join(map(re.escape, values))}){behind}"),)
    return NOTHING


_WHOLE = 6
"""How rare the name of a program is."""
_MARKED = {"kind": (r"\x01", r"\x02"), "program": (r"\x02", r"\x03")}


def _fields(acts: Sequence[Act]) -> Iterator[str]:
    """All that rules see of acts, with marks around what they compare as a whole; a name is part of its path."""
    for act in acts:
        yield f"\x01{act.kind}\x02{act.program}\x03\n{BEGIN}{act.path}\n{BEGIN}{act.text}\n{BEGIN}{act.old}\n"
        if act.arguments and act.arguments not in act.text:
            yield f"{act.arguments}\n"
        if act.options or act.via:
            yield f"{' '.join(act.options)}\n{' '.join(act.via)}\n"
