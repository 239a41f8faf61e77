r"""An expression over bytes that takes at least what a Python pattern takes: what hyperscan is given to look for.

It may say yes too often, never no: every yes is confirmed by Python's `re`. Lookaround and anchors are left out,
backreferences become gaps, and each leaf becomes the bytes that its characters may be written as, in UTF-8 or in
JSON. Why nothing is missed: every encoding of a character that a leaf takes is taken by the leaf's rendering, and
sequence, choice and repetition keep that; what stands between is only left out or widened.

Not covered, so that whoever scans must look for it besides: `TRAPS` (`TRAP_GUARD`), and in JSON the escapes `\u` and
`\/` too (`JSON_GUARD`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from subcritical.matching.leaves import LEAVES, TRAPS, Leaf, Uncoverable, combined, leaf, parsed

REPEAT_MAX = 255
"""Upper counts above this are left out: `.{0,5000}` is read as `.*`. Large counts cost hyperscan seconds to compile."""
WIDENED_MAX = 32
"""The same where counts of characters have become counts of bytes."""
_BYTES_MAX = 4
"""Bytes of one character: UTF-8 has at most four, a quote or backslash inside a string inside a string four."""
_ESCAPES = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 34: '"', 92: "\\"}
_WORD = frozenset(map(ord, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"))
_HIGH = frozenset(range(128, 256))


TRAP_GUARD = "|".join("".join(f"\\x{byte:02x}" for byte in trap.encode()) for trap in TRAPS)
"""What no covering expression of UTF-8 covers."""
JSON_GUARD = f"(?:\\\\[u/]|{TRAP_GUARD})[^\\n]*\\n"
"""The same of JSON, up to the end of its line, so that each such line is reported once."""


def covering(regex: str, flags: int, *, json: bool) -> str:
    """The expression for hyperscan, in its byte mode, without flags.

    Args:
        regex: A pattern that `re` compiles, with at least one character in whatever it matches.
        flags: As for `re.compile`.
        json: Whether the texts are strings of JSON Lines, or of JSON inside such strings: two levels of escapes.
            Otherwise they are the UTF-8 itself.

    Raises:
        Uncoverable: It has something that is not known here.
    """
    tree = parsed(regex, flags)
    nodes = _trimmed([*tree])
    rendered = _Renderer(json=json).sequence(nodes, tree.state.flags, outermost=True)
    if not rendered:
        raise Uncoverable
    return rendered


def least_width(regex: str, flags: int) -> int:
    """Fewest characters of a match; 0 where it may be empty."""
    return int(parsed(regex, flags).getwidth()[0])


def _trimmed(nodes: list[Any]) -> list[Any]:
    """What may be missing at either end is left out: whether something matches does not depend on it."""
    for end in (0, -1):
        while nodes and (shorter := _least(nodes[end])) is not nodes[end]:
            nodes[end : end + 1 or None] = [] if shorter is None else [shorter]
    return nodes


def _least(node: Any) -> Any:
    """A repetition's fewest rounds; None where there may be none; anything else as it is."""
    op, argument = node
    if str(op) not in {"MAX_REPEAT", "MIN_REPEAT"} or argument[0] == argument[1]:
        return node
    return None if argument[0] == 0 else (op, (argument[0], argument[0], argument[2]))


