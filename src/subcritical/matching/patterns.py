"""What is looked for, and what every engine promises: the ids that Python's `re` would give."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from subcritical.errors import InputError


class Pattern(msgspec.Struct, frozen=True):
    """One pattern.

    Attributes:
        id: Its number, >= 0, unique among the patterns of one matcher.
        regex: A regular expression in Python's syntax, searched for anywhere in a text.
        caseless: Whether case is ignored, as `re.IGNORECASE` does it, for all of Unicode.
    """

    id: int
    regex: str
    caseless: bool = False


class Matcher(Protocol):
    """Many patterns, ready to be looked for. Not safe for several threads at once: make one for each."""

    @property
    def engine(self) -> str:
        """`hyperscan`, `aho-corasick` or `re`."""

    def which(self, text: bytes) -> list[int]:
        """Ids of the patterns found in a text, each once, ascending.

        Args:
            text: UTF-8 of any length. Bytes that are no UTF-8 stand for U+FFFD, as `decode("utf-8", "replace")` has it.
        """

    def in_any(self, texts: Sequence[str]) -> list[int]:
        """Ids of the patterns found in at least one of several texts, each once, ascending; faster than one by one.

        Args:
            texts: Any number; a pattern must be found within one of them. Unpaired surrogates are read as `?`.
        """

    def possible(self, texts: Sequence[str]) -> bool:
        """False only where `in_any` would find nothing; cheaper, for many texts that seldom hold anything."""


class Compiled(msgspec.Struct, frozen=True):
    """A pattern, and Python's own matcher of it, which has the last word in every engine."""

    pattern: Pattern
    regex: re.Pattern[str]

    @property
    def flags(self) -> int:
        """What it was compiled with, flags in the expression itself apart."""
        return flags_of(self.pattern)


def flags_of(pattern: Pattern) -> int:
    """Flags for `re.compile`."""
    return int(re.IGNORECASE) if pattern.caseless else 0


def compiled(patterns: Iterable[Pattern]) -> list[Compiled]:
    """The patterns with Python's matchers, ordered by id.

    Raises:
        InputError: An id is negative or given twice, or an expression is not Python's.
    """
    found: dict[int, Compiled] = {}
    for pattern in patterns:
        if pattern.id < 0 or pattern.id in found:
            raise InputError(f"pattern id {pattern.id} is negative or given twice: number the patterns from 0")
        try:
            regex = re.compile(pattern.regex, flags_of(pattern))
        except (re.error, RecursionError, OverflowError) as error:
            raise InputError(f"pattern {pattern.id} is no regular expression of Python's: {error}") from None
        found[pattern.id] = Compiled(pattern, regex)
    return [found[number] for number in sorted(found)]


def encoded(text: str) -> bytes:
    """UTF-8 of a text that may hold unpaired surrogates."""
    return text.encode("utf-8", "replace")


def confirmed(candidates: Sequence[Compiled], text: bytes) -> list[int]:
    """Ids of those candidates that Python's `re` finds; the candidates ascend."""
    decoded = str(text, "utf-8", "replace")
    return [one.pattern.id for one in candidates if one.regex.search(decoded)]


def confirmed_in_any(candidates: Sequence[Compiled], texts: Sequence[str]) -> list[int]:
    """The same for several texts."""
    clean = [str(encoded(text), "utf-8") for text in texts]
    return [one.pattern.id for one in candidates if any(map(one.regex.search, clean))]
