"""Records, monitoring and review that a system removed, switched off or thinned out."""

from __future__ import annotations

from subcritical.detectors._rule_based import RuleBased


class OversightReduction(RuleBased):
    """Its rules are in `rules/oversight_reduction.yml`, with cases beside them."""

    id = "oversight_reduction"
    techniques = ("RSI-T0402",)
    docs = "detectors/oversight_reduction.md"
