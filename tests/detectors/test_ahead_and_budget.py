"""The forecast before a threshold, and the budget between two reviews."""

import pytest
from ahead_study import cell
from detector_events import Stream

from subcritical.detectors.improvement_budget import ImprovementBudget, ImprovementBudgetSettings
from subcritical.detectors.threshold_ahead import ThresholdAhead, ThresholdAheadSettings
from subcritical.schema import Review, Severity, Split
from subcritical.stats import clopper_pearson


def ahead(counts, n=400, *, direction="up", **settings):
    stream = Stream()
    for index, k in enumerate(counts):
        stream.score(f"p{index}", Split.HELD_OUT, k, n, direction=direction)
    stream.beat(end=True)
    return ThresholdAhead(ThresholdAheadSettings(**settings)).batch({}, stream.events)


def loud(findings):
    return [one for one in findings if one.severity.rank >= Severity.HIGH.rank]


def test_a_rise_is_announced_before_it_arrives():
    (first, *_) = loud(ahead(range(100, 380, 8), threshold=0.8))
    assert "likely to be crossed" in first.title
    assert first.facts["rate"] < 0.8
    assert first.severity.may_pause


def test_less_can_be_better():
    rising = loud(ahead(range(100, 380, 8), threshold=0.8))
    falling = loud(ahead([400 - k for k in range(100, 380, 8)], threshold=0.2, direction="down"))
    assert [one.facts["rounds"] for one in rising] == [one.facts["rounds"] for one in falling]


def test_a_crossing_without_warning_is_still_a_finding():
    (first, *_) = loud(ahead([100, 390], threshold=0.8))
    assert "was crossed" in first.title


def test_a_repeat_of_one_version_is_no_round_and_public_scores_are_not_read():
    stream = Stream()
    for _ in range(30):
        stream.score("same", Split.HELD_OUT, 100, 400)
        stream.score("p", Split.PUBLIC, 399, 400)
    stream.beat(end=True)
    (blind,) = ThresholdAhead(ThresholdAheadSettings(threshold=0.8)).batch({}, stream.events)
    assert "1 rounds" in blind.why


@pytest.mark.parametrize("threshold", [None, 0.0, 1.0, -3.0])
def test_without_a_usable_threshold_nobody_asked(threshold):
    assert ahead(range(100, 380, 8), threshold=threshold) == []


IN_TIME, NOT_FALSE = ("constant", "accelerating"), ("flat", "saturating", "sigmoid_far")


@pytest.mark.parametrize("kind", IN_TIME)
def test_steady_and_accelerating_loops_are_announced_in_time(kind):
    assert cell(kind, range(1000, 1040)).in_time >= 0.9


@pytest.mark.parametrize("kind", NOT_FALSE)
def test_loops_that_stop_below_are_left_alone(kind):
    assert cell(kind, range(1000, 1040)).false <= 0.1


@pytest.mark.quality
@pytest.mark.parametrize("kind", [*IN_TIME, *NOT_FALSE, "sigmoid_near", "jump"])
def test_the_whole_study(kind):
    """200 seeds a cell; near sigmoids and jumps are printed as they come out."""
    found, plain = cell(kind, range(200)), cell(kind, range(200), plain=True)
    interval = clopper_pearson(round(200 * (found.false or found.in_time)), 200)
    print(kind, found, f"95 % [{interval.low:.3f}, {interval.high:.3f}]", "level trip alone:", plain)
    if kind in IN_TIME:
        assert found.in_time >= 0.95
    if kind in NOT_FALSE:
        assert found.false <= 0.05


def spend(accepted, *, review_at=(), gains=0, **settings):
    stream = Stream()
    stream.score("seed", Split.HELD_OUT, 100, 400)
    for index in range(accepted):
        stream.approval(f"p{index}", "accepted")
        stream.score(f"p{index}", Split.HELD_OUT, 100 + gains * (index + 1), 400)
        if index + 1 in review_at:
            stream.add(Review(by="ann", reason="looked"))
    return ImprovementBudget(ImprovementBudgetSettings(**settings)).batch({}, stream.events)


def test_accepted_changes_are_counted_from_the_last_review():
    assert loud(spend(3, changes=3)) == []
    assert loud(spend(4, changes=3))[0].facts["changes"] == 4
    assert loud(spend(6, changes=3, review_at=(3,))) == []


def test_the_held_out_gain_is_counted_from_the_last_review():
    assert loud(spend(12, gains=10, gain=0.5))
    assert loud(spend(12, gains=10, gain=0.9, review_at=(6,))) == []
    assert loud(spend(12, gains=0, gain=0.5)) == []


def test_overdrafts_are_said_ever_more_rarely():
    assert len(loud(spend(20, changes=3))) == 6


def test_a_budget_that_nothing_was_spent_on_is_said():
    stream = Stream()
    stream.beat(end=True)
    (only,) = ImprovementBudget(ImprovementBudgetSettings(changes=3)).batch({}, stream.events)
    assert "no accepted change" in only.why
    assert ImprovementBudget().batch({}, stream.events) == []
