"""What would stop a system, changed by the system; signals ignored."""

from __future__ import annotations

from subcritical.detectors._rule_based import RuleBased


class ShutdownResistance(RuleBased):
    """Its rules are in `rules/shutdown_resistance.yml`, with cases beside them."""

    id = "shutdown_resistance"
    techniques = ("RSI-T0500",)
    docs = "detectors/shutdown_resistance.md"
