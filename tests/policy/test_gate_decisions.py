"""The example gates decide as documented; every rule has a test that flips it."""

import jsonschema
import msgspec
import pytest
from gate_facts import SUBJECT, approved, gate, measured, progress, shown, staff, worsened
from msgspec.structs import replace

from subcritical.errors import InputError
from subcritical.policy import Evidence, Gate, Outcome, check_gate, decide, gate_schema, profile_names

ALLOW, DENY, HALT = Outcome.ALLOW, Outcome.DENY, Outcome.HALT
RATE, STAFF = gate("progress-rate"), gate("research-staff")


def outcomes(facts, of=RATE, levels=(1, 2, 3)):
    return [decide(of, facts, level).outcome for level in levels]


def test_the_documented_decisions_of_the_progress_gate():
    assert outcomes(progress((1.0, 1.2))) == [ALLOW, ALLOW, ALLOW]
    assert outcomes(progress((1.20, 1.82))) == [ALLOW, ALLOW, DENY]
    assert outcomes(progress((0.9, 2.3))) == [DENY, DENY, DENY]
    assert outcomes(progress((2.1, 2.4))) == [DENY, DENY, DENY]
    assert outcomes(progress(drop=("generation_wallclock_ratio",))) == [HALT, HALT, HALT]
    fast = worsened(progress(), "generation_wallclock_ratio", low=0.05, high=0.1)
    assert outcomes(fast) == [HALT, HALT, HALT]


def test_the_documented_decisions_of_the_staff_gate():
    assert outcomes(staff(), STAFF, (1, 2)) == [ALLOW, ALLOW]
    assert outcomes(staff(suite=(0.7, 0.78)), STAFF, (1, 2)) == [DENY, DENY]
    assert outcomes(staff(horizon=(1000.0, 6000.0)), STAFF, (1, 2)) == [DENY, DENY]


@pytest.mark.parametrize(
    "change",
    [
        {"signers": (("ann", "self"), ("bob", "self"))},
        {"signers": (("ann", "third-party"), ("ann", "third-party"))},
        {"signers": ()},
        {"measured": "2026-07-01"},
        {"measured": "2026-12-01"},
        {"measured": ""},
        {"in_log": False},
        {"subject_digest": "cd" * 32},
        {"predicate_type": "urn:other"},
        {"effective_compute": 1e25},
        {"effective_compute": None},
        {"elicitation": "none"},
        {"sandbagging_check": False},
        {"n": 11},
        {"confidence": 0.9},
        {"low": None, "high": None},
        {"low": 1.3, "high": 1.1},
        {"high": float("nan")},
    ],
)
def test_every_rule_about_evidence_flips_the_decision(change):
    """One rule broken on the slope's evidence: at level 3 nothing is left that rules the alert out."""
    assert outcomes(progress())[2] is ALLOW
    assert outcomes(worsened(progress(), "capability_slope_ratio", **change))[2] is DENY


def test_evidence_of_danger_counts_however_inadmissible():
    junk = Evidence(
        name="junk", predicate_type="x", subject_digest="", metric="capability_slope_ratio", low=2.5, high=3
    )
    assert outcomes(replace(progress(), evidence=(*progress().evidence, junk))) == [DENY, DENY, DENY]


