import pytest

from subcritical.actuators import Step, Timeouts, act, step_for, why_refused
from subcritical.actuators import act as act_function
from subcritical.clock import FakeClock
from subcritical.schema import Action, HandleReport, Order, RunState

S, R, P, H, K, D, F = (
    RunState.STARTING,
    RunState.RUNNING,
    RunState.PAUSING,
    RunState.PAUSED,
    RunState.KILLING,
    RunState.KILLED,
    RunState.FINISHED,
)
STATES = (S, R, P, H, K, D, F)

# Every cell by hand: what happens, and where it leads when the handle confirms. `-` is refused.
MATRIX = {
    #                 STARTING     RUNNING      PAUSING      PAUSED       KILLING      KILLED       FINISHED
    Order.PAUSE: ("freeze/H", "freeze/H", "freeze/H", "freeze/H", "kill/D", "-", "-"),
    Order.RESUME: ("-", "note/R", "-", "thaw/R", "-", "-", "-"),
    Order.THROTTLE: ("note/S", "note/R", "note/P", "note/H", "-", "-", "-"),
    Order.STOP: ("kill/D", "kill/D", "kill/D", "kill/D", "kill/D", "kill/D", "kill/F"),
    Order.ROLL_BACK: ("-", "-", "-", "note/H", "-", "note/D", "-"),
    Order.DENY: ("note/S", "note/R", "note/P", "note/H", "-", "-", "-"),
    Order.QUARANTINE: ("kill/D", "kill/D", "kill/D", "kill/D", "kill/D", "kill/D", "kill/F"),
    Order.NOTIFY: ("tell/S", "tell/R", "tell/P", "tell/H", "tell/K", "tell/D", "tell/F"),
}
NAMES = dict(zip("SRPHKDF", STATES, strict=True))
CALLS = {"freeze": ["freeze"], "kill": ["kill"], "thaw": ["thaw"], "note": [], "tell": []}
CELLS = [
    pytest.param(order, state, cell, id=f"{order}-{state}")
    for order, row in MATRIX.items()
    for state, cell in zip(STATES, row, strict=True)
]


class Tree:
    rung = "R2"

    def __init__(self, *, fail=(), broken=()):
        self.fail, self.broken, self.calls = fail, broken, []

    def _do(self, name):
        self.calls.append(name)
        if name in self.broken:
            raise OSError("handle \x1b[2J gone")
        good = name not in self.fail
        return HandleReport(
            verified=good,
            quiesced_ns=11,
            confirmed_ns=12 if good else 0,
            processes=5,
            survivors=0 if good else 2,
            detail="" if good else "two left",
        )

    def freeze(self, _timeout_s):
        return self._do("freeze")

    def thaw(self):
        return self._do("thaw")

    def kill(self, _timeout_s):
        return self._do("kill")

    def verify(self):
        return self._do("verify")


def order_of(order, **more):
    return Action(id="a-1", order=order, by="ann", reason="because", **more)


def carry_out(order, state, tree, **more):
    return act(order_of(order, argument="1"), tree, state, FakeClock(), ordered_ns=10, **more)


def test_the_table_has_every_cell():
    assert set(MATRIX) == set(Order)
    assert set(STATES) == set(RunState)
    assert len(CELLS) == len(Order) * len(RunState)


@pytest.mark.parametrize(("order", "state", "cell"), CELLS)
def test_every_cell(order, state, cell):
    tree = Tree()
    receipt = carry_out(order, state, tree)
    assert (receipt.action, receipt.order, receipt.rung, receipt.ordered_ns) == ("a-1", order, "R2", 10)
    if cell == "-":
        assert step_for(order, state) is Step.REFUSE
        assert (receipt.outcome, receipt.state, tree.calls) == ("refused", state, [])
        assert state.value in receipt.detail
        return
    step, _, after = cell.partition("/")
    assert step_for(order, state) == step
    assert (receipt.outcome, receipt.state, tree.calls) == ("confirmed", NAMES[after], CALLS[step])
    if tree.calls:
        assert (receipt.quiesced_ns, receipt.confirmed_ns, receipt.processes, receipt.survivors) == (11, 12, 5, 0)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("order", [Order.STOP, Order.QUARANTINE])
