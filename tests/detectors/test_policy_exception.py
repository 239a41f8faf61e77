"""Overrides and unenforced policies are said; approvals by people are not."""

import random

import pytest
from detector_events import load_trace

from subcritical.detectors.policy_exception import _OPEN_MAX, PolicyException
from subcritical.schema import Approval, Ballot, Event, Severity

TREE = "sha256:" + "b" * 64


def event(seq, data):
    return Event(seq=seq, time_ns=seq * 10**9, run="run-1", producer="gateway", generation=seq, data=data)


def ballot(step, proposal="p-1", by="ana", reason="because"):
    return Ballot(proposal=proposal, base=TREE, tree=TREE, step=step, by=by, policy=TREE, epoch=1, reason=reason)


def accepted(proposal="p-1", by="people", reasons=()):
    return Approval(proposal=proposal, tree=TREE, verdict="accepted", by=by, reasons=reasons)


def found(*data):
    states = {}
    return PolicyException().batch(states, [event(seq, one) for seq, one in enumerate(data, 1)])


def test_an_override_is_said_and_so_is_what_it_let_through():
    first, second = found(ballot("open"), ballot("override"), ballot("approve", by="bo"), accepted())
    assert (first.severity, second.severity) == (Severity.MEDIUM, Severity.HIGH)
    assert "because" in first.why
    assert (second.evidence[0].first_seq, second.evidence[0].last_seq) == (2, 4)


def test_an_override_that_lets_nothing_through_is_said_once():
    refused = Approval(proposal="p-1", tree=TREE, verdict="refused", by="people")
    assert len(found(ballot("override"), refused, accepted("p-2"))) == 1


def test_a_policy_that_is_not_enforced_is_said():
    (one,) = found(accepted(by="selection", reasons=("goal.json: objective needs approvals",)))
    assert "not enforced: goal.json" in one.why


def test_what_is_forgotten_counts_as_overridden():
    many = [ballot("override", proposal=f"p-{number}") for number in range(_OPEN_MAX + 1)]
    late = found(*many, accepted("p-0"))[-1]
    assert (late.severity, late.facts["overridden"]) == (Severity.HIGH, True)


def test_hostile_words_are_made_visible():
    (one,) = found(ballot("override", by="\x1b[2Jana", reason="\u202egone"))
    assert not set(one.why) & {"\x1b", "\u202e"}


@pytest.mark.parametrize("override", [False, True])
def test_false_alarms_in_simulated_runs(override):
    """200 runs of 5 to 40 proposals that people approve or reject; with one override each, every run is found."""
    flagged = 0
    for seed in range(200):
        dice, data = random.Random(seed), []
        count = dice.randrange(5, 40)
        broken = dice.randrange(count) if override else -1
        for number in range(count):
            name = f"p-{number}"
            if dice.random() < 0.5 or number == broken:
                data.append(ballot("open", name, "gateway"))
                voters = dice.sample(["ana", "bo", "cy"], 2)
                data += [ballot(dice.choice(["approve", "approve", "reject"]), name, voter) for voter in voters]
                if number == broken:
                    data.append(ballot("override", name))
            data.append(
                accepted(name) if dice.random() < 0.6 else Approval(proposal=name, tree=TREE, verdict="refused", by="x")
            )
        flagged += bool(found(*data))
    assert flagged == (200 if override else 0)


def test_the_shipped_examples_are_what_they_say():
    assert len(PolicyException().batch({}, load_trace("policy_exception", "firing"))) == 2
    assert PolicyException().batch({}, load_trace("policy_exception", "quiet")) == []
