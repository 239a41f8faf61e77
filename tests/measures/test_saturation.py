"""Flat and saturated best scores cannot measure; rising ones can."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from subcritical.app.scanning import scan
from subcritical.measures.saturation import BestSoFar

SHARED = Path(os.environ.get("SUBCRITICAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def why(values, direction="up", bounds=(None, None)):
    series = BestSoFar(direction, bounds)
    for value in values:
        series.add(value)
    return series.unmeasurable()


def test_a_best_score_that_never_moves_or_steps_once_shows_no_trend():
    assert "never moved" in why([0.5] * 16)
    assert "took one step" in why([0.2, 1.0, *[0.0] * 20])
    assert not why([0.2, 0.5, 0.7, *[0.0] * 20])


def test_a_best_score_at_its_bound_is_saturated_whatever_it_took_to_get_there():
    rising = [0.2, 0.4, 0.6, 0.8, 1.0]
    assert "stands at its bound 1" in why([*rising, *[0.9] * 20], bounds=(0.0, 1.0))
    assert not why([*rising, *[0.9] * 20])
    assert not why([0.1] * 15 + [0.2, 0.4, 1.0], bounds=(0.0, 1.0))


def test_lower_is_better_where_the_metric_says_so():
    assert "took one step" in why([3.0, 2.0, *[2.5] * 20], direction="down")
    assert "never moved" in why([3.0, *range(4, 30)], direction="down")


def test_few_scores_and_what_is_no_score_say_nothing():
    assert not why([0.5] * 15)
    assert not why([0.5] * 15 + [math.nan, math.inf])


def test_rising_series_are_not_called_flat():
    """2000 series of 40 scores with steps N(.05, .2), seed 0."""
    rng = np.random.default_rng(0)
    assert sum(bool(why(np.cumsum(rng.normal(0.05, 0.2, 40)))) for _ in range(2000)) <= 2000 * 0.05


@pytest.mark.skipif(not SHARED.is_dir(), reason="NOT MEASURED: real data is missing, set SUBCRITICAL_DATA")
@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("openevolve_mast/multi_agent_evolution", "took one step"),
        ("openevolve_mast/metagpt_evolution", "took one step"),
        ("myopenevolve", ""),
    ],
)
def test_real_runs_that_step_once_and_one_that_rises(run, expected):
    said = [blind.why for blind in scan([SHARED / run]).blind if blind.what == "improvement"]
    assert len(said) == bool(expected)
    assert all(expected in why for why in said)
