"""Secrets, rights and machines that a system took."""

from __future__ import annotations

from subcritical.detectors._rule_based import RuleBased


class ResourceAcquisition(RuleBased):
    """Its rules are in `rules/resource_acquisition.yml`, with cases beside them."""

    id = "resource_acquisition"
    techniques = ("RSI-T0600",)
    docs = "detectors/resource_acquisition.md"
