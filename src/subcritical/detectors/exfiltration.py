"""Weights, prompts, memory, keys or the repository, sent to another machine."""

from __future__ import annotations

from subcritical.detectors._rule_based import RuleBased


class Exfiltration(RuleBased):
    """Its rules are in `rules/exfiltration.yml`, with cases beside them."""

    id = "exfiltration"
    techniques = ("RSI-T0700",)
    docs = "detectors/exfiltration.md"
