"""Hyperscan as a filter before Python's `re`: one scan says which patterns can be there at all."""

from __future__ import annotations

from collections.abc import Sequence

from subcritical.matching.covering import TRAP_GUARD
from subcritical.matching.database import Filter
from subcritical.matching.patterns import Compiled, confirmed, confirmed_in_any, encoded


class HyperscanMatcher:
    """One database and its scratch for all texts."""

    engine = "hyperscan"

    def __init__(self, patterns: Sequence[Compiled]) -> None:
        """Compile."""
        self._patterns = patterns
        self._filter = Filter(patterns, json=False, once=True, guard=TRAP_GUARD)
        self._found: list[int] = []
        self._report = self._add  # one bound method for all calls

    def which(self, text: bytes) -> list[int]:
        """See `Matcher.which`."""
        candidates = self._candidates(text)
        return confirmed(candidates, text) if candidates else []

    def in_any(self, texts: Sequence[str]) -> list[int]:
        """See `Matcher.in_any`: one scan of all, then `re` on each for what it reports."""
        # What stands within one text stands within the joined ones, and no anchor is looked for.
        candidates = self._candidates(encoded("\n".join(texts)))
        return confirmed_in_any(candidates, texts) if candidates else []

    def possible(self, texts: Sequence[str]) -> bool:
        """See `Matcher.possible`."""
        return bool(self._candidates(encoded("\n".join(texts))))

    def _candidates(self, text: bytes) -> Sequence[Compiled]:
        """Patterns of which a match is possible, ascending."""
        found = self._found
        found.clear()
        self._filter.scan(text, self._report)
        if not found and not self._filter.left_out:
            return ()
        if len(self._patterns) in found:  # the guard's index
            return self._patterns
        return [self._patterns[index] for index in sorted({*found, *self._filter.left_out})]

    def _add(self, index: int, _begin: int, _end: int, _flags: int, _context: object) -> None:
        self._found.append(index)
