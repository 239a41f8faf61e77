"""The step of one draw, compiled by numba where it is installed. The numpy form says what it means."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError

Floats = NDArray[np.float64]
Whole = Callable[..., tuple[NDArray[np.bool_], Floats, Floats, NDArray[np.int64]]]


def has_numba() -> bool:
    """Whether the extra `fast` is installed."""
    return importlib.util.find_spec("numba") is not None


def compiled_draws(wanted: bool | None) -> Whole | None:
    """The compiled form, or None where numpy does it.

    Raises:
        InputError: It is wanted and numba is missing.
    """
    if wanted is False:
        return None
    if not has_numba():
        if wanted:
            raise InputError("numba is not installed; `pip install 'subcritical[fast]'`, or leave it to numpy")
        return None
    return _compile()


@functools.cache
def _compile() -> Whole:
    import numba  # noqa: PLC0415 - an optional extra, and slow to import

    whole: Whole = numba.njit(_draws)
    return whole


def _draws(
    speed_up: Any,
    returns: Any,
    parallelisation: Any,
    ceiling: Any,
    doubling_months: float,
    horizon: float,
    retraining: int,
    constant: bool,
    ramp_start: float,
    ramp_months: float,
    ramp_pace: float,
    needed: Any,
    windows: Any,
    kept: Any,
) -> Any:
    n = returns.size
    hits = np.zeros((n, needed.size), dtype=np.bool_)
    rise, months, doublings = np.ones(n), np.zeros(n), np.zeros(n, dtype=np.int64)
    times = np.zeros(int(np.ceil(ceiling.max())) + 1)
    for i in range(n):
        f, r, p, top = speed_up[i], returns[i], parallelisation[i], ceiling[i]
        step = doubling_months / (ramp_pace if ramp_months > 0 else f)
        first = quickest = step
        fall = 0.0 if constant else r / top
        boost, now = 1.0 + ramp_start, 0.0
        done = 0
        while now < horizon and done < top and r > 0:
            now += step
            done += 1
            times[done] = now
            quickest = min(quickest, step)
            for j in range(needed.size):
                if done >= needed[j] and now - times[done - needed[j]] < windows[j]:
                    hits[i, j] = True
            r -= fall
            if r > 0:
                slow = p * (1.0 / r - 1.0)
                if retraining == 1:
                    slow /= abs(slow + 1.0)
                elif retraining == 2:  # noqa: PLR2004 - the third variant of three
                    slow /= abs(slow) + 1.0
                step *= 2.0**slow
                if ramp_months > 0:
                    ramped = 1.0 + ramp_start * (f / ramp_start) ** min(1.0, now / ramp_months)
                    step *= boost / ramped
                    boost = ramped
        rise[i], months[i], doublings[i] = first / quickest, now, done
        if i < kept.shape[0]:
            kept[i, : done + 1] = times[: done + 1]
    return hits, rise, months, doublings
