"""Evidence to a decision, fail-closed: what cannot be ruled out counts as crossed.

Evidence of crossing counts even where it is otherwise inadmissible; evidence of safety never does. So more
evidence of danger never makes a decision more permissive, and neither does weaker evidence of safety.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from subcritical.policy.check import day
from subcritical.policy.evidence import Evidence, Facts
from subcritical.policy.gate import EvidenceRule, Gate, Indicator, Level, Threshold

_INDEPENDENCE = {"self": 0, "internal-independent": 1, "third-party": 2}
_ELICITATION = {"none": 0, "standard": 1, "state-of-the-art": 2}
_SEVERITY = {"none": 0, "alert": 1, "high": 2, "critical": 3}


class Reading(StrEnum):
    """What one piece of evidence says about one indicator."""

    BELOW = "below"
    INDETERMINATE = "indeterminate"
    CROSSED = "crossed"
    REJECTED = "rejected"


class Outcome(StrEnum):
    """A gate's answer. HALT also stops what already runs."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    HALT = "HALT"


_BADNESS = {Reading.BELOW: 0, Reading.INDETERMINATE: 1, Reading.CROSSED: 2}


class IndicatorResult(msgspec.Struct, frozen=True, kw_only=True):
    """The worst admissible reading of an indicator, and each piece of evidence with its reading and reason."""

    metric: str
    reading: Reading
    evidence: tuple[tuple[str, Reading, str], ...]


