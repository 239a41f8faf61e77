"""Which lines of a raw chunk of JSON may hold a match: one scan, over expressions that cover JSON's escapes."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from subcritical.matching.covering import JSON_GUARD
from subcritical.matching.patterns import Pattern, compiled


class RawLines:
    """A database for raw lines, and the offsets that it reports."""

    def __init__(self, filter_: Any) -> None:
        """Take the database."""
        self._filter = filter_
        self._ends: list[int] = []
        self._report = self._add  # one bound method for all scans

    @classmethod
    def of(cls, patterns: Sequence[Pattern]) -> RawLines | None:
        """The database; None where hyperscan is not installed or some pattern cannot be looked for in raw lines."""
        if importlib.util.find_spec("hyperscan") is None:
            return None
        from subcritical.matching.database import Filter  # noqa: PLC0415 - an optional extra

        made = Filter(compiled(patterns), json=True, once=False, guard=JSON_GUARD)
        return None if made.left_out else cls(made)

    def reported(self, data: bytes, ends: np.ndarray[Any, Any]) -> list[int]:
        """Indices, ascending, of the lines where a match is possible or an escape stands that is not covered.

        Args:
            data: Whole lines, each with its newline.
            ends: Shape (lines,), offsets of the newlines.
        """
        self._ends.clear()
        self._filter.scan(data, self._report)
        if not self._ends:
            return []
        lines: list[int] = np.unique(np.searchsorted(ends, np.asarray(self._ends) - 1)).tolist()
        return lines

    def _add(self, _index: int, _begin: int, end: int, _flags: int, _context: object) -> None:
        self._ends.append(end)
