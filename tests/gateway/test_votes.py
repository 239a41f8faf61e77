"""Approvals are signatures over exact bytes, by distinct owners, for a time, once. C36 and C37 of the catalogue."""

import base64
import json

import pytest
from cryptography.exceptions import InvalidSignature
from gateway_people import DAY, EVERYBODY, SEED, World, key_of, people

from subcritical.canonical import canonical_json
from subcritical.errors import GatewayError, InputError
from subcritical.gateway import Quorum, Tally
from subcritical.policy.cedar import change_policy
from subcritical.schema import Artifact


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "store")


@pytest.fixture
def asked(world):
    reviewed = world.review(goal__json=b'{"aim": 2}')
    assert reviewed.allowed
    assert reviewed.demands == ("goal.json: objective needs approvals: the policy asks for more, there are 0",)
    world.ask(reviewed)
    return reviewed


def test_two_owners_open_what_a_guest_alone_may_not(world, asked):
    world.cast(asked, "ana")
    assert world.missing(asked)
    world.cast(asked, "bo")
    with world.box.counted() as tally:
        assert world.gateway.missing(asked, tally) == ()
        head = world.gateway.apply(asked, tally)
    assert head.tree == asked.tree
    assert [record.step for record in world.records] == ["open", "approve", "approve"]


def test_without_votes_it_is_not_applied(world, asked):
    with pytest.raises(GatewayError, match="objective needs approvals"):
        world.gateway.apply(asked)


def test_two_keys_of_one_owner_count_once(world, asked):
    world.cast(asked, "ana")
    world.cast(asked, "ana-desk")
    assert world.missing(asked)


def test_the_owner_of_the_system_does_not_approve_it(world, asked):
    with pytest.raises(InputError, match="owns the system"):
        world.cast(asked, "dot")
    world.cast(asked, "dot", "reject")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"run": "r-2"}, "another run"),
        ({"tree": "sha256:" + "0" * 64}, "another tree"),
        ({"base": "sha256:" + "0" * 64}, "another base"),
        ({"policy": "sha256:" + "0" * 64}, "another policy"),
        ({"epoch": 2}, "another epoch"),
        ({"proposal": "p-2"}, "not open"),
        ({"lifetime": 0}, "expired"),
        ({"lifetime": -1}, "expired"),
        ({"lifetime": 8 * DAY}, "s at most"),
        ({"reason": "x" * 3000}, "a reason of 3000"),
    ],
)
def test_c36_a_vote_fits_one_question_only(world, asked, changes, says):
    """C36: an approval of another run, start, proposal, version or day is not counted, nor recorded."""
    before = len(world.records)
    with pytest.raises(InputError, match=says):
        world.cast(asked, "ana", **changes)
    assert len(world.records) == before
    assert world.missing(asked)


@pytest.mark.parametrize("verdict", ["override"])
def test_an_override_ends_within_a_day_and_needs_a_reason(world, asked, verdict):
    for changes, says in (({"lifetime": DAY + 1}, "s at most"), ({"reason": " "}, "needs a reason")):
        with pytest.raises(InputError, match=says):
            world.cast(asked, "ana", verdict, **changes)


def test_a_signature_by_nobody_enrolled_or_over_other_words_is_not_counted(world, asked):
    with pytest.raises(InputError, match="not enrolled"):
        world.cast(asked, "mallory")
    forged = json.loads(world.vote(asked, "bo"))
    for field, value in (("epoch", 2), ("reason", "other"), ("verdict", "reject")):
        changed = json.dumps({**forged, "said": {**forged["said"], field: value}})
        with pytest.raises(InputError, match="does not hold"):
            world.box.cast(changed)
    stolen = json.loads(world.vote(asked, "mallory"))
    stolen["key"] = forged["key"]
    with pytest.raises(InputError, match="does not hold"):
        world.box.cast(json.dumps(stolen))
    assert [record.step for record in world.records] == ["open"]


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "\ud800", '{"said": 1}', "x" * 20_000, '{"said":' * 500])
def test_what_is_no_vote_is_one_error(world, asked, text):
    with pytest.raises(InputError):
        world.box.cast(text)


def test_an_approval_expires_while_it_waits(world, asked):
    world.cast(asked, "ana", lifetime=60)
    world.clock.advance(61 * 10**9)
    world.cast(asked, "bo")
    assert world.missing(asked)


def test_one_person_rejects_and_nobody_takes_it_back(world, asked):
    world.cast(asked, "cy", "reject", lifetime=1)
    world.clock.advance(5 * 10**9)
    with world.box.counted() as tally:
        assert tally.rejecting == ("cy: looked at it",)


def test_who_overrides_is_the_requester_and_no_approver(world, asked):
    """One override and one other: break-glass. The overrider's own approval is gone."""
    world.cast(asked, "ana")
    world.cast(asked, "ana-desk", "override", lifetime=3600)
    assert world.missing(asked)
    world.cast(asked, "bo")
    assert world.missing(asked) == ()
    world.clock.advance(3601 * 10**9)
    assert world.missing(asked)


def test_a_vote_is_recorded_before_it_counts(world, asked):
    def full(_):
        raise OSError("no space")

    world.box._record = full
    with pytest.raises(OSError, match="no space"):
        world.cast(asked, "ana")
    world.box._record = world.records.append
    world.cast(asked, "bo")
    assert world.missing(asked)


def test_the_same_vote_twice_is_recorded_once(world, asked):
    vote = world.vote(asked, "ana")
    world.box.cast(vote)
    assert "already" in world.box.cast(vote)
    assert len(world.records) == 2


