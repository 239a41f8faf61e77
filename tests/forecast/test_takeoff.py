"""The published tables, and the vectorised forms against a plain loop, draw by draw."""

import math

import numpy as np
import pytest
from plain_takeoff import plain_course

from subcritical.errors import InputError
from subcritical.forecast import (
    PRESETS,
    Compression,
    Ramp,
    Range,
    TakeoffModel,
    draw,
    forecast_takeoff,
    phase_time,
    preset,
    simulate,
)

PUBLISHED = {
    "davidson-houlden-2025": ((56.6, 41.1, 16.7, 12.4, 42.4), 0.3),
    "davidson-houlden-2025-retraining": ((57.4, 41.7, 19.1, 15.1), 0.6),
    "davidson-houlden-2025-gradual": ((59.1, 47.9, 32.2, 24.5), 0.6),
    "davidson-houlden-2025-constant-r": ((64.5, 55.5, 32.6, 27.3), 0.6),
}
"""Shares in percent: the source's authors' program, 20,000 draws; the first row with a million."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_table_is_reproduced(name):
    wanted, within = PUBLISHED[name]
    found = forecast_takeoff(preset(name), sims=1_000_000, seed=1)
    shares = [100 * one.share for one in found.compressions]
    print(name, [round(share, 2) for share in shares])
    for share, target in zip(shares, wanted, strict=False):
        assert abs(share - target) <= within
    assert math.isclose(sum(one.share for one in found.outcomes), 1.0)


def random_model(seed):
    """Parameters that are in no table."""
    generator = np.random.default_rng(seed)

    def between(low, high):
        a, b = sorted(generator.uniform(low, high, 2))
        return Range(float(a), float(b), ("log", "linear")[int(generator.integers(2))])

    return TakeoffModel(
        speed_up=between(1.5, 50),
        returns=between(0.2, 6),
        parallelisation=between(0.05, 0.9),
        ceiling_years=between(2, 25),
        software_share=float(generator.uniform(0.3, 0.9)),
        doubling_months=float(generator.uniform(1, 9)),
        horizon_months=float(generator.uniform(12, 90)),
        retraining=("none", "program", "paper")[int(generator.integers(3))],
        constant_returns=bool(generator.integers(2)),
        ramp=Ramp(months=float(generator.uniform(6, 80))) if generator.integers(2) else None,
        compressions=(
            Compression(float(generator.uniform(1, 4)), float(generator.uniform(3, 15))),
            Compression(float(generator.uniform(2, 9)), float(generator.uniform(3, 15))),
        ),
    ).check()


@pytest.mark.parametrize("compiled", [False, True], ids=["numpy", "numba"])
@pytest.mark.parametrize("seed", range(20))
def test_every_draw_equals_a_plain_loop(seed, compiled):
    if compiled:
        pytest.importorskip("numba")
    model = random_model(seed)
    draws = draw(model, 200, np.random.default_rng(seed))
    course = simulate(model, draws, keep=200, compiled=compiled)
    for index in range(200):
        plain = plain_course(model, *(float(column[index]) for column in draws))
        assert course.doublings[index] == plain.doublings
        assert course.hits[index].tolist() == plain.hits
        assert course.months[index] == pytest.approx(plain.times[-1], rel=1e-9)
        assert course.rise[index] == pytest.approx(plain.rise, rel=1e-9)
        kept = course.times[index][: plain.doublings + 1]
        assert kept.tolist() == pytest.approx(plain.times, rel=1e-9)


def test_more_returns_never_make_a_compression_rarer():
    shares = []
    for low in (0.3, 0.8, 1.5, 3.0):
        model = TakeoffModel(returns=Range(low, low * 1.5))
        shares.append(forecast_takeoff(model, sims=20_000, seed=3).compressions[0].share)
    assert shares == sorted(shares)
    assert shares[0] < 0.05
    assert shares[-1] > 0.9


def test_same_seed_same_answer_and_another_seed_another():
    one, two, other = (forecast_takeoff(TakeoffModel(), sims=5000, seed=seed) for seed in (1, 1, 2))
    assert one == two
    assert one.compressions != other.compressions


def test_the_fan_rises_and_its_levels_do_not_cross():
    fan = np.array(forecast_takeoff(TakeoffModel(), sims=5000, seed=1).fan.doublings)
    assert (np.diff(fan, axis=1) >= 0).all()
    assert (np.diff(fan, axis=0) >= 0).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"software_share": 0.0}, "software_share"),
        ({"software_share": 1.5}, "software_share"),
        ({"returns": Range(2.0, 1.0)}, "low 2 is above high 1"),
        ({"speed_up": Range(-1.0, 1.0)}, "speed_up.low"),
        ({"horizon_months": math.nan}, "horizon_months"),
        ({"ceiling_years": Range(1.0, 9e5, "linear")}, "at most 2000"),
        ({"compressions": (Compression(0.01, 4),)}, "less than one doubling"),
        ({"ramp": Ramp(months=0.0)}, "ramp.months"),
    ],
)
def test_bad_models_are_refused_with_the_place(change, says):
    with pytest.raises(InputError, match=says):
        forecast_takeoff(TakeoffModel(**change), sims=10, seed=1)


def test_bad_calls_are_refused():
    with pytest.raises(InputError, match="no preset"):
        preset("good-1965")
    with pytest.raises(InputError, match="simulations"):
        draw(PRESETS["davidson-houlden-2025"], 0, np.random.default_rng(1))


def test_phase_time_equals_the_stepped_phase():
    gap, v0, v1 = 30.0, 2.0, 17.0
    steps = 200_000
    done = (np.arange(steps) + 0.5) / steps
    stepped = float((gap / steps / (v0 * (v1 / v0) ** done)).sum())
    found = phase_time(np.array([gap, gap]), np.array([v0, 5.0]), np.array([v1, 5.0]))
    assert found[0] == pytest.approx(stepped, rel=1e-6)
    assert found[1] == pytest.approx(gap / 5.0)
    with pytest.raises(InputError, match="positive"):
        phase_time(np.array([1.0]), np.array([0.0]), np.array([1.0]))
