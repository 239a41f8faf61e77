"""Which characters one leaf of a regular expression takes: asked of Python itself for ASCII, never derived by hand.

The parse tree is that of the standard library (`re._parser`), which is not a public interface: a node that is not known
here makes a pattern uncoverable, and it is then searched for by `re` alone. The tests compare with `re` over all code
points, so that a new Python with another tree fails there.
"""

from __future__ import annotations

import re
from functools import lru_cache
from re import _compiler, _parser  # type: ignore[attr-defined]  # typeshed shows neither
from typing import Any

import msgspec

BEYOND = 128
"""The first code point beyond ASCII."""
ASCII = "".join(map(chr, range(BEYOND)))
_REPLACED = frozenset(map(chr, (0xFFFD, *range(0xD800, 0xE000))))  # what other bytes may be decoded to, or no bytes are
LEAVES = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
TRAPS = "\u0130\u0131\u017f\u212a"
"""The only characters beyond ASCII that an ASCII letter matches when case is ignored: I with and i
without a dot, the long s, the Kelvin sign.

Texts with one of them are given to `re`, so that a caseless ASCII letter may be taken for ASCII alone.
"""
_TYPE_FLAGS = int(re.ASCII | re.LOCALE | re.UNICODE)


class Uncoverable(Exception):  # noqa: N818 - a way out of a recursion, caught in this room, and no error of anyone's
    """Nothing simpler is known that covers the pattern."""


class Leaf(msgspec.Struct, frozen=True):
    """What one character may be.

    Attributes:
        ascii: Code points below 128 that match, exactly.
        wide: Whether something beyond ASCII, `TRAPS` apart, may match: never False where something does.
        exact: The one character beyond ASCII that matches, where there is just one; "" where it is not known.
    """

    ascii: frozenset[int]
    wide: bool
    exact: str = ""


def parsed(regex: str, flags: int) -> Any:
    """The parse tree of a pattern that compiles; its `state.flags` hold the flags given inside it."""
    return _parser.parse(regex, flags)


def combined(flags: int, add: int, remove: int) -> int:
    """Flags inside a group such as `(?i:...)`, as the compiler of `re` has them."""
    if add & _TYPE_FLAGS:
        flags &= ~_TYPE_FLAGS
    return (flags | add) & ~remove


def leaf(op: Any, argument: Any, flags: int) -> Leaf:
    """What a node of one of the kinds in `LEAVES` takes."""
    return _leaf(op, _Argument(argument), flags)


class _Argument:
    """A node's argument, which may be a list, as a key of the cache."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self._text = repr(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Argument) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@lru_cache(maxsize=4096)
def _leaf(op: Any, argument: _Argument, flags: int) -> Leaf:
    tree = _parser.SubPattern(_parser.State(), [(op, argument.value)])
    taken = frozenset(match.start() for match in _compiler.compile(tree, flags).finditer(ASCII))
    name, value = str(op), argument.value
    if name == "LITERAL":
        alone = value >= BEYOND and not flags & re.IGNORECASE and chr(value) not in _REPLACED
        return Leaf(taken, value >= BEYOND, chr(value) if alone else "")
    if name == "IN":
        return Leaf(taken, any(_beyond_ascii(str(kind), part, flags) for kind, part in value))
    return Leaf(taken, wide=True)


def _beyond_ascii(kind: str, part: Any, flags: int) -> bool:
    """Whether a member of a class, or its negation, may take something beyond ASCII, the traps apart."""
    if kind == "LITERAL":
        return bool(part >= BEYOND)
    if kind == "RANGE":
        return bool(part[1] >= BEYOND)
    if kind == "CATEGORY":
        return not (flags & re.ASCII and "NOT" not in str(part))
    return True
