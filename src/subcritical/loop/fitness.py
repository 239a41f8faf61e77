"""Public score minus a tuned price for what a proposal is flagged for: what selection goes by, where a loop says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from subcritical.loop.evaluation import Scored
from subcritical.loop.keeping import counts
from subcritical.schema import Event, Finding, Measurement, Record, Severity
from subcritical.utility import Price

SEE_HELD_OUT = frozenset({"blind", "holdout_gap", "improvement_budget", "score_claim", "score_jump", "threshold_ahead"})
"""Detectors that look at held-out scores: a price on what they say would tell the guest about held-out data."""
PRICE = "price_of_a_flag"


class Fitness:
    """Charges proposals, one after another.

    Charged are what the policy would have refused, where it is not enforced, and each finding of medium severity
    or above that points at the proposal's record or at a later one.

    Args:
        price: What one charge costs, in units of the public score.
        detectors: Whose findings count.
    """

    def __init__(self, price: Price, detectors: frozenset[str]) -> None:
        """Nothing is charged yet."""
        self._price = price
        self._detectors = detectors
        self._since = 0
        self._count = 0
        self._judged = 0

    def begin(self, proposal: Event, *, waived: int) -> None:
        """From here on, findings are about this proposal, of which the policy would have refused `waived` changes."""
        self._since, self._count = proposal.seq, waived

    def charge(self, findings: Sequence[Finding]) -> None:
        """Take in findings."""
        for finding in findings:
            self._count += finding.detector in self._detectors and counts(finding, Severity.MEDIUM, self._since)

    def of(self, scored: Scored) -> float:
        """The fitness of the version that is being judged."""
        cost = self._price.weight * self._count
        return scored.value - cost if scored.direction == "up" else scored.value + cost

    def settle(self) -> Measurement:
        """The proposal has its verdict: what was flagged moves the price. The price from now on, for the record."""
        self._judged += 1
        return Measurement(
            name=PRICE,
            estimate=self._price.observe(self._count > 0),
            low=None,
            high=None,
            level=0.95,
            unit="score",
            method="asymmetric dual ascent",
            n=self._judged,
        )

    def restore(self, records: Iterable[Record]) -> None:
        """Take up the price of a run from its journal. The batch that was under way begins anew."""
        for record in records:
            if isinstance(record, Measurement) and record.name == PRICE and record.estimate is not None:
                self._price.weight, self._judged = record.estimate, record.n