def test_the_worst_admissible_evidence_wins():
    second = measured("capability_slope_ratio", 1.3, 1.6, name="second")
    assert outcomes(replace(progress(), evidence=(*progress().evidence, second)))[2] is DENY


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (progress(drop=("monitor-recall",)), "safeguard monitor-recall: no evidence"),
        (worsened(progress(), "monitor-recall", in_log=False), "no proof"),
        (worsened(progress(), "monitor-recall", passed=None), "does not say that it passed"),
        (replace(progress(), evidence=(*progress().evidence, shown("monitor-recall", passed=False))), "it failed"),
        (replace(progress(), approvals=(approved("ann", 2),)), "1 distinct approvers"),
        (replace(progress(), approvals=(approved("ann", 2), approved("ann", 2))), "1 distinct approvers"),
        (replace(progress(), approvals=(approved("ann", 2), approved("bob", 1))), "1 distinct approvers"),
        (replace(progress(), approvals=(approved("ann", 2), approved("bob", 2, gate_id="x"))), "1 distinct approvers"),
        (
            replace(progress(), approvals=(approved("ann", 2), approved("bob", 2, expires="2026-11-01"))),
            "1 distinct approvers",
        ),
        (
            replace(progress(), approvals=(approved("ann", 2), approved("bob", 2, subject_digest="cd" * 32))),
            "1 distinct approvers",
        ),
        (replace(progress(), today="2027-06-01"), "in force from"),
        (replace(progress(), today="2026-10-01"), "in force from"),
        (replace(progress(), events=("policy-change",)), "invalidated: policy-change"),
    ],
)
def test_every_other_rule_flips_level_2_and_says_why(facts, says):
    decision = decide(RATE, facts, 2)
    assert decision.outcome is DENY
    assert says in " | ".join(decision.reasons)


def test_an_event_that_the_gate_does_not_name_changes_nothing():
    assert decide(RATE, replace(progress(), events=("holiday",)), 2).outcome is ALLOW


def test_another_subject_and_an_unknown_level_are_denied():
    about = replace(RATE, subject_selector="other-*")
    assert decide(about, progress(), 1).outcome is DENY
    assert decide(RATE, progress(), 9).outcome is DENY
    assert decide(RATE, progress(), 9).highest_allowed == 3


def test_an_incident_does_not_soften_a_halt():
    facts = replace(progress(drop=("generation_wallclock_ratio",)), events=("critical-incident",))
    assert decide(RATE, facts, 1).outcome is HALT


def test_all_instead_of_any_needs_every_indicator_open():
    both = replace(RATE.thresholds[1], combine="all")
    lenient = replace(RATE, thresholds=(both,))
    assert decide(lenient, progress((2.1, 2.4)), 1).outcome is ALLOW
    facts = worsened(progress((2.1, 2.4)), "ai_uplift_rct", high=2.5)
    assert decide(lenient, facts, 1).outcome is DENY


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"expires": "2027-06-30"}, "at most 183"),
        ({"expires": "2026-10-01"}, "before it begins"),
        ({"expires": "2026-13-01"}, "no day"),
        ({"thresholds": (RATE.thresholds[0], RATE.thresholds[0])}, "given twice"),
        ({"levels": (RATE.levels[0], replace(RATE.levels[1], safeguards=()))}, "drops the safeguard"),
        ({"levels": (RATE.levels[1], replace(RATE.levels[2], approvals=1))}, "approvals instead of"),
        ({"levels": (replace(RATE.levels[0], max_severity="none"), RATE.levels[1])}, "it tolerates alert"),
        ({"safeguards": ()}, "does not define"),
    ],
)
def test_gates_that_are_laxer_or_careless_are_refused(change, says):
    with pytest.raises(InputError, match=says):
        check_gate(replace(RATE, **change))


@pytest.mark.parametrize("name", profile_names())
def test_the_json_schema_takes_every_shipped_gate(name):
    schema = gate_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    data = msgspec.to_builtins(gate(name))
    jsonschema.validate(msgspec.json.decode(msgspec.json.encode(data)), schema)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("on_indeterminate",), "below"),
        (("on_critical",), "DENY"),
        (("levels", 0, "max_severity"), "critical"),
        (("thresholds", 0, "indicators", 0, "buffer"), -0.1),
        (("thresholds", 0, "evidence", "min_signers"), 0),
        (("thresholds", 0, "sources"), []),
        (("extra",), 1),
    ],
)
def test_schema_and_reader_refuse_the_same_softening(path, value):
    data = msgspec.json.decode(msgspec.json.encode(RATE))
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, gate_schema())
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(data, Gate)


def test_subjects_without_known_compute_are_not_ruled_out():
    facts = replace(progress(), subject=replace(SUBJECT, effective_compute=None))
    assert outcomes(facts) == [HALT, HALT, HALT]
