"""One hyperscan database over covering expressions, and the patterns that had to be left out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import hyperscan

from subcritical.matching.covering import covering, least_width
from subcritical.matching.leaves import Uncoverable
from subcritical.matching.patterns import Compiled

Report = Callable[[int, int, int, int, object], bool | None]


class Filter:
    """A compiled database with its scratch, made once and used for every scan.

    Attributes:
        left_out: Indices of the patterns that it cannot find: they may match the empty text, or are too large.
    """

    def __init__(self, patterns: Sequence[Compiled], *, json: bool, once: bool, guard: str | None = None) -> None:
        """Compile.

        Args:
            patterns: What is reported by its index here.
            json: Whether raw JSON Lines are scanned, or texts.
            once: Whether a pattern is reported once a scan, or at each of its ends.
            guard: One more expression, reported as the index after the last.
        """
        flags = hyperscan.HS_FLAG_SINGLEMATCH if once else 0
        found = {index: written for index, one in enumerate(patterns) if (written := _expression(one, json=json))}
        if guard is not None:
            found[len(patterns)] = guard
        try:
            self._database = _build(found, flags) if found else None
        except hyperscan.HyperscanError:  # some pattern is too large: which, is found one by one
            found = {index: written for index, written in found.items() if _is_compiled(written, flags)}
            self._database = _build(found, flags) if found else None
        self.left_out = [index for index in range(len(patterns)) if index not in found]

    def scan(self, data: bytes, report: Report) -> None:
        """Call `report(index, 0, end, 0, None)` for what may be there.

        Args:
            data: Bytes, at most 4 GiB.
            report: Returns None to go on.
        """
        if self._database is not None:
            self._database.scan(data, match_event_handler=report)


def _expression(one: Compiled, *, json: bool) -> str | None:
    """What hyperscan may look for; None for a pattern that matches the empty text or has something unknown in it."""
    try:
        empty = least_width(one.pattern.regex, one.flags) == 0
        return None if empty else covering(one.pattern.regex, one.flags, json=json)
    except (Uncoverable, RecursionError):
        return None


def _is_compiled(expression: str, flags: int) -> bool:
    try:
        _build({0: expression}, flags)
    except hyperscan.HyperscanError:
        return False
    return True


def _build(expressions: Mapping[int, str], flags: int) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[expression.encode("ascii") for expression in expressions.values()],
        ids=[*expressions],
        elements=len(expressions),
        flags=[flags] * len(expressions),
    )
    database.scratch = hyperscan.Scratch(database)
    return database
