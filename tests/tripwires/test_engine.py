import pytest

from subcritical.errors import InputError
from subcritical.schema import (
    Action,
    Event,
    Evidence,
    Finding,
    Heartbeat,
    Measurement,
    Message,
    Order,
    Receipt,
    RunState,
    Severity,
)
from subcritical.tripwires import Condition, Rule, Tripwires
from subcritical.tripwires import engine as engine_module

SECOND = 1_000_000_000


def rule(action=Order.PAUSE, argument="", name="t", **condition):
    return Rule(id=name, on=Condition(**condition), action=action, argument=argument)


def finding(identity="f-1", severity=Severity.HIGH, technique="RSI-T0300", detector="d", **more):
    return Finding(
        id=identity,
        detector=detector,
        version=1,
        severity=severity,
        confidence=1.0,
        title=more.pop("title", "seen"),
        why="why",
        evidence=(Evidence(first_seq=1, last_seq=1),),
        technique=technique,
        **more,
    )


def measurement(low, level=0.98, name="holdout_gap"):
    return Measurement(name=name, estimate=0.1, low=low, high=0.2, level=level, unit="accuracy", method="m", n=100)


def event(data, producer="loop"):
    return Event(seq=1, time_ns=0, run="r", producer=producer, generation=0, data=data)


def resumed(outcome="confirmed"):
    return Receipt(
        action="a",
        order=Order.RESUME,
        outcome=outcome,
        state=RunState.RUNNING,
        ordered_ns=1,
        quiesced_ns=1,
        confirmed_ns=1,
        processes=1,
        survivors=1,
        rung="R1",
    )


def test_a_rule_fires_once_until_a_confirmed_resume():
    tripwires = Tripwires([rule(technique="RSI-T0300")])
    (request,) = tripwires.observe([finding("f-1"), finding("f-2")])
    assert (request.order, request.by, request.findings) == (Order.PAUSE, "tripwire:t", ("f-1", "f-2"))
    assert tripwires.observe([finding("f-3")]) == []
    assert tripwires.observe([resumed("refused"), finding("f-4")]) == []
    assert not tripwires.armed("t")
    tripwires.observe([resumed()])
    assert [r.findings for r in tripwires.observe([finding("f-5")])] == [("f-5",)]


@pytest.mark.parametrize(
    ("condition", "fires"),
    [
        ({"technique": "RSI-T0300"}, True),
        ({"technique": "RSI-T0301"}, False),
        ({"detector": "d"}, True),
        ({"detector": "other"}, False),
        ({"severity": Severity.HIGH}, True),
        ({"severity": Severity.CRITICAL}, False),
        ({"severity": Severity.LOW}, True),
        ({"technique": "RSI-T0300", "severity": Severity.CRITICAL}, False),
    ],
)
def test_what_a_rule_matches(condition, fires):
    assert bool(Tripwires([rule(**condition)]).observe([finding()])) is fires


def test_a_crashed_detector_trips_the_rule_on_the_technique_it_was_to_watch():
    blind = finding(technique=None, facts={"blind_to": "RSI-T0202 RSI-T0300"})
    assert Tripwires([rule(technique="RSI-T0300")]).observe([blind])
    assert not Tripwires([rule(technique="RSI-T0301")]).observe([blind])


@pytest.mark.parametrize("action", [Order.PAUSE, Order.STOP, Order.QUARANTINE, Order.DENY, Order.ROLL_BACK])
def test_below_high_a_rule_only_notifies_and_says_so_and_stays_armed(action):
    tripwires = Tripwires([rule(action, severity=Severity.LOW)])
    (notice,) = tripwires.observe([finding("f-1", Severity.MEDIUM)])
    assert notice.order is Order.NOTIFY
    assert f"asks for {action}" in notice.reason
    assert "high or above" in notice.reason
    assert [r.order for r in tripwires.observe([finding("f-2", Severity.HIGH)])] == [action]


def test_below_high_a_throttle_is_allowed_and_carries_its_number():
    (request,) = Tripwires([rule(Order.THROTTLE, "3", severity=Severity.LOW)]).observe([finding("f", Severity.LOW)])
    assert (request.order, request.argument) == (Order.THROTTLE, "3")


def test_notices_come_once_per_kind_and_are_bounded():
    tripwires = Tripwires([rule(Order.NOTIFY, severity=Severity.INFO)])
    assert len(tripwires.observe([finding("f-1"), finding("f-2")])) == 1
    flood = [finding(f"f-{n}", title=f"kind {n}") for n in range(500)]
    notices = [request for one in flood for request in tripwires.observe([one])]
    assert len(notices) < 70
    assert "only in the journal" in notices[-1].reason


