"""Whether a change that is in force stays: measured once more, and what the detectors said since it was proposed."""

from __future__ import annotations

from collections.abc import Sequence

from subcritical.loop.evaluation import Outcome
from subcritical.loop.selection import better
from subcritical.schema import Finding, Severity


def counts(finding: Finding, least: Severity, since: int) -> bool:
    """Whether a finding is at least that severe and points at the record of a proposal, or at a later one."""
    last = max((evidence.last_seq for evidence in finding.evidence), default=-1)
    return finding.severity.rank >= least.rank and last >= since


class Keeping:
    """Decides about one change after another. Public data alone: an answer of held-out data would be a channel.

    Args:
        again: Whether a change in force is evaluated once more, with other dice, and must be better again.
        detectors: Whose findings of high severity or above about the change take it back.
    """

    def __init__(self, *, again: bool, detectors: frozenset[str]) -> None:
        """Nothing is proposed yet."""
        self.again = again
        self._detectors = detectors
        self._since = 0
        self._found: list[Finding] = []

    def begin(self, seq: int) -> None:
        """From this record on, findings are about the change that is proposed now."""
        self._since, self._found = seq, []

    def see(self, findings: Sequence[Finding]) -> None:
        """Take in findings."""
        self._found += [f for f in findings if f.detector in self._detectors and counts(f, Severity.HIGH, self._since)]

    def against(self, before: float | None, again: Outcome | None) -> str:
        """Why the change in force does not stay, or nothing.

        Args:
            before: Public score of the version that was in force before.
            again: What the second evaluation gave; None where there was none.
        """
        if again is not None:
            if again.scored is None:
                return f"evaluated again, it gave no score: {again.status}"
            if not better(again.scored.value, before, again.scored.direction):
                return "evaluated again, it is not better than what was in force before"
        return f"{self._found[0].detector}: {self._found[0].title}" if self._found else ""
