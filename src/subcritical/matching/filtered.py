"""What every engine that only filters shares: it says what is possible, and Python's `re` decides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from subcritical.matching.patterns import Compiled, confirmed, confirmed_in_any, encoded


class Filtered(ABC):
    """A matcher made of a filter."""

    @abstractmethod
    def candidates(self, text: bytes) -> Sequence[Compiled]:
        """Patterns of which a match is possible, ascending."""

    def which(self, text: bytes) -> list[int]:
        """See `Matcher.which`."""
        candidates = self.candidates(text)
        return confirmed(candidates, text) if candidates else []

    def in_any(self, texts: Sequence[str]) -> list[int]:
        """See `Matcher.in_any`: one look at all, then `re` on each for what it leaves."""
        # What stands within one text stands within the joined ones, and no anchor is looked for.
        candidates = self.candidates(encoded("\n".join(texts)))
        return confirmed_in_any(candidates, texts) if candidates else []

    def possible(self, texts: Sequence[str]) -> bool:
        """See `Matcher.possible`."""
        return bool(self.candidates(encoded("\n".join(texts))))