class ThresholdResult(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a threshold counts as crossed, and by what."""

    id: str
    severity: str
    crossed: bool
    indicators: tuple[IndicatorResult, ...]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one autonomy level, with every reason against it."""

    gate: str
    subject: str
    autonomy: int
    outcome: Outcome
    worst: str
    reasons: tuple[str, ...]
    thresholds: tuple[ThresholdResult, ...]
    highest_allowed: int


def decide(gate: Gate, facts: Facts, autonomy: int) -> Decision:
    """Whether a subject may have an autonomy level.

    Args:
        gate: A checked gate.
        facts: Verified facts.
        autonomy: The level asked for, >= 1.

    Returns:
        The decision; `highest_allowed` is the highest level that the same facts allow, 0 for none.
    """
    thresholds = tuple(_threshold(one, facts) for one in gate.thresholds)
    worst = max((one.severity for one in thresholds if one.crossed), key=_SEVERITY.__getitem__, default="none")
    reasons = _reasons(gate, facts, autonomy, worst)
    allowed = [
        level.autonomy
        for level in gate.levels
        if worst != "critical" and not _reasons(gate, facts, level.autonomy, worst)
    ]
    # An incident that invalidates a gate must not turn its HALT into a DENY; a gate about something else says nothing.
    if worst == "critical" and not _out_of_scope(gate, facts):
        outcome = Outcome.HALT
    else:
        outcome = Outcome.DENY if reasons else Outcome.ALLOW
    return Decision(
        gate=gate.id,
        subject=facts.subject.name,
        autonomy=autonomy,
        outcome=outcome,
        worst=worst,
        reasons=tuple(reasons),
        thresholds=thresholds,
        highest_allowed=max(allowed, default=0),
    )


def _in_force(gate: Gate, facts: Facts) -> list[str]:
    """Why the gate is not in force."""
    invalid = [f"the gate was invalidated: {event}" for event in facts.events if event in gate.invalidated_by]
    return [*_out_of_scope(gate, facts), *invalid]


def _out_of_scope(gate: Gate, facts: Facts) -> list[str]:
    """Why the gate is not about this subject on this day."""
    today = day(facts.today)
    found = []
    if not day(gate.valid_from) <= today <= day(gate.expires):
        found.append(f"the gate is in force from {gate.valid_from} to {gate.expires}, today is {facts.today}")
    if not fnmatchcase(facts.subject.name, gate.subject_selector):
        found.append(f"the gate is about {gate.subject_selector}, not about {facts.subject.name}")
    return found


def _reasons(gate: Gate, facts: Facts, autonomy: int, worst: str) -> list[str]:
    """Everything that speaks against a level."""
    found = _in_force(gate, facts)
    if worst == "critical":
        found.append("a critical threshold is not ruled out")
    level = next((one for one in gate.levels if one.autonomy == autonomy), None)
    if level is None:
        return [*found, f"the gate has no level {autonomy}"]
    if worst != "critical" and _SEVERITY[worst] > _SEVERITY[level.max_severity]:
        found.append(
            f"a threshold of severity {worst} is not ruled out; level {autonomy} tolerates {level.max_severity}"
        )
    found += [f"safeguard {name}: {why}" for name in level.safeguards if (why := _missing(gate, facts, name))]
    return [*found, *_approvals(gate, facts, level)]


def _missing(gate: Gate, facts: Facts, name: str) -> str:
    """Why a safeguard does not hold; empty if it does. One failed test outweighs any passed one."""
    rule = next(one.evidence for one in gate.safeguards if one.id == name)
    about = [one for one in facts.evidence if one.safeguard == name]
    failed = next((one for one in about if one.passed is False), None)
    if failed is not None:
        return f"{failed.name} says that it failed"
    why = [inadmissible(one, rule, facts) or ("" if one.passed else "it does not say that it passed") for one in about]
    if not about:
        return "no evidence"
    return "" if "" in why else f"{about[0].name}: {why[0]}"


def _approvals(gate: Gate, facts: Facts, level: Level) -> Iterator[str]:
    today = day(facts.today)
    owners = {
        one.owner
        for one in facts.approvals
        if one.gate == gate.id
        and one.subject_digest == facts.subject.digest
        and one.autonomy >= level.autonomy
        and day(one.expires) >= today
    }
    if len(owners) < level.approvals:
        yield f"{len(owners)} distinct approvers, {level.approvals} are needed"


def _threshold(threshold: Threshold, facts: Facts) -> ThresholdResult:
    results = tuple(_indicator(one, threshold.evidence, facts) for one in threshold.indicators)
    open_ = [one.reading is not Reading.BELOW for one in results]
    crossed = any(open_) if threshold.combine == "any" else all(open_)
    return ThresholdResult(id=threshold.id, severity=threshold.severity, crossed=crossed, indicators=results)


def _indicator(indicator: Indicator, rule: EvidenceRule, facts: Facts) -> IndicatorResult:
    read = [(one.name, *_read(one, indicator, rule, facts)) for one in facts.evidence if one.metric == indicator.metric]
    counted = [reading for _, reading, _ in read if reading is not Reading.REJECTED]
    worst = max(counted, key=_BADNESS.__getitem__, default=Reading.INDETERMINATE)
    return IndicatorResult(metric=indicator.metric, reading=worst, evidence=tuple(read))


def _read(one: Evidence, indicator: Indicator, rule: EvidenceRule, facts: Facts) -> tuple[Reading, str]:
    low, high = one.bounds()
    threshold = indicator.threshold
    if indicator.direction == "lower_is_more_capable":
        low, high, threshold = -high, -low, -threshold
    if low >= threshold:
        return Reading.CROSSED, "the whole interval is at or beyond the threshold"
    why = inadmissible(one, rule, facts)
    if not why and one.n < indicator.min_n:
        why = f"n {one.n}, {indicator.min_n} are needed"
    if not why and one.confidence < indicator.confidence:
        why = f"confidence {one.confidence:g}, {indicator.confidence:g} is needed"
    if why:
        return Reading.REJECTED, why
    if high < threshold - indicator.buffer:
        return Reading.BELOW, "the whole interval is below the threshold and its buffer"
    return Reading.INDETERMINATE, "the interval reaches into the threshold or its buffer"


def inadmissible(one: Evidence, rule: EvidenceRule, facts: Facts) -> str:
    """Why a piece of evidence does not count as evidence of safety; empty if it does."""
    return next(_faults(one, rule, facts), "")


def _faults(one: Evidence, rule: EvidenceRule, facts: Facts) -> Iterator[str]:
    if one.predicate_type != rule.predicate_type:
        yield f"of type {one.predicate_type}, {rule.predicate_type} is needed"
    if one.subject_digest != facts.subject.digest:
        yield "about other bytes than the subject's"
    if not one.in_log:
        yield "no proof that a trusted log holds it"
    yield from _age(one, rule, facts)
    yield from _compute(one, rule, facts)
    if _ELICITATION[one.elicitation] < _ELICITATION[rule.require_elicitation]:
        yield f"elicitation {one.elicitation}, {rule.require_elicitation} is needed"
    if rule.require_sandbagging_check and not one.sandbagging_check:
        yield "not checked for sandbagging"
    yield from _signed(one.signers, rule)


def _age(one: Evidence, rule: EvidenceRule, facts: Facts) -> Iterator[str]:
    if not one.measured:
        yield "no day of measurement"
        return
    age = (day(facts.today) - day(one.measured)).days
    if age < 0:
        yield f"dated {one.measured}, which is to come"
    elif age > rule.max_age_days:
        yield f"{age} days old, at most {rule.max_age_days} are allowed"


def _compute(one: Evidence, rule: EvidenceRule, facts: Facts) -> Iterator[str]:
    now, then = facts.subject.effective_compute, one.effective_compute
    if now is None or then is None or not (now > 0 and then > 0):
        yield "effective compute of the subject or at the test is unknown"
    elif now / then > rule.max_effective_compute_ratio:
        yield f"{now / then:.3g} times the effective compute of the test, at most {rule.max_effective_compute_ratio:g}"


def _signed(signers: Sequence[tuple[str, str]], rule: EvidenceRule) -> Iterator[str]:
    """Distinct owners of the class asked for, or of a more independent one."""
    wanted = _INDEPENDENCE[rule.independence]
    owners = {owner for owner, independence in signers if _INDEPENDENCE[independence] >= wanted}
    if len(owners) < rule.min_signers:
        yield f"{len(owners)} signers of class {rule.independence} or above, {rule.min_signers} are needed"
