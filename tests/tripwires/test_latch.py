import itertools

import pytest

from subcritical.schema import (
    Action,
    Approval,
    Control,
    Event,
    Evidence,
    Finding,
    Heartbeat,
    Order,
    Receipt,
    Review,
    RunState,
    Severity,
)
from subcritical.tripwires import NO_THROTTLE, PREVIOUS, ROLLED_BACK, START, Latch

numbers = itertools.count(1)


def fold(*records, latch=None):
    latch = latch or Latch()
    for record in records:
        latch = latch.apply(record)
    return latch


def event(data, producer="pipeline"):
    return Event(seq=1, time_ns=0, run="r", producer=producer, generation=0, data=data)


def finding(identity, severity=Severity.HIGH):
    place = (Evidence(first_seq=1, last_seq=1),)
    return Finding(
        id=identity, detector="d", version=1, severity=severity, confidence=1.0, title="t", why="w", evidence=place
    )


def action(order, by="ann", findings=(), argument="", reason="because"):
    identity = f"a-{next(numbers)}"
    return Action(id=identity, order=order, by=by, reason=reason, findings=findings, argument=argument)


def receipt(of, state, outcome="confirmed"):
    return Receipt(
        action=of.id,
        order=of.order,
        outcome=outcome,
        state=state,
        ordered_ns=1,
        quiesced_ns=1,
        confirmed_ns=1,
        processes=1,
        survivors=0,
        rung="R1",
    )


def done(order, state, outcome="confirmed", **more):
    ordered = action(order, **more)
    return ordered, receipt(ordered, state, outcome)


STARTED = event(Control(order=START, by="loop"))
ACCEPTED = event(Approval(proposal="p", tree="t", verdict="accepted", by="selection"), "loop")
PAUSED = done(Order.PAUSE, RunState.PAUSED, by="tripwire:t", findings=("f-1",))


def test_a_started_run_is_up():
    latch = fold(STARTED)
    assert (latch.state, latch.down, latch.epoch) == (RunState.RUNNING, False, 1)


@pytest.mark.parametrize("order", [Order.PAUSE, Order.STOP, Order.QUARANTINE, Order.DENY])
def test_the_latch_falls_with_the_action_not_with_its_receipt(order):
    latch = fold(STARTED, action(order, findings=("f-1",)))
    assert latch.down
    assert latch.findings == ("f-1",)
    assert latch.reasons == (f"{order} by ann: because",)


def test_a_resume_that_names_everything_releases():
    latch = fold(STARTED, *PAUSED, *done(Order.RESUME, RunState.RUNNING, findings=("f-1", "f-9")))
    assert (latch.state, latch.down, latch.causes, latch.findings) == (RunState.RUNNING, False, (), ())


def test_high_findings_while_down_must_be_named_too():
    latch = fold(STARTED, *PAUSED, finding("f-2"), finding("f-3", Severity.MEDIUM))
    assert latch.findings == ("f-1", "f-2")
    latch = fold(*done(Order.RESUME, RunState.RUNNING, findings=("f-1",)), latch=latch)
    assert latch.down
    assert latch.findings == ("f-2",)


def test_a_finding_while_up_holds_nothing():
    assert fold(STARTED, finding("f-1")) == fold(STARTED)


@pytest.mark.parametrize("outcome", ["refused", "failed"])
def test_a_resume_that_was_not_confirmed_releases_nothing(outcome):
    latch = fold(STARTED, *PAUSED, *done(Order.RESUME, RunState.PAUSED, outcome, findings=("f-1",)))
    assert latch.down
    assert latch.state is RunState.PAUSED


def test_an_escalated_pause_leaves_it_killed():
    latch = fold(STARTED, *done(Order.PAUSE, RunState.KILLED, "escalated"))
    assert (latch.state, latch.down) == (RunState.KILLED, True)


@pytest.mark.parametrize("late", [RunState.PAUSED, RunState.RUNNING, RunState.KILLING])
def test_killed_absorbs_what_was_under_way(late):
    pause = action(Order.PAUSE)
    latch = fold(STARTED, pause, *done(Order.STOP, RunState.KILLED), receipt(pause, late))
    assert latch.state is RunState.KILLED


def test_killing_only_leads_to_killed():
    pause = action(Order.PAUSE)
    latch = fold(STARTED, pause, action(Order.STOP), receipt(pause, RunState.PAUSED))
    assert latch.state is RunState.KILLING
    assert fold(*done(Order.STOP, RunState.KILLED), latch=latch).state is RunState.KILLED


def test_orders_that_touch_no_process_do_not_move_the_state():
    latch = fold(STARTED, *PAUSED, *done(Order.DENY, RunState.RUNNING), *done(Order.NOTIFY, RunState.RUNNING))
    assert latch.state is RunState.PAUSED


