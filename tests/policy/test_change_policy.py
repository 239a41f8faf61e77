"""The policy of changes: proved by two solvers; each mutant that opens a hole is refuted, and the engine agrees."""

import random
import re

import pytest

from subcritical.policy.cedar import ChangeRequest, change_policy, changes, decide_change, prove_changes, solvers
from subcritical.policy.cedar.changes import CLAIMS
from subcritical.policy.cedar.encode import allow, environments
from subcritical.policy.cedar.prove import prove
from subcritical.schema import PROTECTED, Artifact

DEFINING = {"architecture", "constitution", "objective", "weights"}
ORDINARY = {"code", "data_selection", "hyperparameter", "memory", "prompt", "tool"}
GONE = None
MUTANTS = [
    ("protected", ">= 2", ">= 1", "protected-quorum"),
    ("protected", "context.approvals >= 2", "true", "protected-quorum"),
    ("protected", "&&", "||", "unlisted-denied"),
    ("protected", "principal is Person", "principal", "agents-never-protected"),
    ("defining", ">= 2", ">= 0", "defining-quorum"),
    ("defining", ">= 2", ">= 1", "override-expires"),
    ("defining", "&&", "||", "defining-quorum"),
    ("defining", '"weights"]', '"weights", "log"]', "agents-never-protected"),
    ("break-glass", "context.approvals >= 1 &&", "", "defining-quorum"),
    ("break-glass", "<= 86400", "<= 864000", "override-expires"),
    ("break-glass", "context.override_s > 0 &&", "", "override-expires"),
    ("break-glass", "principal is Person", "principal", "agents-never-override"),
    ("break-glass", '"weights"]', '"weights", "evaluator"]', "protected-quorum"),
    ("ordinary", '"tool"]', '"tool", "monitor"]', "protected-quorum"),
    ("ordinary", '"tool"]', '"tool", "objective"]', "defining-quorum"),
    ("ordinary", '"tool"]', '"tool", "unlisted"]', "unlisted-denied"),
    ("tighten", '&& context.effect == "tightens"', "", "protected-quorum"),
    ("tighten", 'resource.artifact == "limit" &&', "", "unlisted-denied"),
    ("tighten", "principal is Person", "principal", "agents-never-protected"),
    ("quarantined", "resource.quarantined", "resource.quarantined && context.approvals < 2", "quarantined-denied"),
    ("quarantined", GONE, "", "quarantined-denied"),
    ("self-approved", GONE, "", "requester-never-approves"),
    ("self-approved", "principal,", "principal is Agent,", "requester-never-approves"),
    ("back", "principal is Person", "principal is Agent", "people-go-back"),
    ("back", ";", 'when { resource.artifact == "code" };', "people-go-back"),
]


@pytest.fixture(autouse=True)
def _solvers():
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")


def mutant(rule, old, new):
    found = re.search(rf'@id\("{rule}"\).*?;\n', change_policy(), re.DOTALL).group()
    changed = "" if old is GONE else found.replace(old, new)
    assert changed != found
    return change_policy().replace(found, changed)


def test_every_claim_is_proved_by_both_solvers():
    found = prove_changes()
    assert {one.id for one in found} == {claim.id for claim in CLAIMS}
    assert all(one.verdict == "PROVED" and one.solver_agreement for one in found), found


@pytest.mark.parametrize(("rule", "old", "new", "claim"), MUTANTS)
def test_a_hole_is_refuted_and_the_engine_has_it_too(rule, old, new, claim):
    found = {one.id: one for one in prove_changes(mutant(rule, old, new), against=change_policy())}
    assert found[claim].verdict == "VIOLATED"
    assert all(one.replayed for one in found.values() if one.verdict == "VIOLATED")
    assert rule == "back" or found["no-looser"].verdict == "VIOLATED"


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("protected", ">= 2", ">= 3"),
        ("ordinary", '"tool"]', '"prompt"]'),
        ("break-glass", "86400", "3600"),
        ("tighten", GONE, ""),
    ],
)
def test_a_stricter_policy_is_proved_and_no_looser(rule, old, new):
    stricter = mutant(rule, old, new)
    assert {one.verdict for one in prove_changes(stricter, against=change_policy())} == {"PROVED"}
    back = {one.id: one for one in prove_changes(against=stricter)}
    assert back["no-looser"].verdict == "VIOLATED"
    assert back["no-looser"].replayed


