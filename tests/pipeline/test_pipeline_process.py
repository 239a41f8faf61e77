import pytest
from run_doubles import PAUSE_ON_TAMPERING, FakeClock, FakeTree, WordDetector, found, say

from subcritical.errors import InputError, LedgerError
from subcritical.ledger import Journal, read_journal
from subcritical.pipeline import Pipeline, Stopped
from subcritical.schema import (
    Action,
    Approval,
    Event,
    Finding,
    Heartbeat,
    Measurement,
    Order,
    Receipt,
    RunState,
    Severity,
)
from subcritical.tripwires import Condition, Rule, Tripwires


def kinds(records):
    return [type(record).__name__ for record in records]


def test_event_finding_action_receipt_in_this_order(make_run):
    run = make_run()
    run.pipeline.event(say("tamper"), generation=3)
    (finding,) = run.pipeline.process()
    assert finding.id.startswith("f-")
    assert run.pipeline.state is RunState.PAUSED
    assert not run.tree.can_run
    records = run.records()
    assert kinds(records) == ["Event", "Event", "Finding", "Action", "Receipt"]
    assert [record.seq for record in records] == [1, 2, 3, 4, 5]
    action, receipt = records[3:]
    assert (action.by, action.findings) == ("tripwire:tampering", (finding.id,))
    assert (receipt.action, receipt.outcome, receipt.state) == (action.id, "confirmed", RunState.PAUSED)
    run.check()


class Ordered(FakeTree):
    """Notes how much of the journal was on disk when it was touched."""

    def freeze(self, timeout_s):
        self.durable = [type(record).__name__ for record in read_journal(self.directory)]
        return super().freeze(timeout_s)


def test_event_finding_and_action_are_on_disk_before_the_freeze(make_run):
    run = make_run()
    run.tree.__class__ = Ordered
    run.tree.directory = run.directory
    run.pipeline.event(say("tamper"), generation=1)
    run.pipeline.process()
    assert run.tree.durable == ["Event", "Event", "Finding", "Action"]


def test_a_detector_sees_only_what_is_on_disk(make_run):
    durable = []

    class Looking(WordDetector):
        def batch(self, states, events):
            durable.extend(record.seq for record in read_journal(run.directory))
            return super().batch(states, events)

    run = make_run(detectors=[Looking()])
    event = run.pipeline.event(say("hello"), generation=1)
    run.pipeline.process()
    assert event.seq in durable


def test_long_runs_of_events_are_cut_into_batches(make_run):
    sizes = []

    class Counting(WordDetector):
        def batch(self, states, events):
            sizes.append(len(events))
            return super().batch(states, events)

    run = make_run(detectors=[Counting()])
    for number in range(1000):
        run.pipeline.event(say(f"{number}"), generation=1)
    run.pipeline.process()
    assert sizes == [256, 256, 256, 233]
    assert run.pipeline.process() == []


def test_a_loop_that_never_processes_is_judged_all_the_same(make_run):
    run = make_run()
    run.pipeline.event(say("tamper"), generation=1)
    for number in range(2100):
        run.pipeline.event(say(f"{number}"), generation=1)
    assert run.pipeline.state is RunState.PAUSED


def test_a_crashed_detector_is_a_high_finding_and_the_others_go_on(make_run):
    run = make_run(detectors=[WordDetector("broken"), WordDetector("whole", "crash", technique="RSI-T0202")], rules=[])
    event = run.pipeline.event(say("crash \x1b[2J"), generation=4)
    crash, other = run.pipeline.process()
    assert (crash.title, crash.severity, crash.technique) == ("detector crashed", Severity.HIGH, None)
    assert (crash.detector, crash.facts["blind_to"]) == ("broken", "RSI-T0300")
    assert (crash.evidence[0].first_seq, crash.generation) == (1, 4)
    assert crash.evidence[0].last_seq == event.seq
    assert "\x1b" not in crash.why
    assert other.detector == "whole"
    assert run.pipeline.state is RunState.RUNNING


def test_a_crash_trips_the_rule_that_rests_on_the_detector(make_run):
    run = make_run()
    run.pipeline.event(say("crash"), generation=1)
    run.pipeline.process()
    assert run.pipeline.state is RunState.PAUSED


def test_planted_without_its_blindness_the_crash_would_hide_the_tampering(make_run, monkeypatch):
    """The guard removed (a crash is swallowed): the run goes on over a change that nobody judged."""
    monkeypatch.setattr("subcritical.pipeline.detection.Detection.crashed", lambda *_: [])
    run = make_run()
    run.pipeline.event(say("crash tamper"), generation=1)
    run.pipeline.process()
    assert run.pipeline.state is RunState.RUNNING


