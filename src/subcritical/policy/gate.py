"""The schema of a scaling gate. Two values cannot be softened by configuration: unknown is crossed, critical halts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

API_VERSION = "subcritical.gate/v1"
LIFE_DAYS_MAX = 183
"""A gate that nobody looks at for half a year is no gate."""

Severity = Literal["alert", "high", "critical"]
Ceiling = Literal["none", "alert", "high"]
Independence = Literal["self", "internal-independent", "third-party"]
Elicitation = Literal["none", "standard", "state-of-the-art"]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Date = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$", description="a day, quoted: '2026-12-31'")]
Positive = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Number = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parts refuse what they do not know."""


class Source(_Part, frozen=True, kw_only=True):
    """Where a number or a clause comes from; `ours` marks what no framework says."""

    framework: Text
    clause: Text
    ours: bool
    version: str = ""
    quote: str = ""
    read: str = ""
    """When and where it was read: wording that was read in a secondary place says so."""


class EvidenceRule(_Part, frozen=True, kw_only=True):
    """What evidence must be like to count as evidence of safety."""

    predicate_type: Text
    max_age_days: Positive = 90
    independence: Independence = "internal-independent"
    min_signers: Positive = 1
    max_effective_compute_ratio: NotNegative = 4.0
    require_elicitation: Elicitation = "standard"
    require_sandbagging_check: bool = True


class Indicator(_Part, frozen=True, kw_only=True):
    """A metric, its threshold, and what an interval must be like to rule the threshold out."""

    metric: Name
    unit: Text
    threshold: Number
    ours: bool
    buffer: NotNegative = 0.0
    confidence: Share = 0.95
    min_n: Positive = 1
    direction: Literal["higher_is_more_capable", "lower_is_more_capable"] = "higher_is_more_capable"


class Threshold(_Part, frozen=True, kw_only=True):
    """A line that must not be crossed unseen: crossed if `any` (or `all`) of its indicators cannot be ruled out."""

    id: Name
    risk: Text
    severity: Severity
    indicators: Annotated[tuple[Indicator, ...], msgspec.Meta(min_length=1, max_length=50)]
    evidence: EvidenceRule
    sources: Annotated[tuple[Source, ...], msgspec.Meta(min_length=1, max_length=20)]
    combine: Literal["any", "all"] = "any"


class Safeguard(_Part, frozen=True, kw_only=True):
    """Something that must have been shown to work."""

    id: Name
    evidence: EvidenceRule


class Level(_Part, frozen=True, kw_only=True):
    """What an autonomy level asks for."""

    autonomy: Annotated[int, msgspec.Meta(ge=1, le=100)]
    max_severity: Ceiling
    safeguards: tuple[Name, ...] = ()
    approvals: Annotated[int, msgspec.Meta(ge=0, le=100)] = 1


class Gate(_Part, frozen=True, kw_only=True):
    """A scaling gate. Autonomy 0 needs no gate; what no level names is denied."""

    apiVersion: Literal["subcritical.gate/v1"]  # noqa: N815 - the field's name in files of this kind
    id: Name
    valid_from: Date
    expires: Date
    subject_selector: Text
    thresholds: Annotated[tuple[Threshold, ...], msgspec.Meta(min_length=1, max_length=50)]
    levels: Annotated[tuple[Level, ...], msgspec.Meta(min_length=1, max_length=50)]
    safeguards: tuple[Safeguard, ...] = ()
    on_indeterminate: Literal["crossed"] = "crossed"
    on_critical: Literal["HALT"] = "HALT"
    invalidated_by: tuple[Name, ...] = (
        "subject-digest-change",
        "policy-change",
        "critical-incident",
        "log-inconsistency",
    )


def gate_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of a gate; `check_gate` adds what a schema cannot say."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Gate)}
