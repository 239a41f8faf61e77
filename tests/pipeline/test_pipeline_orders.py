import statistics
import threading
import time

import pytest
from run_doubles import FakeTree, WordDetector, say

from subcritical.pipeline import Stopped, Timing
from subcritical.schema import Action, Approval, Order, Receipt, RunState
from subcritical.tripwires import ROLLED_BACK, Condition, Latch, Rule, Tripwires

WIDE_S = 5.0


def tampered(run):
    run.pipeline.event(say("tamper"), generation=1)
    (finding,) = run.pipeline.process()
    return finding.id


class TestResume:
    def test_needs_a_person_a_reason_and_every_finding(self, make_run):
        run = make_run()
        first = tampered(run)
        second = tampered(run)
        for by, reason, findings, missing in [
            ("", "ok", (first, second), "say who"),
            ("ann", " ", (first, second), "say who"),
            ("ann", "ok", (), f"missing: {first}, {second}"),
            ("ann", "ok", (first,), f"missing: {second}"),
            ("ann", "ok", ("f-0",), f"missing: {first}, {second}"),
        ]:
            receipt = run.pipeline.order(Order.RESUME, by, reason, findings)
            assert (receipt.outcome, receipt.state) == ("refused", RunState.PAUSED)
            assert missing in receipt.detail
        assert "thaw" not in run.tree.calls
        assert run.pipeline.order(Order.RESUME, "ann", "read both", (first, second)).outcome == "confirmed"
        assert (run.pipeline.state, run.pipeline.latch.down) == (RunState.RUNNING, False)
        run.check()

    def test_an_old_resume_replayed_does_not_release_a_new_latch(self, make_run):
        run = make_run()
        first = tampered(run)
        run.pipeline.order(Order.RESUME, "ann", "read it", (first,))
        second = tampered(run)
        replayed = run.pipeline.order(Order.RESUME, "ann", "read it", (first,))
        assert replayed.outcome == "refused"
        assert second in replayed.detail

    def test_arms_the_rule_again(self, make_run):
        run = make_run()
        for _ in range(3):
            identity = tampered(run)
            assert run.pipeline.state is RunState.PAUSED
            run.pipeline.order(Order.RESUME, "ann", "read it", (identity,))
        assert run.tree.calls == ["freeze", "thaw"] * 3

    def test_of_a_denied_run_opens_the_gateway(self, make_run):
        run = make_run(rules=[Rule(id="t", on=Condition(technique="RSI-T0300"), action=Order.DENY)])
        identity = tampered(run)
        assert (run.pipeline.state, run.pipeline.latch.may_accept) == (RunState.RUNNING, False)
        assert run.pipeline.order(Order.RESUME, "ann", "fine").outcome == "refused"
        assert run.pipeline.order(Order.RESUME, "ann", "fine", (identity,)).outcome == "confirmed"
        assert run.pipeline.latch.may_accept
        assert run.tree.calls == []

    def test_nobody_signs_as_a_rule(self, make_run):
        run = make_run()
        identity = tampered(run)
        run.pipeline.order(Order.RESUME, "tripwire:tampering", "I am a rule", (identity,))
        assert all(r.by == "tripwire:tampering" for r in run.records()[3:4])
        assert run.records()[-2].by == "somebody who calls himself tripwire:tampering"

    def test_a_finding_that_arrives_while_it_is_under_way_holds(self, make_run):
        run = make_run()
        first = tampered(run)

        class Late(FakeTree):
            def thaw(self):
                if "thaw" not in self.calls:
                    late = threading.Thread(target=tampered, args=(run,))
                    late.start()
                    # The finding is recorded; its pause waits for the resume to end, as it must.
                    deadline = time.monotonic() + WIDE_S
                    while len(run.pipeline.latch.findings) < 2 and time.monotonic() < deadline:
                        time.sleep(0.001)
                    self.late = late
                return super().thaw()

        run.tree.__class__ = Late
        run.pipeline.order(Order.RESUME, "ann", "read one", (first,))
        run.tree.late.join(WIDE_S)
        assert run.pipeline.state is RunState.PAUSED
        assert not run.tree.can_run
        (second,) = run.pipeline.latch.findings
        assert second != first
        run.check()