def test_no_number_of_crashes_blinds_the_run_quietly(make_run):
    run = make_run(rules=[])
    findings = []
    for _ in range(30):
        run.pipeline.event(say("crash"), generation=1)
        findings += run.pipeline.process()
    assert [finding.facts["crashes"] for finding in findings] == list(range(1, 31))


@pytest.mark.parametrize(
    "bad", [{"title": "\ud800"}, {"confidence": float("nan")}, {"why": "x" * (2 << 20)}, {"severity": "dreadful"}]
)
def test_a_finding_that_cannot_be_recorded_is_a_crash(make_run, bad):
    class Bad(WordDetector):
        def batch(self, _states, events):
            return [
                type(f)(**({n: getattr(f, n) for n in f.__struct_fields__} | bad)) for f in [found(self, events[0])]
            ]

    run = make_run(detectors=[Bad()], rules=[])
    run.pipeline.event(say("x"), generation=1)
    assert [finding.title for finding in run.pipeline.process()] == ["detector crashed"]
    run.check()


def test_too_many_states_or_findings_are_a_crash(make_run):
    class Greedy(WordDetector):
        def key(self, event):
            return event.data.text.encode() if event.producer == "loop" else b""

        def new(self):
            return []

        def batch(self, _states, events):
            return [found(self, event) for event in events for _ in range(300 if "flood" in str(event.data) else 0)]

    run = make_run(detectors=[Greedy()], rules=[])
    run.pipeline.event(say("flood"), generation=1)
    assert [finding.title for finding in run.pipeline.process()] == ["detector crashed"]
    for number in range(4200):
        run.pipeline.event(say(f"{number}"), generation=1)
    findings = run.pipeline.process()
    assert {finding.title for finding in findings} == {"detector crashed"}
    assert "separate states" in findings[-1].why


def test_an_event_the_journal_cannot_hold_has_not_happened(make_run):
    run = make_run()
    with pytest.raises(InputError):
        run.pipeline.event(say("tamper \ud800"), generation=1)
    assert run.pipeline.process() == []
    assert run.pipeline.state is RunState.RUNNING
    run.check()


def test_a_measurement_trips_its_rule(make_run):
    on = Condition(measure="holdout_gap", above=0.05, confidence=0.99)
    run = make_run(rules=[Rule(id="gap", on=on, action=Order.PAUSE)])
    measurement = Measurement(
        name="holdout_gap", estimate=0.1, low=0.06, high=0.2, level=0.98, unit="accuracy", method="m", n=9
    )
    assert run.pipeline.measurement(measurement).seq > 0
    run.pipeline.process()
    assert run.pipeline.state is RunState.PAUSED
    assert "holdout_gap lies above 0.05" in run.pipeline.latch.reasons[0]


@pytest.mark.parametrize(
    ("action", "argument", "state", "down"),
    [
        (Order.PAUSE, "", RunState.PAUSED, True),
        (Order.STOP, "", RunState.KILLED, True),
        (Order.QUARANTINE, "", RunState.KILLED, True),
        (Order.DENY, "", RunState.RUNNING, True),
        (Order.ROLL_BACK, "", RunState.PAUSED, True),
        (Order.THROTTLE, "1", RunState.RUNNING, False),
        (Order.NOTIFY, "", RunState.RUNNING, False),
    ],
)
def test_every_action_a_rule_can_ask_for(make_run, action, argument, state, down):
    run = make_run(rules=[Rule(id="t", on=Condition(technique="RSI-T0300"), action=action, argument=argument)])
    run.pipeline.event(say("tamper"), generation=1)
    run.pipeline.process()
    latch = run.pipeline.latch
    assert (latch.state, latch.down) == (state, down)
    receipts = [record for record in run.records() if isinstance(record, Receipt)]
    assert [receipt.outcome for receipt in receipts] == ["confirmed"] * (2 if action is Order.ROLL_BACK else 1)
    assert receipts[-1].order is action
    assert latch.roll_back == ("previous" if action is Order.ROLL_BACK else None)
    assert bool(run.told) is (action is Order.NOTIFY)
    run.check()


