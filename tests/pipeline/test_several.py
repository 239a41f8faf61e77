"""What lets a system do more takes several people; to hold it takes one. Old orders are about the past."""

import pytest
from gateway_people import EVERYBODY, key_of
from run_doubles import Run

from subcritical.errors import InputError
from subcritical.gateway import sign
from subcritical.pipeline.control import ControlServer, send_order, send_review, send_status
from subcritical.pipeline.messages import WaitsError
from subcritical.pipeline.several import OrderVote, Several
from subcritical.schema import Ballot, Event, Order, RunState


class Place:
    """A run with a control socket, where two people must set it free."""

    def __init__(self, path, needed=2, **more):
        self.run = Run(path, rules=[], threads=True)
        self.folder = path / "run"
        self.folder.mkdir(mode=0o700)
        pipeline = self.run.pipeline
        self.several = Several(
            EVERYBODY,
            needed=needed,
            run="run",
            latch=lambda: pipeline.latch,
            clock=self.run.clock,
            record=pipeline.by_people,
            system_owner="owner",
            **more,
        )
        self.server = ControlServer(pipeline, self.folder, several=self.several)

    def signed(self, who, order, argument="", findings=(), **changes):
        fields = {
            "order": order,
            "argument": argument,
            "findings": tuple(findings),
            "run": "run",
            "mark": send_status(self.folder).mark,
            "expires": self.run.clock.wall_ns() // 10**9 + 600,
            "reason": "looked at it",
        }
        return sign(OrderVote(**{**fields, **changes}), key_of(who))

    def order(self, order, who=None, argument="", findings=(), signed=None, **changes):
        if signed is None and who is not None:
            signed = self.signed(who, order, argument, findings, **changes)
        return send_order(
            self.folder, order, by="somebody", reason="x", findings=findings, argument=argument, signed=signed or ""
        )

    def end(self):
        self.server.close()
        self.run.pipeline.close()
        self.run.journal.close()

    @property
    def state(self):
        return self.run.pipeline.state


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.end()


def test_one_pauses_and_two_resume(place):
    assert place.order(Order.PAUSE).outcome == "confirmed"
    with pytest.raises(WaitsError, match="1 of 2 people"):
        place.order(Order.RESUME, "ana")
    assert place.state is RunState.PAUSED
    receipt = place.order(Order.RESUME, "bo")
    assert (receipt.outcome, place.state) == ("confirmed", RunState.RUNNING)
    place.run.pipeline.process()
    ballots = [r.data for r in place.run.records() if isinstance(r, Event) and isinstance(r.data, Ballot)]
    assert [ballot.by for ballot in ballots] == ["ana", "bo"]


@pytest.mark.parametrize("second", ["ana", "ana-desk"])
def test_the_same_person_is_no_second_one(place, second):
    place.order(Order.PAUSE)
    for who in ("ana", second):
        with pytest.raises(WaitsError, match="1 of 2"):
            place.order(Order.RESUME, who)
    assert place.state is RunState.PAUSED


def test_one_goes_back_and_two_go_forward(tmp_path):
    place = Place(tmp_path, forward=lambda tree: tree == "later")
    try:
        place.order(Order.PAUSE)
        assert place.order(Order.ROLL_BACK, argument="earlier").outcome == "confirmed"
        with pytest.raises(InputError, match="give --key"):
            place.order(Order.ROLL_BACK, argument="later")
        with pytest.raises(WaitsError, match="1 of 2 people"):
            place.order(Order.ROLL_BACK, "ana", argument="later")
        assert place.run.pipeline.latch.roll_back == "earlier"
        assert place.order(Order.ROLL_BACK, "bo", argument="later").outcome == "confirmed"
        assert place.run.pipeline.latch.roll_back == "later"
    finally:
        place.end()


def test_one_quarantines_and_two_lift(place):
    assert place.order(Order.DENY, argument="prompt.txt").outcome == "confirmed"
    latch = place.run.pipeline.latch
    assert (latch.denied, latch.down) == (("prompt.txt",), False)
    with pytest.raises(InputError, match="give --key"):
        place.order(Order.DENY, argument="lift:prompt.txt")
    with pytest.raises(WaitsError, match="1 of 2 people"):
        place.order(Order.DENY, "ana", argument="lift:prompt.txt")
    assert place.run.pipeline.latch.denied == ("prompt.txt",)
    assert place.order(Order.DENY, "bo", argument="lift:prompt.txt").outcome == "confirmed"
    assert place.run.pipeline.latch.denied == ()


