"""Many patterns at once over bytes: what Python's `re` would find, found faster."""

from subcritical.matching.agent_events import Broken
from subcritical.matching.candidates import Candidates, candidates
from subcritical.matching.choose import ENGINES, compile_matcher
from subcritical.matching.lines import WAYS, Batch, Row, RuleStream
from subcritical.matching.patterns import Matcher, Pattern

__all__ = [
    "ENGINES",
    "WAYS",
    "Batch",
    "Broken",
    "Candidates",
    "Matcher",
    "Pattern",
    "Row",
    "RuleStream",
    "candidates",
    "compile_matcher",
]
