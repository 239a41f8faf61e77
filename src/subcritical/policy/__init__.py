"""Scaling gates: which evidence allows which autonomy. Pure: no clock, no disk; gates are data."""

from subcritical.policy.check import check_gate, day
from subcritical.policy.evaluate import Decision, IndicatorResult, Outcome, Reading, ThresholdResult, decide
from subcritical.policy.evidence import Approval, Evidence, Facts, Subject
from subcritical.policy.gate import (
    API_VERSION,
    LIFE_DAYS_MAX,
    EvidenceRule,
    Gate,
    Indicator,
    Level,
    Safeguard,
    Threshold,
    gate_schema,
)
from subcritical.policy.profiles import profile, profile_names

__all__ = [
    "API_VERSION",
    "LIFE_DAYS_MAX",
    "Approval",
    "Decision",
    "Evidence",
    "EvidenceRule",
    "Facts",
    "Gate",
    "Indicator",
    "IndicatorResult",
    "Level",
    "Outcome",
    "Reading",
    "Safeguard",
    "Subject",
    "Threshold",
    "ThresholdResult",
    "check_gate",
    "day",
    "decide",
    "gate_schema",
    "profile",
    "profile_names",
]
