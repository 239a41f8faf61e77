"""Hyperscan as a filter before Python's `re`: one scan says which patterns can be there at all."""

from __future__ import annotations

from collections.abc import Sequence

from subcritical.matching.covering import TRAP_GUARD
from subcritical.matching.database import Filter
from subcritical.matching.filtered import Filtered
from subcritical.matching.patterns import Compiled


class HyperscanMatcher(Filtered):
    """One database and its scratch for all texts."""

    engine = "hyperscan"

    def __init__(self, patterns: Sequence[Compiled]) -> None:
        """Compile."""
        self._patterns = patterns
        self._filter = Filter(patterns, json=False, once=True, guard=TRAP_GUARD)
        self._found: list[int] = []
        self._report = self._add  # one bound method for all calls

    def candidates(self, text: bytes) -> Sequence[Compiled]:
        """See `Filtered.candidates`."""
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