def test_without_a_signature_nothing_is_set_free(place):
    place.order(Order.PAUSE)
    for order, argument in ((Order.RESUME, ""),):
        with pytest.raises(InputError, match="give --key"):
            place.order(order, argument=argument)
    with pytest.raises(InputError, match="give --key"):
        send_review(place.folder, by="ana", reason="looked")
    assert place.state is RunState.PAUSED


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"run": "other"}, "another run"),
        ({"order": "stop"}, "another order"),
        ({"findings": ("f-1",)}, "another order"),
        ({"mark": "a-old"}, "something was ordered since"),
        ({"expires": 1}, "expired"),
        ({"expires": 2**40}, "at most"),
        ({"reason": "x" * 3000}, "a reason of 3000"),
    ],
)
def test_an_order_fits_one_moment_only(place, changes, says):
    place.order(Order.PAUSE)
    with pytest.raises(InputError, match=says):
        place.order(Order.RESUME, "ana", signed=place.signed("ana", **{"order": Order.RESUME, **changes}))


def test_c36_an_old_resume_does_not_set_a_later_pause_free(place):
    place.order(Order.PAUSE)
    old = [place.signed(who, Order.RESUME) for who in ("ana", "bo")]
    with pytest.raises(WaitsError):
        place.order(Order.RESUME, signed=old[0])
    assert place.order(Order.RESUME, signed=old[1]).outcome == "confirmed"
    place.order(Order.PAUSE)
    for signed in old:
        with pytest.raises(InputError, match="something was ordered since"):
            place.order(Order.RESUME, signed=signed)
    assert place.state is RunState.PAUSED


def test_a_pause_in_between_makes_both_look_again(place):
    place.order(Order.PAUSE)
    with pytest.raises(WaitsError):
        place.order(Order.RESUME, "ana")
    place.order(Order.PAUSE)
    with pytest.raises(WaitsError, match="1 of 2"):
        place.order(Order.RESUME, "bo")
    assert place.state is RunState.PAUSED


def test_an_order_that_comes_between_count_and_resume_wins(place):
    """The mark is compared once more where the order is put: a pause of that moment is not released."""
    place.order(Order.PAUSE)
    mark = place.run.pipeline.latch.mark
    place.order(Order.PAUSE)
    receipt = place.run.pipeline.order(Order.RESUME, "ana and bo", "looked", mark=mark)
    assert (receipt.outcome, receipt.detail) == ("refused", "something was ordered in between")
    assert place.state is RunState.PAUSED


def test_a_throttle_tightens_for_one_and_widens_for_two(place):
    assert place.order(Order.THROTTLE, argument="3").outcome == "confirmed"
    assert place.order(Order.THROTTLE, argument="2").outcome == "confirmed"
    with pytest.raises(InputError, match="give --key"):
        place.order(Order.THROTTLE, argument="9")
    with pytest.raises(WaitsError):
        place.order(Order.THROTTLE, "ana", argument="9")
    with pytest.raises(WaitsError):  # who wants something else does not agree
        place.order(Order.THROTTLE, "bo", argument="8")
    assert place.order(Order.THROTTLE, "cy", argument="9").outcome == "confirmed"
    assert place.run.pipeline.latch.throttle == 9


def test_a_review_takes_one_signature(place):
    status = send_review(place.folder, by="?", reason="?", signed=place.signed("cy", "review"))
    assert status.accepted_since_review == 0


def test_the_owner_of_the_system_and_strangers_set_nothing_free(place):
    place.order(Order.PAUSE)
    with pytest.raises(InputError, match="owner of the system"):
        place.order(Order.RESUME, "dot")
    with pytest.raises(InputError, match="not enrolled"):
        place.order(Order.RESUME, "mallory")


def test_anybody_stops_at_any_time(place):
    place.order(Order.PAUSE)
    with pytest.raises(WaitsError):
        place.order(Order.RESUME, "ana")
    assert place.order(Order.STOP).state is RunState.KILLED


def test_planted_failure_where_one_is_enough_one_resumes(tmp_path):
    made = Place(tmp_path, needed=1)
    made.order(Order.PAUSE)
    assert made.order(Order.RESUME, "ana").outcome == "confirmed"
    made.end()