class TestThrottle:
    def test_loosening_names_who_why_and_the_findings(self, make_run):
        run = make_run(rules=[Rule(id="t", on=Condition(technique="RSI-T0300"), action=Order.THROTTLE, argument="1")])
        identity = tampered(run)
        assert run.pipeline.latch.throttle == 1
        for findings in [(), ("f-0",)]:
            assert run.pipeline.order(Order.THROTTLE, "ann", "x", findings, argument="off").outcome == "refused"
        assert run.pipeline.order(Order.THROTTLE, "ann", "", (identity,), argument="5").outcome == "refused"
        assert run.pipeline.latch.throttle == 1
        assert run.pipeline.order(Order.THROTTLE, "ann", "tighter", argument="0").outcome == "confirmed"
        assert run.pipeline.order(Order.THROTTLE, "ann", "read it", (identity,), argument="off").outcome == "confirmed"
        assert run.pipeline.latch.throttle is None
        run.check()

    @pytest.mark.parametrize("argument", ["", "many", "-1", "1e9", "9" * 40, "\u0663"])
    def test_what_is_no_number_is_refused(self, make_run, argument):
        run = make_run()
        receipt = run.pipeline.order(Order.THROTTLE, "ann", "x", argument=argument)
        assert receipt.outcome == "refused"
        assert run.pipeline.latch.throttle is None


def test_a_hostile_text_does_not_keep_a_stop_from_happening(make_run):
    run = make_run()
    receipt = run.pipeline.order(
        Order.STOP, "ann \ud800", "x\x00" * 100_000, ["\udfff"] * 5000, argument="\ud800" * 999
    )
    assert (receipt.outcome, run.pipeline.state, run.tree.alive) == ("confirmed", RunState.KILLED, 0)
    run.check()


@pytest.mark.parametrize("order", Order)
def test_a_dry_run_leaves_no_trace(make_run, order):
    run = make_run()
    before = run.records()
    receipt = run.pipeline.order(order, "ann", "just asking", argument="1", dry_run=True)
    assert receipt.detail.startswith("dry run: ")
    assert (run.records(), run.tree.calls) == (before, [])


def test_a_rollback_is_carried_out_while_the_run_stands_still(make_run):
    run = make_run(rules=[])
    assert run.pipeline.order(Order.ROLL_BACK, "ann", "x").outcome == "refused"
    run.pipeline.order(Order.PAUSE, "ann", "x")
    assert run.pipeline.order(Order.ROLL_BACK, "ann", "x", argument="v3").outcome == "confirmed"
    done = []

    def roll_back(version):
        done.append((version, run.tree.can_run))
        early = run.pipeline.order(Order.RESUME, "ann", "in a hurry")
        assert (early.outcome, "under way" in early.detail) == ("refused", True)
        return ROLLED_BACK

    # The gate returns with the resume, which somebody orders once the rollback is done.
    run.pipeline._recorder.wait_for_change = lambda _timeout: run.pipeline.order(Order.RESUME, "ann", "rolled back")
    run.pipeline.gate(roll_back)
    assert done == [("v3", False)]
    assert not run.pipeline.latch.down
    run.check()


def test_planted_failure_a_resume_over_a_rollback_that_is_under_way_leaves_a_run_that_can_accept_nothing(
    make_run, monkeypatch
):
    monkeypatch.setattr("subcritical.pipeline.orders._resume_refusal", lambda *_: "")
    run = make_run(rules=[])
    run.pipeline.order(Order.PAUSE, "ann", "x")
    run.pipeline.order(Order.ROLL_BACK, "ann", "x", argument="v3")
    assert run.pipeline.order(Order.RESUME, "ann", "in a hurry").outcome == "confirmed"
    run.pipeline.gate(lambda _: pytest.fail("it never stands still for it"))
    assert (run.pipeline.state, run.pipeline.latch.down) == (RunState.RUNNING, True)


