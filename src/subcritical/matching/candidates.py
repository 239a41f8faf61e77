"""Which of many expressions a text may hold, as hyperscan reads them: fast, unconfirmed, only where it is installed.

For filters that may say yes too often. The expressions are hyperscan's: over bytes, no lookaround, case folded for
ASCII letters alone. Whoever writes them sees to it that they take at least what is sought, beyond ASCII too.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence


class Candidates:
    """A database of expressions; threads take turns."""

    def __init__(self, expressions: Sequence[str]) -> None:
        """Compile them: seconds for hundreds of large ones.

        Raises:
            hyperscan.error: One of them is not understood.
        """
        import hyperscan  # noqa: PLC0415 - an optional extra

        flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY | hyperscan.HS_FLAG_CASELESS
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[expression.encode() for expression in expressions],
            ids=list(range(len(expressions))),
            elements=len(expressions),
            flags=[flags] * len(expressions),
        )
        self._database.scratch = hyperscan.Scratch(self._database)
        self._found: list[int] = []
        self._report = self._add  # one bound method for all calls
        self._lock = threading.Lock()

    def of(self, text: bytes) -> list[int]:
        """Indices of the expressions that it holds, each once, in no order."""
        with self._lock:
            self._found = []
            self._database.scan(text, match_event_handler=self._report)
            return self._found

    def _add(self, index: int, _begin: int, _end: int, _flags: int, _context: object) -> None:
        self._found.append(index)


def candidates(expressions: Sequence[str]) -> Candidates | None:
    """A database, or None where hyperscan is not installed."""
    return Candidates(expressions) if importlib.util.find_spec("hyperscan") is not None else None
