"""The reference and last resort: every pattern searched for by Python's `re`, one after another."""

from __future__ import annotations

from collections.abc import Sequence

from subcritical.matching.patterns import Compiled, confirmed, confirmed_in_any


class PlainMatcher:
    """Time grows with the number of patterns: about 100 times that of one scan for 100 of them."""

    engine = "re"

    def __init__(self, patterns: Sequence[Compiled]) -> None:
        """Keep the patterns, ordered by id."""
        self._patterns = patterns

    def which(self, text: bytes) -> list[int]:
        """See `Matcher.which`."""
        return confirmed(self._patterns, text)

    def in_any(self, texts: Sequence[str]) -> list[int]:
        """See `Matcher.in_any`."""
        return confirmed_in_any(self._patterns, texts)

    def possible(self, texts: Sequence[str]) -> bool:
        """See `Matcher.possible`: nothing is known before the search itself."""
        return bool(texts and self._patterns)
