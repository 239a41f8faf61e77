"""No ALLOW, no autonomy: tried on the real engine, proved by two solvers, and refuted where a clause is taken away."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from subcritical.errors import InputError
from subcritical.policy.cedar import AutonomyRequest, autonomy_policy, permits, prove_autonomy

GOOD = AutonomyRequest(
    autonomy=2,
    digest="ab",
    day=739_000,
    verdict="ALLOW",
    verdict_autonomy=2,
    verdict_subject="ab",
    verdict_expires=739_100,
)
CLAUSES = {
    "verdict-allows": 'context.verdict == "ALLOW"',
    "level-covered": "context.autonomy <= context.verdict_autonomy",
    "same-bytes": "context.verdict_subject == resource.digest",
    "not-expired": "context.day <= context.verdict_expires",
}
small = st.integers(0, 4)
requests = st.builds(
    AutonomyRequest,
    autonomy=small,
    digest=st.sampled_from(["ab", "cd"]),
    day=small,
    verdict=st.sampled_from(["ALLOW", "ALLOW", "DENY", "HALT", "allow", ""]),
    verdict_autonomy=small,
    verdict_subject=st.sampled_from(["ab", "cd"]),
    verdict_expires=small,
)


def oracle(request):
    return (
        request.verdict == "ALLOW"
        and request.autonomy <= request.verdict_autonomy
        and request.verdict_subject == request.digest
        and request.day <= request.verdict_expires
    )


@given(requests)
@settings(max_examples=1500)
def test_the_engine_decides_as_the_rule_is_meant(request):
    assert permits(request) is oracle(request)


@pytest.mark.parametrize(
    "change",
    [{"verdict": "DENY"}, {"verdict": "HALT"}, {"autonomy": 3}, {"digest": "cd"}, {"day": 739_101}],
)
def test_one_thing_wrong_is_enough(change):
    assert permits(GOOD)
    assert not permits(replace(GOOD, **change))


def test_every_invariant_is_proved_by_both_solvers():
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    found = prove_autonomy()
    assert {one.id for one in found} == set(CLAUSES)
    assert all(one.verdict == "PROVED" and one.solver_agreement for one in found), found


@pytest.mark.parametrize("name", CLAUSES)
def test_a_policy_without_one_clause_is_refuted_and_the_engine_agrees(name):
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    broken = autonomy_policy().replace(CLAUSES[name], "true")
    found = {one.id: one for one in prove_autonomy(broken)}
    assert found[name].verdict == "VIOLATED"
    assert found[name].replayed is True
    values = {path.partition(".")[2]: value for path, value in found[name].counterexample.values.items()}
    assert not oracle(AutonomyRequest(**values))
    assert all(one.verdict == "PROVED" for one in found.values() if one.id != name)


@pytest.mark.parametrize(
    "extra",
    [
        'permit (principal, action, resource) when { context.verdict == "DENY" };',
        "permit (principal, action, resource) unless { context.autonomy < 5 };",
        'permit (principal, action, resource) when { !(context.verdict == "HALT") || context.day > 3 };',
    ],
)
def test_a_second_rule_that_opens_a_hole_is_found(extra):
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    found = prove_autonomy(autonomy_policy() + extra)
    bad = [one for one in found if one.verdict == "VIOLATED"]
    assert bad
    assert all(one.replayed for one in bad)


def test_a_stricter_policy_is_still_proved_and_an_empty_one_proves_nothing():
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    stricter = autonomy_policy() + "forbid (principal, action, resource) when { context.autonomy > 3 };"
    assert {one.verdict for one in prove_autonomy(stricter)} == {"PROVED"}
    closed = autonomy_policy() + "forbid (principal, action, resource);"
    assert {one.verdict for one in prove_autonomy(closed)} == {"UNKNOWN"}
    assert "allows nothing" in prove_autonomy(closed)[0].why


@pytest.mark.parametrize(
    "outside",
    [
        'permit (principal, action, resource) when { context.verdict like "ALL*" };',
        'permit (principal == Supervisor::"x", action, resource);',
        "permit (principal, action, resource) when { context.autonomy + 1 < 3 };",
        'permit (principal, action, resource) when { context.verdict == "\\u{e9}" };',
    ],
)
def test_what_is_not_encoded_is_unknown_never_proved(outside):
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    assert {one.verdict for one in prove_autonomy(autonomy_policy() + outside)} == {"UNKNOWN"}


@pytest.mark.parametrize(
    "text", ["permit (", "garbage", "permit (principal, action, resource) when { context.nothing };"]
)
def test_a_policy_that_does_not_fit_its_schema_is_refused(text):
    with pytest.raises(InputError, match="policy"):
        permits(GOOD, text)
    with pytest.raises(InputError, match="policy"):
        prove_autonomy(text)