@pytest.mark.parametrize(
    "extra",
    [
        'forbid (principal, action, resource) when { resource.artifact like "w*" };',
        'forbid (principal == Agent::"x", action, resource);',
        'forbid (principal, action == Action::"apply_change", resource) when { context.approvals + 1 < 1 };',
        'forbid (principal in Person::"x", action, resource);',
    ],
)
def test_what_is_not_encoded_is_unknown_never_proved(extra):
    found = prove_changes(change_policy() + extra, against=change_policy())
    assert {one.verdict for one in found} == {"UNKNOWN"}


@pytest.mark.parametrize("answer", ["sat", "unknown", "error: no"])
def test_one_solver_alone_proves_nothing(monkeypatch, answer):
    monkeypatch.setattr(solvers, "_ask_cvc5", lambda _cvc5, _problem: answer)
    found = prove_changes(against=change_policy())
    assert {one.verdict for one in found} == {"UNKNOWN"}


def test_a_policy_that_permits_nothing_proves_nothing():
    found = {one.id: one for one in prove_changes(change_policy() + "forbid (principal, action, resource);")}
    assert found.pop("people-go-back").verdict == "VIOLATED"
    assert {one.verdict for one in found.values()} == {"UNKNOWN"}


def some_request(dice):
    return ChangeRequest(
        by=dice.choice(["Agent", "Person"]),
        artifact=dice.choice(list(Artifact)),
        quarantined=dice.random() < 0.1,
        approvals=dice.choice([-1, 0, 1, 2, 3]),
        requester_approved=dice.random() < 0.1,
        effect=dice.choice(["tightens", "loosens", "unknown"]),
        override_s=dice.choice([-1, 0, 1, 60, 86_400, 86_401]),
    )


def meant(request):
    """The rules in words, once more, without Cedar."""
    if request.quarantined or request.requester_approved:
        return False
    if request.artifact in ORDINARY:
        return True
    person, enough = request.by == "Person", request.approvals >= 2
    if request.artifact in DEFINING:
        return enough or (person and request.approvals >= 1 and 0 < request.override_s <= 86_400)
    tightens = request.artifact == "limit" and request.effect == "tightens"
    return person and request.artifact in PROTECTED and (enough or tightens)


def test_engine_encoding_and_meaning_agree_on_random_requests():
    z3 = pytest.importorskip("z3")
    policy, dice = changes(change_policy()), random.Random(20261127)
    formulas = {
        (where.principal, where.action): z3.parse_smt2_string(where.problem(allow(policy.parsed, where)))[-1]
        for where in environments(policy.schema)
    }
    makers = {str: (z3.String, z3.StringVal), bool: (z3.Bool, z3.BoolVal), int: (z3.Int, z3.IntVal)}
    decided, allowed = {}, 0
    for _ in range(6000):
        request = some_request(dice)
        asked = request.asked()
        pairs = [(makers[type(v)][0](name), makers[type(v)][1](v)) for name, v in asked.values.items()]
        encoded = z3.simplify(z3.substitute(formulas[asked.principal, asked.action], *pairs))
        answer = policy.decide(asked)
        assert not answer.errors
        assert z3.is_true(encoded) is answer.allowed is meant(request), request
        assert z3.is_true(encoded) or z3.is_false(encoded)
        allowed += answer.allowed
        for rule in answer.rules:
            decided[rule] = decided.get(rule, 0) + 1
    assert allowed >= 1200
    rules = set(re.findall(r'@id\("(.*?)"\)', change_policy())) - {"back"}
    assert set(decided) == rules
    assert min(decided.values()) >= 20, decided


def test_the_answer_names_the_deciding_rules():
    assert decide_change(ChangeRequest(by="Agent", artifact=Artifact.CODE)).rules == ("ordinary",)
    held = decide_change(ChangeRequest(by="Agent", artifact=Artifact.CODE, quarantined=True))
    assert (held.allowed, held.rules) == (False, ("quarantined",))
    assert decide_change(ChangeRequest(by="Agent", artifact=Artifact.LOG, approvals=9)).rules == ()


def test_a_thousand_policies_are_proved_in_time():
    more = "".join(
        f'permit (principal is Person, action == Action::"apply_change", resource is Artifact) when '
        f'{{ resource.artifact == "prompt" && context.approvals >= {number} && context.effect != "e{number}" }};\n'
        for number in range(992)
    )
    policy = changes(change_policy() + more)
    assert len(policy.parsed["staticPolicies"]) == 1000
    found = prove(policy, CLAIMS)
    for one in found:
        print(f"{one.id}: {one.verdict} {one.ms:.0f} ms, both solvers together")
        assert one.verdict == "PROVED"
        assert one.ms <= 60_000
