"""The real door under random histories, and each of its guards taken out of the real code."""

from collections import Counter

import pytest
from door_model import DEFECTS
from door_world import simulate

import subcritical.gateway._apply as applying
from subcritical.errors import InputError, LedgerError
from subcritical.gateway import BallotBox, Correction
from subcritical.gateway.principals import Principal, Principals
from subcritical.gateway.signing import open_signed
from subcritical.loop.lineage import Lineage
from subcritical.loop.runner import Runner
from subcritical.loop.step import Step
from subcritical.pipeline.orders import Orders
from subcritical.schema import Approval, RunState
from subcritical.tripwires import latch

HISTORIES = 150


def histories(path, seeds, monkeypatch):
    seen = Counter()
    for seed in seeds:
        seen.update(simulate(path / str(seed), seed, monkeypatch))
    return seen


def test_what_must_hold_holds_whatever_comes_in_between(tmp_path, monkeypatch):
    seen = histories(tmp_path, range(HISTORIES), monkeypatch)
    print(dict(seen))
    # Histories in which nothing happens prove nothing.
    assert min(seen.values()) >= 5
    assert seen["by people"] > 50


@pytest.mark.sim
@pytest.mark.timeout(1800)
def test_what_must_hold_holds_over_many_histories(tmp_path, monkeypatch):
    seen = histories(tmp_path, range(10_000, 13_000), monkeypatch)
    print(dict(seen))
    assert min(seen.values()) >= 100


# Each guard, taken out of the real code -------------------------------------------------------------------------------


def double_apply(monkeypatch):
    """What was accepted last is applied again after a restart, whatever is in force."""
    restore = Runner.restore

    def again(runner, events):
        restore(runner, events)
        accepted = [e.data for e in events if isinstance(e.data, Approval) and e.data.verdict == "accepted"]
        if accepted:
            store = runner._gateway.store
            last = accepted[-1]
            applying.apply(store, base=store.head().tree, tree=last.tree, proposal=last.proposal)

    monkeypatch.setattr(Runner, "restore", again)


def approval_replay(monkeypatch):
    """A vote about anything counts for what is open."""

    def fitting(box, _vote):
        if box._open is None:
            raise InputError("nothing is open")
        return box._open

    monkeypatch.setattr(BallotBox, "_fitting", fitting)


def self_approval(monkeypatch):
    """Keys count, not their owners."""
    of = Principals.of

    def by_name(principals, public):
        found = of(principals, public)
        return found and Principal(name=found.name, owner=found.name, public=found.public)

    monkeypatch.setattr(Principals, "of", by_name)


def system_owner_approves(monkeypatch):
    made = BallotBox.__init__
    monkeypatch.setattr(BallotBox, "__init__", lambda box, *a, **k: made(box, *a, **{**k, "system_owner": ""}))


def base_moved(monkeypatch):
    """The base is not compared: whatever is in force now will do."""
    apply = applying.apply

    def onto_anything(store, *, base, tree, proposal, **more):
        head = store.head()
        return apply(store, base=head.tree if head else base, tree=tree, proposal=proposal, **more)

    monkeypatch.setattr(applying, "apply", onto_anything)


def _apply_although(monkeypatch, *states):
    unless_held = Orders.unless_held

    def regardless(orders, change):
        if orders._recorder.latch.state in states:
            change()
            return True
        return unless_held(orders, change)

    monkeypatch.setattr(Orders, "unless_held", regardless)


def applies_while_paused(monkeypatch):
    _apply_although(monkeypatch, RunState.PAUSED)


def applies_after_stop(monkeypatch):
    _apply_although(monkeypatch, RunState.KILLED)


def crash_unnoticed(monkeypatch):
    """What was accepted counts as applied."""
    not_applied = Lineage._not_applied
    monkeypatch.setattr(Lineage, "_not_applied", lambda lineage: not_applied(lineage) if False else None)


def stale_lease(monkeypatch):
    monkeypatch.setattr(Step, "_last_step", lambda step, move: step._pipeline.apply(move))


def budget_rolled_back(monkeypatch):
    """A rollback gives back what was used up between two reviews."""
    after_control = latch._after_control

    def generous(held, control):
        after = after_control(held, control)
        return latch._but(after, accepted=0) if control.order == latch.ROLLED_BACK else after

    monkeypatch.setattr(latch, "_after_control", generous)


def unrecorded(monkeypatch):
    """Applied at once, recorded with the next batch."""
    process = Step._process
    monkeypatch.setattr(Step, "_process", lambda step: None if step._pipeline.latch.accepted else process(step))


def expired_counts(monkeypatch):
    tally = BallotBox._tally

    def timeless(box):
        box._now = lambda: 0
        try:
            return tally(box)
        finally:
            del box._now

    monkeypatch.setattr(BallotBox, "_tally", timeless)


def reject_ignored(monkeypatch):
    tally = BallotBox._tally

    def deaf(box):
        box._votes = {owner: vote for owner, vote in box._votes.items() if vote.verdict != "reject"}
        return tally(box)

    monkeypatch.setattr(BallotBox, "_tally", deaf)


def rollback_twice(monkeypatch):
    """A rollback that a crash cut in two is taken for one that was not begun."""
    monkeypatch.setattr("subcritical.loop.lineage.ROLLING_BACK", "not looked for")


GUARDS = (
    double_apply,
    approval_replay,
    self_approval,
    system_owner_approves,
    base_moved,
    applies_while_paused,
    applies_after_stop,
    crash_unnoticed,
    stale_lease,
    budget_rolled_back,
    unrecorded,
    expired_counts,
    reject_ignored,
    rollback_twice,
)


@pytest.mark.parametrize("plant", GUARDS)
def test_planted_each_guard_taken_out_of_the_real_door_turns_it_red(tmp_path, monkeypatch, plant):
    plant(monkeypatch)
    with pytest.raises((AssertionError, LedgerError, IndexError)):
        histories(tmp_path, range(600), monkeypatch)


def test_planted_without_a_look_at_the_moment_an_old_correction_is_put_in_force_again(tmp_path, monkeypatch):
    def whenever(signed, principals, **_):
        correction, principal = open_signed(signed, principals, Correction)
        return correction, principal.owner

    monkeypatch.setattr("subcritical.loop.correcting.open_correction", whenever)
    with pytest.raises(AssertionError, match="put in force twice"):
        histories(tmp_path, range(600), monkeypatch)


def test_the_model_and_the_real_door_are_tried_by_the_same_defects():
    assert {plant.__name__ for plant in GUARDS} == set(DEFECTS)
