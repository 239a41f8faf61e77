"""More danger never opens a gate, and weaker evidence of safety never does either."""

import pytest
from gate_facts import gate, measured, progress, shown
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from subcritical.policy import Outcome, decide
from subcritical.policy import evaluate as under_test

RATE = gate("progress-rate")
STRICTNESS = {Outcome.ALLOW: 0, Outcome.DENY: 1, Outcome.HALT: 2}
METRICS = ("capability_slope_ratio", "ai_uplift_rct", "generation_wallclock_ratio")

bounds = st.one_of(st.none(), st.floats(-1, 4), st.floats(allow_nan=True, allow_infinity=True))
signers = st.lists(
    st.tuples(st.sampled_from(["ann", "bob", "eve"]), st.sampled_from(["self", "internal-independent", "third-party"])),
    max_size=3,
).map(tuple)


@st.composite
def pieces(draw):
    if draw(st.booleans()):
        name = draw(st.sampled_from(["gateway-containment-proof", "monitor-recall"]))
        return shown(name, passed=draw(st.sampled_from([True, False, None])), in_log=draw(st.booleans()))
    return measured(
        draw(st.sampled_from(METRICS)),
        draw(bounds),
        draw(bounds),
        n=draw(st.sampled_from([1, 12, 500])),
        in_log=draw(st.booleans()),
        signers=draw(signers),
        measured=draw(st.sampled_from(["2026-11-01", "2026-01-01", "2027-01-01", ""])),
        confidence=draw(st.sampled_from([0.5, 0.95, 0.99])),
    )


def weaker(piece, which):
    return replace(
        piece,
        **[
            {"in_log": False},
            {"signers": piece.signers[:-1]},
            {"measured": ""},
            {"n": 0},
            {"confidence": 0.0},
            {"elicitation": "none"},
            {"sandbagging_check": False},
            {"subject_digest": "00" * 32},
            {"high": None},
            {"passed": None if piece.passed else piece.passed},
        ][which],
    )


facts = st.lists(pieces(), max_size=7).map(lambda more: replace(progress(), evidence=tuple(more)))
mixed = st.one_of(facts, facts.map(lambda f: replace(f, evidence=(*progress().evidence, *f.evidence))))


def strictness(found, level):
    return STRICTNESS[decide(RATE, found, level).outcome]


@given(mixed, st.sampled_from(METRICS), st.integers(1, 3))
def test_more_evidence_of_danger_is_never_more_permissive(before, metric, level):
    low, high = (0.01, 0.05) if metric == METRICS[2] else (2.5, 3.0)
    danger = measured(metric, low, high, name="danger", in_log=False, signers=())
    after = replace(before, evidence=(*before.evidence, danger))
    assert strictness(after, level) >= strictness(before, level)


@given(mixed, st.integers(0, 6), st.integers(0, 9), st.integers(1, 3))
def test_weaker_evidence_of_safety_is_never_more_permissive(before, at, which, level):
    if at >= len(before.evidence):
        return
    piece = before.evidence[at]
    # An interval without an upper end may no longer be all below; where lower is worse, it is the other end.
    change = {"low": None} if piece.metric == METRICS[2] and which == 8 else None
    changed = replace(piece, **change) if change else weaker(piece, which)
    if _spoke_of_danger(piece):
        return
    after = replace(before, evidence=(*before.evidence[:at], changed, *before.evidence[at + 1 :]))
    assert strictness(after, level) >= strictness(before, level)


def _spoke_of_danger(piece):
    """Weakening what spoke *against* the subject may open the gate; only evidence of safety is meant here."""
    if piece.passed is False:
        return True
    if not piece.metric:
        return False
    rules = {indicator.metric: indicator for threshold in RATE.thresholds for indicator in threshold.indicators}
    threshold = next(t for t in RATE.thresholds if any(i.metric == piece.metric for i in t.indicators))
    alone = replace(progress(), evidence=(piece,))
    reading, _ = under_test._read(piece, rules[piece.metric], threshold.evidence, alone)
    everywhere = [
        under_test._read(piece, i, t.evidence, alone)[0]
        for t in RATE.thresholds
        for i in t.indicators
        if i.metric == piece.metric
    ]
    return any(one in (under_test.Reading.CROSSED, under_test.Reading.INDETERMINATE) for one in (reading, *everywhere))


@given(mixed, st.integers(1, 3), st.sampled_from(["critical-incident", "policy-change", "subject-digest-change"]))
def test_an_invalidating_event_is_never_more_permissive(before, level, event):
    assert strictness(replace(before, events=(event,)), level) >= strictness(before, level)


@given(mixed)
def test_a_higher_level_is_never_easier(found):
    # Approvals are given for every level, so only what the levels ask for differs.
    assert strictness(found, 1) <= strictness(found, 2) <= strictness(found, 3)


def test_the_property_fails_where_indeterminate_counts_as_below(monkeypatch):
    """The guard taken away: an interval that reaches into the buffer rules the threshold out."""
    real = under_test._read

    def lax(one, indicator, rule, found):
        reading, why = real(one, indicator, rule, found)
        return (under_test.Reading.BELOW if reading is under_test.Reading.INDETERMINATE else reading), why

    monkeypatch.setattr(under_test, "_read", lax)
    second = measured("capability_slope_ratio", 1.3, 1.6, name="second")
    facts_ = replace(progress(), evidence=(*progress().evidence, second))
    with pytest.raises(AssertionError):
        assert decide(RATE, facts_, 3).outcome is Outcome.DENY