@pytest.mark.parametrize(
    ("low", "level", "orders"),
    [
        (0.06, 0.98, [Order.PAUSE]),
        (0.06, 0.97, [Order.NOTIFY]),
        (0.05, 0.98, []),
        (0.04, 0.98, []),
        (None, 0.98, []),
    ],
)
def test_a_measure_trips_when_its_interval_lies_above(low, level, orders):
    tripwires = Tripwires([rule(measure="holdout_gap", above=0.05, confidence=0.99)])
    assert [request.order for request in tripwires.observe([measurement(low, level)])] == orders
    assert tripwires.observe([measurement(0.9, name="other")]) == []


class TestSilence:
    @staticmethod
    def beating(**condition):
        tripwires = Tripwires([rule(Order.STOP, silence_s=3.0, **condition)])
        tripwires.tick(0)
        tripwires.observe([event(Heartbeat(state="running"))])
        tripwires.tick(SECOND)
        return tripwires

    def test_nobody_is_expected_before_the_first_heartbeat(self):
        tripwires = Tripwires([rule(Order.STOP, silence_s=1.0)])
        assert not [n for n in range(10) if tripwires.tick(n * SECOND)]

    def test_a_named_producer_is_expected_from_the_start(self):
        tripwires = Tripwires([rule(Order.STOP, silence_s=1.0)], producers=["guest"])
        requests = [request for n in range(5) for request in tripwires.tick(n * SECOND)]
        assert [request.reason for request in requests] == ["nothing heard from guest for 1 s"]

    def test_silence_trips_at_its_limit_not_before(self):
        tripwires = self.beating()
        assert tripwires.tick(2 * SECOND) == []
        assert tripwires.tick(3 * SECOND) == []
        (request,) = tripwires.tick(4 * SECOND)
        assert request.order is Order.STOP
        assert tripwires.tick(5 * SECOND) == []

    def test_any_record_of_the_producer_breaks_the_silence(self):
        tripwires = self.beating()
        for n in range(2, 20):
            tripwires.observe([event(Message(source="g", text="x"))])
            assert tripwires.tick(n * SECOND) == []

    def test_another_producer_does_not_speak_for_it(self):
        tripwires = self.beating()
        requests = []
        for n in range(2, 8):
            tripwires.observe([event(Message(source="g", text="x"), producer="guest")])
            requests += tripwires.tick(n * SECOND)
        assert len(requests) == 1

    def test_after_its_end_nobody_is_missed(self):
        tripwires = self.beating()
        tripwires.observe([event(Heartbeat(state="running", end=True))])
        assert not [n for n in range(2, 20) if tripwires.tick(n * SECOND)]

    def test_a_sleeping_machine_does_not_trip_but_a_starved_one_does(self):
        tripwires = self.beating()
        assert tripwires.tick(3600 * SECOND) == []
        tripwires.observe([event(Heartbeat(state="running"))])
        assert tripwires.tick(3601 * SECOND) == []
        requests = [request for n in range(1, 4) for request in tripwires.tick((3601 + 100 * n) * SECOND)]
        assert len(requests) == 1

    def test_while_paused_nobody_has_to_speak(self):
        tripwires = self.beating()
        for n in range(2, 20):
            assert tripwires.tick(n * SECOND, paused=True) == []
        assert tripwires.tick(20 * SECOND) == []


def test_a_crash_in_a_rule_is_a_request_to_pause_and_the_others_go_on(monkeypatch):
    def crash(rule, finding):
        if rule.id == "broken":
            raise ValueError("bad \x1b[31m rule")
        return True

    monkeypatch.setattr(engine_module, "_holds", crash)
    tripwires = Tripwires(
        [
            rule(Order.NOTIFY, name="broken", technique="RSI-T0300"),
            rule(Order.STOP, name="whole", technique="RSI-T0300"),
        ]
    )
    requests = tripwires.observe([finding()])
    assert [(r.rule, r.order) for r in requests] == [("broken", Order.PAUSE), ("whole", Order.STOP)]
    assert "\x1b" not in requests[0].reason
    assert tripwires.observe([finding()]) == []


def test_recover_returns_what_was_requested_but_never_recorded_as_an_action():
    rules = [rule(name="one", technique="RSI-T0300"), rule(Order.STOP, name="two", technique="RSI-T0300")]
    done = Action(id="a", order=Order.PAUSE, by="tripwire:one", reason="r", findings=("f-1",))
    tripwires = Tripwires(rules)
    assert [request.rule for request in tripwires.recover([finding("f-1"), done])] == ["two"]
    assert tripwires.observe([finding("f-2")]) == []


def test_two_rules_with_one_id_are_refused():
    with pytest.raises(InputError):
        Tripwires([rule(technique="RSI-T0300"), rule(technique="RSI-T0301")])