def test_stop_is_legal_and_idempotent_in_every_state(order, state):
    tree = Tree()
    first = carry_out(order, state, tree)
    second = carry_out(order, first.state, tree)
    assert first.outcome == second.outcome == "confirmed"
    assert second.state is first.state


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("fault", ["fail", "broken"])
def test_no_state_is_claimed_that_the_handle_did_not_confirm(order, state, fault):
    tree = Tree(**{fault: ("freeze", "kill", "thaw")})
    receipt = carry_out(order, state, tree)
    if tree.calls:
        assert receipt.outcome == "failed"
        assert receipt.state is K
        assert receipt.survivors != 0
        assert tree.calls[-1] == "kill"
        assert "may still run" in receipt.detail
        assert "\x1b" not in receipt.detail


@pytest.mark.parametrize("fault", ["fail", "broken"])
@pytest.mark.parametrize("state", [S, R, P, H])
def test_an_unverified_pause_escalates_to_a_kill(state, fault):
    tree = Tree(**{fault: ("freeze",)})
    receipt = carry_out(Order.PAUSE, state, tree)
    assert tree.calls == ["freeze", "kill"]
    assert (receipt.outcome, receipt.state, receipt.survivors) == ("escalated", D, 0)
    assert "not verified" in receipt.detail


def test_planted_without_the_verification_an_unstopped_tree_would_be_called_paused(monkeypatch):
    """The guard removed: the check above goes red."""
    module = __import__(act_function.__module__, fromlist=["_escalate"])

    def trusting(handle, timeouts, why, first):
        return module._Result(outcome="confirmed", state=H, report=first)

    monkeypatch.setattr(module, "_escalate", trusting)
    with pytest.raises(AssertionError):
        test_an_unverified_pause_escalates_to_a_kill(R, "fail")


def test_what_does_not_thaw_is_frozen_again():
    tree = Tree(fail=("thaw",))
    receipt = carry_out(Order.RESUME, H, tree)
    assert tree.calls == ["thaw", "freeze"]
    assert (receipt.outcome, receipt.state) == ("failed", H)


def test_what_neither_thaws_nor_freezes_is_killed():
    tree = Tree(fail=("thaw", "freeze"))
    receipt = carry_out(Order.RESUME, H, tree)
    assert tree.calls == ["thaw", "freeze", "kill"]
    assert (receipt.outcome, receipt.state) == ("escalated", D)


def test_never_thaw_to_kill():
    for state in STATES:
        tree = Tree()
        carry_out(Order.STOP, state, tree)
        assert "thaw" not in tree.calls


def test_the_timeouts_reach_the_handle():
    seen = []

    class Timed(Tree):
        def freeze(self, timeout_s):
            seen.append(timeout_s)
            return super().freeze(timeout_s)

        def kill(self, timeout_s):
            seen.append(timeout_s)
            return super().kill(timeout_s)

    carry_out(Order.PAUSE, R, Timed(fail=("freeze",)), timeouts=Timeouts(freeze_s=0.5, kill_s=0.75))
    assert seen == [0.5, 0.75]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("order", Order)
def test_a_dry_run_touches_nothing(order, state):
    tree, told = Tree(), []
    receipt = carry_out(order, state, tree, notify=told.append, dry_run=True)
    assert (tree.calls, told) == ([], [])
    assert (receipt.outcome, receipt.state) == ("refused", state)
    refused = step_for(order, state) is Step.REFUSE
    assert receipt.detail == "dry run: " + (
        why_refused(order, state) if refused else f"would {step_for(order, state)} the run"
    )


def test_notify_tells_and_a_dead_channel_is_said():
    told = []
    assert carry_out(Order.NOTIFY, R, Tree(), notify=told.append).outcome == "confirmed"
    assert told == ["ann: because"]

    def dead(text):
        raise BrokenPipeError("gone")

    receipt = carry_out(Order.NOTIFY, R, Tree(), notify=dead)
    assert (receipt.outcome, receipt.state) == ("failed", R)
    assert "BrokenPipeError" in receipt.detail
    assert "nobody" in carry_out(Order.NOTIFY, R, Tree()).detail


def test_a_handle_that_cannot_even_name_its_rung_still_gets_a_receipt():
    class Nameless(Tree):
        @property
        def rung(self):
            raise OSError("gone")

    assert carry_out(Order.STOP, R, Nameless()).rung == "unknown"
