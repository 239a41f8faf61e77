"""Checks skipped, guarding files changed, commands hidden from whoever reads commands."""

from __future__ import annotations

from subcritical.detectors._rule_based import RuleBased


class GuardBypass(RuleBased):
    """Its rules are in `rules/guard_bypass.yml`, with cases beside them."""

    id = "guard_bypass"
    techniques = ("RSI-T0400", "RSI-T0401", "RSI-T0403")
    docs = "detectors/guard_bypass.md"
