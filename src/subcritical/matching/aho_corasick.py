"""Words before expressions, for machines that hyperscan does not run on: literals are looked for, then `re` decides."""

from __future__ import annotations

from collections.abc import Sequence

import ahocorasick_rs

from subcritical.matching.filtered import Filtered
from subcritical.matching.leaves import TRAPS
from subcritical.matching.literals import literals
from subcritical.matching.patterns import Compiled


class AhoCorasickMatcher(Filtered):
    """A pattern without literals is searched for in every text; `unfiltered` counts them."""

    engine = "aho-corasick"

    def __init__(self, patterns: Sequence[Compiled]) -> None:
        """Derive the literals and make the automaton."""
        self._patterns = patterns
        owners: dict[str, list[int]] = {}
        always = []
        for index, one in enumerate(patterns):
            words = literals(one.pattern.regex, one.flags)
            if words is None:
                always.append(index)
            for word in words or ():
                owners.setdefault(word, []).append(index)
        self._always = frozenset(always)
        for trap in TRAPS:
            owners[trap] = [*range(len(patterns))]
        self._owners = [tuple(indices) for indices in owners.values()]
        self._automaton = ahocorasick_rs.BytesAhoCorasick([word.encode() for word in owners])

    @property
    def unfiltered(self) -> int:
        """How many patterns have no literals."""
        return len(self._always)

    def candidates(self, text: bytes) -> Sequence[Compiled]:
        """See `Filtered.candidates`."""
        found = set(self._always)
        # Lowering bytes leaves what is beyond ASCII as it is, so that the traps are found too.
        for word in {match[0] for match in self._automaton.find_matches_as_indexes(text.lower(), overlapping=True)}:
            found.update(self._owners[word])
        return [self._patterns[index] for index in sorted(found)]