class TestThreads:
    def test_the_gate_blocks_while_paused_and_opens_with_the_resume(self, make_run):
        run = make_run(threads=True)
        run.pipeline.order(Order.PAUSE, "ann", "a look")
        passed = threading.Event()
        threading.Thread(target=lambda: (run.pipeline.gate(), passed.set()), daemon=True).start()
        assert not passed.wait(0.1)
        run.pipeline.order(Order.RESUME, "ann", "seen")
        assert passed.wait(WIDE_S)

    def test_the_gate_raises_when_the_run_is_stopped_under_it(self, make_run):
        run = make_run(threads=True)
        run.pipeline.order(Order.PAUSE, "ann", "a look")
        threading.Timer(0.05, run.pipeline.order, (Order.STOP, "bob", "enough")).start()
        with pytest.raises(Stopped) as stopped:
            run.pipeline.gate()
        assert (stopped.value.exit_code, stopped.value.by, stopped.value.contained) == (130, "bob", True)

    def test_a_stop_is_served_while_an_evaluation_blocks_the_loop(self, make_run):
        """The main thread sits inside a detector, with every lock of `process` held."""
        inside, leave = threading.Event(), threading.Event()

        class Slow(WordDetector):
            def batch(self, _states, events):
                if any("slow" in str(event.data) for event in events):
                    inside.set()
                    leave.wait(WIDE_S)
                return []

        run = make_run(threads=True, detectors=[Slow()])
        run.pipeline.event(say("slow"), generation=1)
        main = threading.Thread(target=run.pipeline.process)
        main.start()
        assert inside.wait(WIDE_S)
        began = time.monotonic()
        receipt = run.pipeline.order(Order.STOP, "ann", "enough")
        took = time.monotonic() - began
        leave.set()
        main.join(WIDE_S)
        print(f"stop during a blocked evaluation: {took * 1e3:.2f} ms")
        assert receipt.state is RunState.KILLED
        assert took < WIDE_S / 2

    def test_a_stop_does_not_wait_for_a_pause_that_waits_for_the_kernel(self, make_run):
        run = make_run(threads=True)
        run.tree.let_freeze_end.clear()
        pause = threading.Thread(target=run.pipeline.order, args=(Order.PAUSE, "ann", "a look"))
        pause.start()
        assert run.tree.freezing.wait(WIDE_S)
        receipt = run.pipeline.order(Order.STOP, "ann", "enough")
        assert (receipt.outcome, run.pipeline.state) == ("confirmed", RunState.KILLED)
        run.tree.let_freeze_end.set()
        pause.join(WIDE_S)
        assert run.pipeline.state is RunState.KILLED
        run.check()

    def test_a_hanging_disk_keeps_neither_a_stop_nor_its_answer(self, make_run, monkeypatch):
        run = make_run(threads=True, timing=Timing(record_timeout_s=0.2))
        hang = threading.Event()
        sound = run.journal.commit

        def hanging():
            hang.wait(WIDE_S)
            return sound()

        monkeypatch.setattr(run.journal, "commit", hanging)
        main = threading.Thread(target=run.pipeline.process)
        main.start()
        began = time.monotonic()
        receipt = run.pipeline.order(Order.STOP, "ann", "enough")
        took = time.monotonic() - began
        hang.set()
        main.join(WIDE_S)
        assert (receipt.outcome, run.tree.alive) == ("confirmed", 0)
        assert "not yet in the journal" in receipt.detail
        assert took < WIDE_S / 2
        run.pipeline.process()
        run.check()

    def test_silence_stops_a_loop_that_hangs_in_its_journal(self, make_run, monkeypatch):
        """The dead man's switch needs neither the main thread nor the disk."""
        rules = [Rule(id="silence", on=Condition(silence_s=0.4), action=Order.STOP)]
        run = make_run(threads=True, rules=rules, timing=Timing(record_timeout_s=0.2))
        run.pipeline.process()
        hang = threading.Event()
        sound = run.journal.commit
        monkeypatch.setattr(run.journal, "commit", lambda: (hang.wait(2 * WIDE_S), sound())[1])
        main = threading.Thread(target=run.pipeline.process)
        main.start()
        deadline = time.monotonic() + WIDE_S
        while run.tree.alive and time.monotonic() < deadline:
            time.sleep(0.01)
        assert run.tree.alive == 0
        hang.set()
        main.join(WIDE_S)

    def test_planted_without_the_silence_rule_the_hanging_loop_goes_on(self, make_run):
        run = make_run(threads=True, rules=[], timing=Timing(tick_s=0.02, heartbeat_s=0.05))
        run.pipeline.process()
        time.sleep(0.6)
        assert run.tree.can_run

    def test_a_kill_that_is_not_confirmed_is_tried_again_by_the_pulse(self, make_run):
        run = make_run(threads=True, faults=["kill_unverified"], timing=Timing(tick_s=0.02))
        receipt = run.pipeline.order(Order.STOP, "ann", "enough")
        assert (receipt.outcome, receipt.survivors, run.pipeline.contained) == ("failed", 1, False)
        with pytest.raises(Stopped) as stopped:
            run.pipeline.gate()
        assert stopped.value.exit_code == 6
        run.tree.faults.clear()
        deadline = time.monotonic() + WIDE_S
        while not run.pipeline.contained and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (run.pipeline.contained, run.pipeline.state) == (True, RunState.KILLED)

    def test_a_crashed_pulse_pauses(self, make_run, monkeypatch):
        run = make_run(threads=True, timing=Timing(tick_s=0.02))
        monkeypatch.setattr(run.pipeline, "_heartbeats", None)
        deadline = time.monotonic() + WIDE_S
        while run.pipeline.state is not RunState.PAUSED and time.monotonic() < deadline:
            time.sleep(0.01)
        monkeypatch.undo()
        assert "pulse crashed" in run.pipeline.latch.reasons[0]

    def test_many_people_at_once(self, make_run):
        """Orders from many threads beside a working loop: no deadlock, one order of records, no state unproven."""
        run = make_run(threads=True, rules=[])
        orders = [Order.PAUSE, Order.RESUME, Order.DENY, Order.NOTIFY, Order.THROTTLE]

        def person(number):
            for turn in range(20):
                run.pipeline.order(orders[(turn + number) % 5], f"p{number}", "x", argument="9")

        people = [threading.Thread(target=person, args=(number,)) for number in range(6)]
        for one in people:
            one.start()
        for number in range(50):
            run.pipeline.event(say(f"{number}"), generation=number)
            run.pipeline.process()
        for one in people:
            one.join(30)
        assert not any(one.is_alive() for one in people)
        assert run.pipeline.order(Order.STOP, "ann", "enough").outcome == "confirmed"
        records = run.records()
        actions = [record.id for record in records if isinstance(record, Action)]
        assert sorted(actions) == sorted(record.action for record in records if isinstance(record, Receipt))
        assert len(actions) == 121
        run.check()