def test_the_throttle_is_computed_from_the_records(make_run):
    run = make_run(rules=[Rule(id="t", on=Condition(technique="RSI-T0300"), action=Order.THROTTLE, argument="2")])
    run.pipeline.event(say("tamper"), generation=1)
    run.pipeline.process()
    accepted = Approval(proposal="p", tree="t", verdict="accepted", by="selection")
    run.pipeline.event(accepted, generation=1)
    assert run.pipeline.latch.may_accept
    run.pipeline.event(accepted, generation=2)
    assert not run.pipeline.latch.may_accept
    run.pipeline.review("ann", "looked at both")
    assert run.pipeline.latch.may_accept
    with pytest.raises(InputError):
        run.pipeline.review(" ", "nobody")
    run.check()


def test_a_broken_rule_engine_pauses(make_run, monkeypatch):
    run = make_run()

    def broken(self, records):
        raise ZeroDivisionError("no engine")

    monkeypatch.setattr(Tripwires, "observe", broken)
    run.pipeline.event(say("anything"), generation=1)
    assert run.pipeline.state is RunState.PAUSED
    assert "the tripwires crashed" in run.pipeline.latch.reasons[0]


class TestSilence:
    RULE = Rule(id="silence", on=Condition(silence_s=10.0), action=Order.STOP)

    def test_a_loop_that_says_nothing_is_stopped(self, make_run):
        run = make_run(rules=[self.RULE])
        for _ in range(20):
            run.pipeline.alive()
            run.seconds(1)
            run.pipeline.tick()
        assert run.pipeline.state is RunState.RUNNING
        for _ in range(20):
            run.seconds(1)
            run.pipeline.tick()
        assert run.pipeline.state is RunState.KILLED
        with pytest.raises(Stopped) as stopped:
            run.pipeline.gate()
        assert (stopped.value.exit_code, stopped.value.by) == (5, "tripwire:silence")
        run.check()

    def test_one_event_of_another_producer_does_not_make_it_expected(self, make_run):
        run = make_run(rules=[self.RULE])
        run.pipeline.event(say("x"), generation=0, producer="gateway")
        for _ in range(40):
            run.pipeline.alive()
            run.seconds(1)
            run.pipeline.tick()
        assert run.pipeline.state is RunState.RUNNING

    def test_heartbeats_are_recorded_for_those_alive_only(self, make_run):
        run = make_run(rules=[])
        for _ in range(3):
            run.pipeline.alive("guest")
            run.seconds(1)
            run.pipeline.tick()
        run.seconds(1)
        run.pipeline.tick()
        run.pipeline.process()
        beats = [r.producer for r in run.records() if isinstance(r, Event) and isinstance(r.data, Heartbeat)]
        assert beats.count("guest") == 3


class TestAfterACrash:
    """The supervisor died; its journal is read again."""

    def again(self, run, tmp_path, keep=None, rules=(PAUSE_ON_TAMPERING,), detectors=None):
        records = run.records()[:keep]
        clock = FakeClock()
        journal = Journal.create(tmp_path / "again", "run-1", clock)
        for record in records:
            journal.append(record)
        tree = FakeTree(clock)
        pipeline = Pipeline(
            journal, detectors or [WordDetector()], Tripwires(list(rules)), tree, clock, history=records
        )
        pipeline.start(threads=False)
        return pipeline, tree, list(read_journal(tmp_path / "again")) if journal.commit() else []

    def tampered(self, make_run):
        run = make_run()
        run.pipeline.event(say("tamper"), generation=5)
        run.pipeline.process()
        return run

    @pytest.mark.parametrize("keep", [2, 3, 4, 5])
    def test_between_any_two_records_the_run_comes_back_paused(self, make_run, tmp_path, keep):
        """Died after the event, after the finding, after the action, after the receipt."""
        pipeline, tree, records = self.again(self.tampered(make_run), tmp_path, keep)
        assert pipeline.state is RunState.PAUSED
        assert tree.frozen
        assert len([r for r in records if isinstance(r, Finding)]) == 1
        assert pipeline.latch.findings == tuple(r.id for r in records if isinstance(r, Finding))
        assert pipeline.status().generation == 5

    def test_a_quiet_run_comes_back_running(self, make_run, tmp_path):
        run = make_run()
        run.pipeline.event(say("hello"), generation=2)
        pipeline, tree, _ = self.again(run, tmp_path)
        assert pipeline.state is RunState.RUNNING
        assert tree.calls == []

    def test_a_detector_goes_on_with_what_it_had_seen(self, make_run, tmp_path):
        detector = WordDetector()
        run = self.tampered(make_run)
        pipeline, _, _ = self.again(run, tmp_path, detectors=[detector])
        findings = pipeline.process()
        assert findings == []
        assert len([r for r in run.records() if isinstance(r, Action)]) == 1

    def test_a_plain_stop_by_a_person_ends_with_the_next_start(self, make_run, tmp_path):
        run = make_run()
        run.pipeline.order(Order.STOP, "ann", "enough for today")
        pipeline, _, _ = self.again(run, tmp_path)
        assert pipeline.state is RunState.RUNNING

    def test_a_stop_by_a_rule_does_not(self, make_run, tmp_path):
        rules = [Rule(id="tampering", on=Condition(technique="RSI-T0300"), action=Order.STOP)]
        run = make_run(rules=rules)
        run.pipeline.event(say("tamper"), generation=1)
        run.pipeline.process()
        assert run.pipeline.state is RunState.KILLED
        pipeline, tree, _ = self.again(run, tmp_path, rules=rules)
        assert pipeline.state is RunState.PAUSED
        assert tree.frozen