class TestANewStart:
    def test_ends_a_plain_stop_by_a_person(self):
        assert not fold(STARTED, *done(Order.STOP, RunState.KILLED), STARTED).down

    @pytest.mark.parametrize(
        "held",
        [
            done(Order.STOP, RunState.KILLED, by="tripwire:t"),
            done(Order.STOP, RunState.KILLED, findings=("f-1",)),
            done(Order.PAUSE, RunState.PAUSED),
            done(Order.QUARANTINE, RunState.KILLED),
            (action(Order.PAUSE, by="tripwire:t", findings=("f-1",)),),
        ],
    )
    def test_keeps_what_a_rule_a_pause_or_a_mark_holds(self, held):
        latch = fold(STARTED, *held, STARTED)
        assert latch.down
        assert latch.state is RunState.PAUSING

    def test_a_quarantine_is_lifted_by_a_resume_only(self):
        latch = fold(STARTED, *done(Order.QUARANTINE, RunState.KILLED), STARTED)
        latch = fold(*done(Order.PAUSE, RunState.PAUSED, by="latch"), latch=latch)
        assert latch.quarantined
        assert not fold(*done(Order.RESUME, RunState.RUNNING), latch=latch).down


class TestQuarantineOfArtifacts:
    def test_it_holds_from_the_order_on_and_pauses_nothing(self):
        ordered, receipt = done(Order.DENY, RunState.RUNNING, argument="prompt.txt")
        latch = fold(STARTED, ordered)
        assert (latch.denied, latch.down, latch.may_accept) == (("prompt.txt",), False, True)
        assert fold(receipt, latch=latch).denied == ("prompt.txt",)
        assert fold(STARTED, latch=latch).denied == ("prompt.txt",)

    def test_it_is_lifted_by_a_confirmed_order_alone(self):
        latch = fold(STARTED, *done(Order.DENY, RunState.RUNNING, argument="a"))
        ordered, receipt = done(Order.DENY, RunState.RUNNING, argument="lift:a")
        assert fold(ordered, latch=latch).denied == ("a",)
        assert fold(ordered, receipt, latch=latch).denied == ()
        assert fold(*done(Order.DENY, RunState.RUNNING, "refused", argument="lift:a"), latch=latch).denied == ("a",)

    def test_without_a_pattern_it_holds_everything(self):
        assert fold(STARTED, *done(Order.DENY, RunState.RUNNING)).down

    def test_it_is_bounded(self):
        latch = fold(STARTED)
        for number in range(80):
            latch = fold(*done(Order.DENY, RunState.RUNNING, argument=str(number)), latch=latch)
        assert len(latch.denied) == 64


class TestThrottle:
    def test_counts_accepted_changes_since_the_last_review(self):
        latch = fold(STARTED, *done(Order.THROTTLE, RunState.RUNNING, argument="2"), ACCEPTED)
        assert latch.may_accept
        latch = fold(ACCEPTED, latch=latch)
        assert (latch.accepted, latch.may_accept, latch.down) == (2, False, False)
        latch = fold(event(Review(by="ann", reason="looked")), latch=latch)
        assert (latch.accepted, latch.may_accept) == (0, True)

    def test_a_rule_only_tightens(self):
        latch = fold(STARTED, *done(Order.THROTTLE, RunState.RUNNING, argument="2"))
        latch = fold(*done(Order.THROTTLE, RunState.RUNNING, argument="9", by="tripwire:t"), latch=latch)
        assert latch.throttle == 2

    def test_refused_it_changes_nothing(self):
        latch = fold(STARTED, *done(Order.THROTTLE, RunState.RUNNING, "refused", argument="0"))
        assert latch.throttle is None

    def test_a_person_lifts_it(self):
        latch = fold(STARTED, *done(Order.THROTTLE, RunState.RUNNING, argument="0"))
        assert not latch.may_accept
        assert fold(*done(Order.THROTTLE, RunState.RUNNING, argument=NO_THROTTLE), latch=latch).may_accept


def test_a_rollback_holds_until_the_gateway_has_done_it():
    latch = fold(STARTED, *PAUSED, *done(Order.ROLL_BACK, RunState.PAUSED))
    latch = fold(*done(Order.RESUME, RunState.RUNNING, findings=("f-1",)), latch=latch)
    assert (latch.roll_back, latch.down) == (PREVIOUS, True)
    assert not fold(event(Control(order=ROLLED_BACK, by="gateway")), latch=latch).down


@pytest.mark.parametrize(
    "forged",
    [
        Control(order=START, by="x"),
        Control(order=ROLLED_BACK, by="x"),
        Review(by="x", reason="y"),
        Approval(proposal="p", tree="t", verdict="accepted", by="x"),
        Heartbeat(state="running", end=True),
    ],
)
def test_what_others_say_moves_no_latch(forged):
    latch = fold(STARTED, ACCEPTED, *PAUSED, *done(Order.ROLL_BACK, RunState.PAUSED))
    assert fold(event(forged, producer="guest"), latch=latch) == latch


def test_the_end_is_said_by_the_pipeline():
    assert fold(STARTED, event(Heartbeat(state="running", end=True))).state is RunState.FINISHED
    assert fold(STARTED, event(Heartbeat(state="running", end=True), "loop")).state is RunState.RUNNING
    assert fold(*done(Order.STOP, RunState.KILLED), event(Heartbeat(state="x", end=True))).state is RunState.KILLED


def test_it_stays_small_whatever_happens():
    latch = fold(STARTED, *PAUSED, *(finding(f"f-{n}") for n in range(1000)))
    latch = fold(*(action(Order.DENY, by=f"p{n}") for n in range(500)), latch=latch)
    assert len(latch.findings) == 256
    assert latch.more_findings == 744
    assert len(latch.causes) <= 64
    assert len(latch.open) <= 64
