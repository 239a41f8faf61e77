"""Other agents, and copies of itself, that a system started."""

from __future__ import annotations

from subcritical.detectors._rule_based import RuleBased


class SuccessorSpawn(RuleBased):
    """Its rules are in `rules/successor_spawn.yml`, with cases beside them."""

    id = "successor_spawn"
    techniques = ("RSI-T0204",)
    docs = "detectors/successor_spawn.md"