def accept_beside_orders(run, accept):
    """Accept as fast as it goes while people pause and resume; acceptances recorded while a latch was down."""
    done = threading.Event()

    def people():
        for _ in range(15):
            run.pipeline.order(Order.PAUSE, "ann", "a look")
            run.pipeline.order(Order.RESUME, "ann", "seen")
        done.set()

    person = threading.Thread(target=people)
    person.start()
    while not done.is_set():
        accept()
    person.join(WIDE_S)
    latch, wrong = Latch(), 0
    for record in run.records():
        wrong += isinstance(getattr(record, "data", None), Approval) and not latch.may_accept
        latch = latch.apply(record)
    return wrong, latch.accepted


APPROVAL = Approval(proposal="p", tree="t", verdict="accepted", by="selection")


def test_no_acceptance_slips_in_beside_a_latch_that_falls(make_run):
    run = make_run(threads=True, rules=[])
    wrong, accepted = accept_beside_orders(run, lambda: run.pipeline.accept(APPROVAL, generation=1))
    assert wrong == 0
    assert accepted > 0


def test_planted_checking_first_and_recording_then_lets_one_slip_in(make_run):
    run = make_run(threads=True, rules=[])

    def careless():
        if run.pipeline.latch.may_accept:
            time.sleep(0.002)  # any work between the check and the record
            run.pipeline.event(APPROVAL, generation=1)

    wrong, _ = accept_beside_orders(run, careless)
    assert wrong > 0


class TestADeadActuator:
    @pytest.fixture(autouse=True)
    def broken(self, monkeypatch):
        def dead(*_, **__):
            raise RuntimeError("no actuator")

        monkeypatch.setattr("subcritical.pipeline.orders.act", dead)

    def test_the_handle_itself_ends_the_run(self, make_run):
        run = make_run()
        receipt = run.pipeline.order(Order.PAUSE, "ann", "x")
        assert (receipt.outcome, receipt.state, run.tree.alive) == ("escalated", RunState.KILLED, 0)
        assert "the actuator failed" in receipt.detail

    def test_and_where_that_fails_too_it_is_not_contained(self, make_run):
        run = make_run(faults=["kill_raises"])
        receipt = run.pipeline.order(Order.STOP, "ann", "x")
        assert (receipt.outcome, receipt.survivors, run.pipeline.contained) == ("failed", -1, False)


def test_from_event_to_ordered(make_run):
    """Median of the time from appending the event to ORDERED, over a real journal with its syncs."""
    run = make_run(threads=True)
    waits = []
    for _ in range(30):
        began = run.clock.boot_ns()
        identity = tampered(run)
        receipt = [record for record in run.records() if isinstance(record, Receipt)][-1]
        waits.append((receipt.ordered_ns - began) / 1e6)
        run.pipeline.order(Order.RESUME, "ann", "seen", (identity,))
    print(f"event to ORDERED: median {statistics.median(waits):.2f} ms, max {max(waits):.2f} ms, n {len(waits)}")
    assert statistics.median(waits) <= 50


def test_the_pulse_fits_the_shortest_silence(make_run):
    run = make_run(rules=[Rule(id="s", on=Condition(silence_s=0.8), action=Order.STOP)])
    assert run.pipeline._timing.heartbeat_s == pytest.approx(0.2)
    assert run.pipeline._timing.tick_s == pytest.approx(0.1)
    assert Tripwires([]).tick(1) == []
