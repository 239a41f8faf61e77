import importlib
from collections import Counter

import pytest
from sim_world import simulate

STEPS = 120


def simulate_all(path, seeds, steps, *, faults=True):
    seen = Counter()
    for seed in seeds:
        seen.update(simulate(path / str(seed), seed, steps, faults=faults))
    return seen


@pytest.mark.parametrize("faults", [False, True])
def test_what_must_hold_holds_whatever_happens(tmp_path, faults):
    seen = simulate_all(tmp_path, range(40), STEPS, faults=faults)
    print(dict(seen))
    # A simulation that never gets anywhere proves nothing.
    assert min(seen["paused"], seen["killed"], seen["resumed"]) > 50
    if faults:
        assert min(seen["uncontained"], seen["full"], seen["restarts"]) > 20


def test_one_seed_is_one_story(tmp_path):
    assert simulate(tmp_path / "a", 5, 300) == simulate(tmp_path / "b", 5, 300)


@pytest.mark.sim
@pytest.mark.timeout(1800)
def test_what_must_hold_holds_over_many_seeds(tmp_path):
    print(dict(simulate_all(tmp_path, range(1000, 2500), 200)))


act = importlib.import_module("subcritical.actuators.act")
recorder = importlib.import_module("subcritical.pipeline.recorder")


def trust_the_handle(monkeypatch):
    """A pause is called a pause without its proof."""

    def escalate(handle, timeouts, why, first):
        return act._Result(outcome="confirmed", state=act.RunState.PAUSED, report=first)

    monkeypatch.setattr(act, "_escalate", escalate)


def swallow_crashes(monkeypatch):
    monkeypatch.setattr("subcritical.pipeline.detection.Detection.crashed", lambda *_: [])


def resume_without_findings(monkeypatch):
    monkeypatch.setattr("subcritical.pipeline.orders._unnamed", lambda *_: "")


def resume_unrecorded(monkeypatch):
    monkeypatch.setattr("subcritical.pipeline.pipeline.loosens", lambda *_: False)


def go_on_without_a_journal(monkeypatch):
    monkeypatch.setattr("subcritical.pipeline.pipeline.Pipeline._journal_failed", lambda *_: None)


def no_silence(monkeypatch):
    monkeypatch.setattr("subcritical.pipeline.judging.Judging.tick", lambda *_, **__: [])


def forget_what_was_left_open(monkeypatch):
    monkeypatch.setattr("subcritical.pipeline.judging.Judging.take_up", lambda *_: ([], []))


def believe_everybody(monkeypatch):
    everybody = frozenset({"loop", "pipeline", "gateway", "guest"})
    monkeypatch.setattr("subcritical.tripwires.latch.TRUSTED_PRODUCERS", everybody)


@pytest.mark.parametrize(
    "plant",
    [
        trust_the_handle,
        swallow_crashes,
        resume_without_findings,
        resume_unrecorded,
        go_on_without_a_journal,
        no_silence,
        forget_what_was_left_open,
        believe_everybody,
    ],
)
def test_planted_each_guard_removed_makes_the_simulation_red(tmp_path, monkeypatch, plant):
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        simulate_all(tmp_path, range(40), STEPS)
