"""The continuous returns equation, to check the stepped one: two solvers, and the same steps cut finer.

The stepped form is the equation with a step of one whole doubling. It is the published model; it is not the
equation: the two differ by a few tenths of a doubling, more near a blow-up, and the gap falls in proportion
to the step.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy import integrate

from subcritical.errors import InputError

Solver = Literal["LSODA", "DOP853", "Radau"]
_LEVEL_END = 1e-9
"""As near the ceiling as r stays a number; r = 0 there."""


def _check(speed_up: float, returns: float, parallelisation: float, ceiling: float, months: float) -> None:
    for name, value in (
        ("speed_up", speed_up),
        ("returns", returns),
        ("parallelisation", parallelisation),
        ("ceiling", ceiling),
        ("months", months),
    ):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} is {value}; it must be finite and positive")


def ode_doublings(
    speed_up: float,
    returns: float,
    parallelisation: float,
    ceiling: float,
    *,
    months: float,
    doubling_months: float = 3.0,
    solver: Solver = "LSODA",
) -> float:
    """Doublings done after `months` by the equation.

    Args:
        speed_up: First pace over the recent one, > 0.
        returns: r0 > 0.
        parallelisation: p > 0.
        ceiling: X, doublings to the ceiling, > 0.
        months: Time, > 0.
        doubling_months: Recent doubling time, > 0.
        solver: Of scipy.

    Returns:
        x(months), at most `ceiling`.

    Raises:
        InputError: A value is not positive.

    Solved for time over doublings, dt/dx = 1/v(x), together with log2 v, so that a blow-up in time is no
    blow-up here. Source: Jones 1995; Davidson & Houlden 2025.
    """
    _check(speed_up, returns, parallelisation, ceiling, months)
    start = math.log2(speed_up / doubling_months)

    def slopes(x: float, state: np.ndarray) -> list[float]:
        r = returns * max(1.0 - x / ceiling, _LEVEL_END)
        pace = min(max(state[1], -900.0), 900.0)
        return [2.0**-pace, parallelisation * (1.0 - 1.0 / r)]

    def late(_x: float, state: np.ndarray) -> float:
        return float(state[0]) - months

    late.terminal = True  # type: ignore[attr-defined]
    end = ceiling * (1.0 - _LEVEL_END)
    solved = integrate.solve_ivp(
        slopes, (0.0, end), [0.0, start], method=solver, events=late, rtol=1e-9, atol=1e-10, max_step=ceiling / 64
    )
    return float(solved.t_events[0][0]) if solved.t_events[0].size else float(solved.t[-1])


def substepped_doublings(
    speed_up: float,
    returns: float,
    parallelisation: float,
    ceiling: float,
    *,
    months: float,
    step: float,
    doubling_months: float = 3.0,
) -> float:
    """Doublings done after `months` when each step is `step` of a doubling; within a step the pace is constant.

    Raises:
        InputError: A value is not positive.
    """
    _check(speed_up, returns, parallelisation, ceiling, months)
    if not 0 < step <= 1:
        raise InputError(f"step is {step}; it must lie in (0, 1]")
    took, now, done, r = doubling_months / speed_up, 0.0, 0.0, returns
    while r > 0 and done < ceiling:
        if now + step * took >= months:
            return done + (months - now) / took
        now += step * took
        done += step
        r -= step * returns / ceiling
        if r > 0:
            took *= 2.0 ** (step * parallelisation * (1.0 / r - 1.0))
    return min(done, ceiling)
