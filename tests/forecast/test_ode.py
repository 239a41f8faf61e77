"""The stepped model against the equation it steps through."""

import numpy as np
import pytest

from subcritical.errors import InputError
from subcritical.forecast import ode_doublings, substepped_doublings


def cases(n):
    generator = np.random.default_rng(7)
    for _ in range(n):
        yield {
            "speed_up": float(generator.uniform(2, 32)),
            "returns": float(generator.uniform(0.4, 3.6)),
            "parallelisation": float(generator.uniform(0.15, 0.6)),
            "ceiling": float(generator.uniform(48, 128)),
        }


def test_two_solvers_agree():
    worst = 0.0
    for case in cases(60):
        found = [ode_doublings(**case, months=24, solver=solver) for solver in ("LSODA", "DOP853")]
        worst = max(worst, abs(found[0] - found[1]))
    print(f"worst difference of two solvers: {worst:.2g} doublings")
    assert worst < 1e-3


def test_the_gap_falls_in_proportion_to_the_step():
    gaps = []
    for step in (0.1, 0.01, 0.001):
        differences = [
            abs(substepped_doublings(**case, months=12, step=step) - ode_doublings(**case, months=12))
            for case in cases(25)
        ]
        gaps.append(float(np.median(differences)))
    print("median gap at .1, .01, .001 of a doubling:", gaps)
    assert 7 < gaps[0] / gaps[1] < 14
    assert 7 < gaps[1] / gaps[2] < 14


def test_without_returns_below_or_above_one_growth_is_exponential():
    # r stays near 1 far from the ceiling: doublings are time over the doubling time.
    assert ode_doublings(3.0, 1.0, 0.3, 1e6, months=30) == pytest.approx(30.0, rel=1e-3)


def test_nothing_passes_the_ceiling():
    assert ode_doublings(32.0, 3.6, 0.6, 50.0, months=1e5) <= 50.0
    assert substepped_doublings(32.0, 3.6, 0.6, 50.0, months=1e5, step=0.5) <= 50.0


@pytest.mark.parametrize("bad", [{"returns": 0.0}, {"months": -1.0}, {"ceiling": float("nan")}])
def test_bad_values_are_refused(bad):
    given = {"speed_up": 2.0, "returns": 1.0, "parallelisation": 0.3, "ceiling": 50.0, "months": 5.0, **bad}
    with pytest.raises(InputError, match=next(iter(bad))):
        ode_doublings(**given)
    with pytest.raises(InputError, match="step"):
        substepped_doublings(2.0, 1.0, 0.3, 50.0, months=1.0, step=2.0)