class _Renderer:
    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._kinds: dict[str, Callable[[Any, int], str]] = {
            "SUBPATTERN": self._group,
            "BRANCH": self._branch,
            "MAX_REPEAT": self._repeat,
            "MIN_REPEAT": self._repeat,
            "POSSESSIVE_REPEAT": self._repeat,
            "ATOMIC_GROUP": self._atomic,
            "ASSERT": self._nothing,
            "ASSERT_NOT": self._nothing,
            "GROUPREF": self._gap,
            "GROUPREF_EXISTS": self._condition,
        }

    def sequence(self, nodes: list[Any], flags: int, *, outermost: bool = False) -> str:
        parts = []
        for place, (op, argument) in enumerate(nodes):
            name = str(op)
            if name in LEAVES:
                parts.append(self._leaf(leaf(op, argument, flags)))
            elif name == "AT":
                parts.append(self._at(str(argument), nodes, place, flags, outermost=outermost))
            elif name in self._kinds:
                parts.append(self._kinds[name](argument, flags))
            else:
                raise Uncoverable
        return "".join(parts)

    def _group(self, argument: Any, flags: int) -> str:
        _, add, remove, inside = argument
        return f"(?:{self.sequence([*inside], combined(flags, add, remove))})"

    def _atomic(self, argument: Any, flags: int) -> str:
        return f"(?:{self.sequence([*argument], flags)})"

    def _branch(self, argument: Any, flags: int) -> str:
        return "(?:" + "|".join(self.sequence([*one], flags) for one in argument[1]) + ")"

    def _condition(self, argument: Any, flags: int) -> str:
        _, yes, no = argument
        return f"(?:{self.sequence([*yes], flags)}|{self.sequence([*(no or ())], flags)})"

    def _nothing(self, _argument: Any, _flags: int) -> str:
        return ""

    def _gap(self, _argument: Any, _flags: int) -> str:
        return "[^\\n]*" if self._json else "[\\x00-\\xff]*"

    def _repeat(self, argument: Any, flags: int) -> str:
        least, most, inside = argument
        nodes = [*inside]
        if len(nodes) == 1 and str(nodes[0][0]) in LEAVES:
            taken = leaf(nodes[0][0], nodes[0][1], flags)
            low, high, wider = self._bytes_of(taken)
            return _class(low | high) + _count(least, most, wider=wider)
        rendered = self.sequence(nodes, flags)
        return f"(?:{rendered}){_count(least, most)}" if rendered else ""

    def _leaf(self, taken: Leaf) -> str:
        low, high, wider = self._bytes_of(taken)
        if not wider:
            return _class(low)
        if taken.exact:
            return "".join(f"\\x{byte:02x}" for byte in taken.exact.encode())
        if len(low) > len(_WORD):
            return _class(low | high) + f"{{1,{_BYTES_MAX}}}"
        raw = low if not self._json else frozenset(taken.ascii) - frozenset(_ESCAPES)
        ways = [_class(raw)] if raw else []
        if self._json:
            last = frozenset(ord(_ESCAPES[code]) for code in taken.ascii & frozenset(_ESCAPES))
            ways += [f"\\x5c{{1,4}}{_class(last)}"] if last else []
        if high:
            ways.append(f"[\\x80-\\xff]{{1,{_BYTES_MAX}}}")
        return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"

    def _bytes_of(self, taken: Leaf) -> tuple[frozenset[int], frozenset[int], bool]:
        """Bytes below and above 128 that may stand in an encoding, and whether it may have several."""
        low = frozenset(taken.ascii)
        high = _HIGH if taken.wide else frozenset[int]()
        if not self._json:
            return low, high, bool(high)
        escaped = low & frozenset(_ESCAPES)
        if escaped:
            low = (low - escaped) | {92} | {ord(_ESCAPES[code]) for code in escaped}
        return low - {10}, high, bool(high or escaped)

    def _at(self, kind: str, nodes: list[Any], place: int, flags: int, *, outermost: bool) -> str:
        if kind != "AT_BOUNDARY":
            return ""
        before = place > 0 and _is_word(nodes[place - 1], flags, last=True)
        if before:
            return "\\b"
        after = place + 1 < len(nodes) and _is_word(nodes[place + 1], flags, last=False)
        if after and not self._json:
            return "\\b"
        # In JSON the letter of an escape may stand before the word; nothing else is there to take it at the beginning.
        return "(?:\\b|\\x5c[bfnrt])" if after and outermost and place == 0 else ""


def _is_word(node: Any, flags: int, *, last: bool) -> bool:
    """Whether what a node takes surely ends (or begins) with an ASCII letter, digit or underscore."""
    name, argument = str(node[0]), node[1]
    if name in LEAVES:
        taken = leaf(node[0], argument, flags)
        return not taken.wide and taken.ascii <= _WORD
    if name == "SUBPATTERN":
        return _edge(argument[3], combined(flags, argument[1], argument[2]), last=last)
    if name == "BRANCH":
        return all(_edge(one, flags, last=last) for one in argument[1])
    if name in {"MAX_REPEAT", "MIN_REPEAT"}:
        return argument[0] > 0 and _edge(argument[2], flags, last=last)
    return False


def _edge(nodes: Any, flags: int, *, last: bool) -> bool:
    return len(nodes) > 0 and _is_word(nodes[-1 if last else 0], flags, last=last)


def _class(codes: frozenset[int]) -> str:
    """A class of bytes, as ranges; no byte at all becomes one that UTF-8 never has."""
    if not codes:
        return "\\xff"
    ordered, ranges = sorted(codes), []
    begin = previous = ordered[0]
    for code in [*ordered[1:], 1000]:
        if code != previous + 1:
            ranges.append(f"\\x{begin:02x}" if begin == previous else f"\\x{begin:02x}-\\x{previous:02x}")
            begin = code
        previous = code
    return f"[{''.join(ranges)}]"


def _count(least: int, most: Any, *, wider: bool = False) -> str:
    """A count of repetitions, of bytes where it is `wider`."""
    times, bound = (_BYTES_MAX, WIDENED_MAX) if wider else (1, REPEAT_MAX)
    least = min(int(least), bound)
    if int(most) * times > bound:
        return f"{{{least},}}"
    return f"{{{least},{int(most) * times}}}"
