"""What a system set up to run again without being started."""

from __future__ import annotations

from subcritical.detectors._rule_based import RuleBased


class Persistence(RuleBased):
    """Its rules are in `rules/persistence.yml`, with cases beside them."""

    id = "persistence"
    techniques = ("RSI-T0701",)
    docs = "detectors/persistence.md"