def test_close_writes_the_end_and_can_be_repeated(make_run):
    run = make_run()
    run.pipeline.event(say("tamper"), generation=1)
    run.pipeline.close()
    run.pipeline.close()
    records = run.records()
    assert "Finding" in kinds(records)
    assert records[-1].data.end
    assert run.pipeline.state is RunState.FINISHED
    run.check()


class TestAJournalThatCannotBeWritten:
    class Full:
        """A journal whose disk is full when told so."""

        def __init__(self, inner):
            self.inner, self.full = inner, False

        def append(self, record):
            if self.full:
                raise LedgerError("no space left on device")
            return self.inner.append(record)

        def commit(self):
            if self.full:
                raise LedgerError("no space left on device")
            return self.inner.commit()

    @pytest.fixture
    def run(self, make_run, tmp_path):
        inner = Journal.create(tmp_path / "j", "run-1", FakeClock())
        yield make_run(journal=self.Full(inner))
        inner.close()

    def test_the_run_stands_still_before_the_error_goes_up(self, run):
        run.journal.full = True
        with pytest.raises(LedgerError):
            run.pipeline.event(say("x"), generation=1)
        assert run.pipeline.state is RunState.PAUSED
        assert not run.tree.can_run
        assert run.pipeline.status().unrecorded == 3

    def test_a_stop_happens_all_the_same_and_is_recorded_when_there_is_room(self, run, tmp_path):
        run.journal.full = True
        receipt = run.pipeline.order(Order.STOP, "ann", "enough")
        assert (receipt.outcome, receipt.state) == ("confirmed", RunState.KILLED)
        assert "not yet in the journal" in receipt.detail
        assert run.tree.alive == 0
        run.journal.full = False
        run.pipeline.process()
        assert kinds(read_journal(tmp_path / "j")) == ["Event", "Action", "Receipt"]

    @pytest.mark.parametrize(
        ("order", "argument"), [(Order.RESUME, ""), (Order.THROTTLE, "off"), (Order.ROLL_BACK, "")]
    )
    def test_what_loosens_or_changes_does_not_happen_unrecorded(self, run, order, argument):
        run.pipeline.order(Order.THROTTLE, "ann", "slowly", argument="1")
        run.pipeline.order(Order.PAUSE, "ann", "a look")
        run.journal.full = True
        receipt = run.pipeline.order(order, "ann", "go", argument=argument)
        assert receipt.outcome == "refused"
        assert "must be recorded first" in receipt.detail
        assert run.pipeline.state is RunState.PAUSED
        assert run.pipeline.latch.throttle == 1
        assert "thaw" not in run.tree.calls

    def test_after_room_was_made_a_person_resumes_and_nothing_is_lost(self, run, tmp_path):
        run.journal.full = True
        with pytest.raises(LedgerError):
            run.pipeline.event(say("x"), generation=1)
        run.journal.full = False
        assert run.pipeline.order(Order.RESUME, "ann", "made room").outcome == "confirmed"
        run.pipeline.event(say("y"), generation=1)
        run.pipeline.process()
        run.journal.full = True
        with pytest.raises(LedgerError):
            run.pipeline.event(say("z"), generation=1)
        assert run.pipeline.state is RunState.PAUSED
        run.journal.full = False
        run.pipeline.process()
        texts = [r.data.text for r in read_journal(tmp_path / "j") if hasattr(getattr(r, "data", None), "text")]
        assert texts == ["x", "y", "z"]

    def test_the_queue_of_what_waits_is_bounded(self, run):
        run.journal.full = True
        for _ in range(4200):
            with pytest.raises(LedgerError):
                run.pipeline.event(say("x"), generation=1)
        assert run.pipeline.status().unrecorded <= 4100
        assert run.pipeline.order(Order.STOP, "ann", "enough").outcome == "confirmed"
