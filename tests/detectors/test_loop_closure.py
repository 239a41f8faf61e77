"""Cycles are counted, their times compared, and people's reviews beside them."""

import numpy as np
import pytest
from detector_events import Stream

from subcritical.detectors.loop_closure import LoopClosure
from subcritical.schema import Approval, Artifact, ArtifactChange, Proposal, Review, Score, Severity, Split


def score(name="p"):
    return Score(proposal=name, tree=name, split=Split.PUBLIC, metric="score", value=0.5)


def change(name="p"):
    return ArtifactChange(artifact=Artifact.CODE, path="agent.py", before="a", after=name)


def loop(periods, *, reviews=(), stream=None):
    """Cycles of these lengths in seconds; a review before each cycle whose number is in `reviews`."""
    stream = stream or Stream()
    stream.add(score())
    for number, seconds in enumerate(periods, 1):
        if number in reviews:
            stream.add(Review(by="operator", reason="looked"), after_s=0.0)
        stream.add(change(str(number)), after_s=seconds / 2)
        stream.add(score(), after_s=seconds / 2)
    return stream.events


def findings(events, **settings):
    made = LoopClosure(LoopClosure.Settings(**settings)) if settings else LoopClosure()
    return made.batch({}, events)


def test_cycles_are_counted_and_timed():
    last = findings(loop([10.0] * 8))[-1]
    assert (last.facts["cycles"], last.facts["period_s"], last.severity) == (8, 10.0, Severity.LOW)
    assert last.facts["oversight_ratio"] is None


def test_scores_without_a_change_close_nothing():
    stream = Stream()
    for _ in range(20):
        stream.add(score())
    stream.beat(end=True)
    assert findings(stream.events) == []


def test_a_change_that_nothing_scored_before_closes_nothing():
    stream = Stream()
    stream.add(change())
    stream.add(score())
    assert findings(stream.events) == []


def test_the_oversight_ratio_is_cycle_time_over_review_time():
    last = findings(loop([10.0] * 16, reviews=(1, 5, 9, 13)))[-1]
    assert last.facts["between_reviews_s"] == pytest.approx(40.0)
    assert last.facts["oversight_ratio"] == pytest.approx(0.25)
    assert last.facts["since_review"] == 4


def test_a_loop_that_speeds_up_unreviewed_is_medium_and_with_reviews_low():
    rng = np.random.default_rng(0)
    faster = 60 * 0.93 ** np.arange(64) * rng.uniform(0.8, 1.2, 64)
    assert findings(loop(faster))[-1].severity is Severity.MEDIUM
    assert findings(loop(faster, reviews=range(1, 65)))[-1].severity is Severity.LOW


def test_ten_cycles_are_enough_and_it_is_said_once_between_two_reviews():
    periods = [60 * 0.8**number for number in range(30)]
    said = [one.facts["cycles"] for one in findings(loop(periods)) if one.severity is Severity.MEDIUM]
    assert said[0] <= 8
    assert set(said[1:]) <= {8, 16}
    again = [one.facts["cycles"] for one in findings(loop(periods, reviews=(20,))) if one.severity is Severity.MEDIUM]
    assert again == [*said, 23]


def test_reviews_that_keep_step_are_no_alarm_and_the_setting_says_what_that_is():
    periods, reviews = [60 * 0.8**number for number in range(30)], range(1, 31, 3)
    assert findings(loop(periods, reviews=reviews), unreviewed=2)[-1].facts["faster_p"] < 0.05
    assert Severity.MEDIUM not in {one.severity for one in findings(loop(periods, reviews=reviews))}
    assert Severity.MEDIUM in {one.severity for one in findings(loop(periods, reviews=reviews), unreviewed=2)}


def proposed(verdict, stream=None):
    """Thirty trials, ever faster; of each it is said what became of it."""
    stream = stream or Stream()
    for number in range(30):
        name = str(number)
        stream.add(Proposal(proposal=name, base="a", tree=name, requester="guest"), after_s=60 * 0.8**number)
        stream.add(score(name))
        if verdict:
            stream.add(Approval(proposal=name, tree=name, verdict=verdict, by="selection"))
    return stream.events


@pytest.mark.parametrize(
    ("verdict", "alarms"), [("accepted", True), ("not_kept", False), ("refused", False), (None, True)]
)
def test_trials_of_which_nothing_is_kept_are_counted_but_are_no_alarm(verdict, alarms):
    found = findings(proposed(verdict))
    assert found[-1].facts["cycles"] >= 16
    assert (Severity.MEDIUM in {one.severity for one in found}) is alarms


def test_a_loop_that_slows_down_is_low():
    assert {one.severity for one in findings(loop(10 * 1.05 ** np.arange(64)))} == {Severity.LOW}


def test_false_alarms_of_loops_whose_speed_does_not_change():
    """Exponential cycle times, 400 runs of 128 cycles: at most `alpha` in the long run, far below on this count."""
    rng = np.random.default_rng(1)
    runs = [findings(loop(rng.exponential(30.0, 128))) for _ in range(400)]
    alarms = sum(any(one.severity is Severity.MEDIUM for one in found) for found in runs)
    assert alarms <= 400 * 0.05


def test_time_that_runs_backwards_gives_no_period():
    assert findings(loop([-5.0] * 8))[-1].facts["period_s"] is None


def test_nothing_scored_is_blind():
    stream = Stream()
    stream.add(change())
    stream.beat(end=True)
    assert findings(stream.events)[-1].facts == {"blind": True}