def test_c36_votes_end_with_their_proposal(world, asked):
    """C36: what was approved once is not approved again by the same signatures, whatever is in force then."""
    votes = [world.vote(asked, who) for who in ("ana", "bo")]
    for vote in votes:
        world.box.cast(vote)
    with world.box.counted() as tally:
        world.gateway.apply(asked, tally)
    world.box.close()
    for vote in votes:
        with pytest.raises(InputError, match="not open"):
            world.box.cast(vote)
    with pytest.raises(InputError, match="votes are spent"):
        world.ask(asked)


def test_c37_votes_about_other_bytes_do_not_apply(world, asked):
    """C37: what is smuggled in after the votes has other digests, and a base that moved is compared."""
    for who in ("ana", "bo"):
        world.cast(asked, who)
    other = world.review("p-1", goal__json=b'{"aim": "more"}')
    with world.box.counted() as tally:
        with pytest.raises(GatewayError, match="needs approvals"):
            world.gateway.apply(other, tally)
        with pytest.raises(GatewayError, match="needs approvals"):
            world.gateway.apply(world.review("p-2", goal__json=b'{"aim": 2}'), tally)
        world.gateway.apply(world.review("p-3", solution__py=b"x = 2\n"))
        with pytest.raises(GatewayError, match="base moved"):
            world.gateway.apply(asked, tally)


def test_the_loop_file_asks_for_more_than_the_policy(world):
    reviewed = world.review(prompt__txt=b"be quick")
    assert reviewed.demands == ("prompt.txt: prompt needs approvals: the loop file asks for 1, there are 0",)
    world.ask(reviewed)
    world.cast(reviewed, "cy")
    assert world.missing(reviewed) == ()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("solution.py", ""),
        ("prompt.txt", "the loop file asks for 1"),
        ("goal.json", "the policy asks for more"),
        ("evaluate.py", "is not corrected in a run"),
        ("other.txt", "is not corrected in a run"),
    ],
)
def test_one_person_corrects_what_takes_no_other(world, path, why):
    tree = world.gateway.store.put_tree({**SEED, path: b"by a person"})
    found = world.gateway.review_correction(tree, proposal="c-1", owner="ana").refusals
    assert bool(found) is bool(why)
    assert why in "; ".join(found)


def test_nobody_approves_what_is_protected_or_unlisted(world):
    reviewed = world.review(evaluate__py=b"def evaluate(): return 1\n", goal__json=b"{1}")
    assert not reviewed.allowed
    everyone = Tally(
        proposal="p-1", base=reviewed.base, tree=reviewed.tree, approving=frozenset({"ana", "bo", "cy", "dee"})
    )
    with pytest.raises(GatewayError, match="protected"):
        world.gateway.apply(reviewed, everyone)


@pytest.mark.parametrize(
    ("who", "allowed"),
    [((), False), ((("ana", "ana"), ("ana-desk", "ana")), False), ((("ana", "ana"), ("bo", "bo")), True)],
)
def test_what_nobody_could_open_is_refused_at_once(tmp_path, who, allowed):
    reviewed = World(tmp_path, principals=people(*who)).review(goal__json=b"[]")
    assert reviewed.allowed is allowed
    if not allowed:
        assert "not enough owners are enrolled" in reviewed.refusals[0]


def test_an_own_policy_decides_how_many(tmp_path):
    laxer = change_policy().replace(
        "context.approvals >= 2\n};\n\n// What judges", "context.approvals >= 1\n};\n\n// What judges"
    )
    assert laxer != change_policy()
    world = World(tmp_path, policy=laxer)
    reviewed = world.review(goal__json=b"[]")
    world.ask(reviewed)
    world.cast(reviewed, "ana")
    assert world.missing(reviewed) == ()


@pytest.mark.parametrize("mode", ["monitor", "warn"])
def test_a_policy_that_is_not_enforced_says_what_it_would_refuse_and_protects_all_the_same(tmp_path, mode):
    world = World(tmp_path)
    world.gateway.quorum = Quorum(mode=mode, owners=EVERYBODY.owners)
    reviewed = world.review(goal__json=b"[]")
    assert (reviewed.allowed, reviewed.demands) == (True, ())
    assert "objective needs approvals" in reviewed.waived[0]
    assert not world.review(evaluate__py=b"").allowed


def test_every_defining_artifact_needs_two_and_every_ordinary_none():
    quorum = Quorum(owners=frozenset({"a", "b"}))
    need = {
        artifact: next(
            (n for n in range(3) if not quorum.missing(artifact, 0, Tally(approving=frozenset("ab"[:n])))), None
        )
        for artifact in Artifact
    }
    ordinary = {"code", "data_selection", "hyperparameter", "memory", "prompt", "tool"}
    defining = {"architecture", "constitution", "objective", "weights"}
    assert {str(a) for a, n in need.items() if n == 0} == ordinary
    assert {str(a) for a, n in need.items() if n == 2} == defining
    assert sum(n is None for n in need.values()) == len(Artifact) - 10


def test_signing_is_over_the_words_of_a_vote_alone(world, asked):
    """A signature over a vote is none over anything that does not begin with the votes' own line."""
    vote = json.loads(world.vote(asked, "ana"))
    signature = base64.b64decode(vote["signature"])
    public = key_of("ana").public_key()
    public.verify(signature, b"subcritical vote v1\n" + canonical_json(vote["said"]))
    with pytest.raises(InvalidSignature):
        public.verify(signature, canonical_json(vote["said"]))
