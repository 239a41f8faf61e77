"""One step per doubling, many draws at once: numpy, or the same step compiled where numba is installed."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subcritical.forecast._compiled import compiled_draws
from subcritical.forecast.draws import Draws
from subcritical.forecast.model import TakeoffModel

Floats = NDArray[np.float64]
BLOCK = 4096
"""Draws simulated together: their history stays in the processor's cache."""

RISE_LITTLE, RISE_MUCH = 1.1, 2.0
_RETRAINING = {"none": 0, "program": 1, "paper": 2}


class Outcome(IntEnum):
    """How the pace went: the most it rose above its start, before the ceiling and the horizon.

    Fizzle: by less than a tenth. Explosive: it at least doubled. Exponential: between. The two limits
    are ours. A ramp raises the pace by itself and so counts as a rise.
    """

    FIZZLE = 0
    EXPONENTIAL = 1
    EXPLOSIVE = 2


class Course(NamedTuple):
    """What became of each draw.

    hits: shape (n, compressions), whether each compression happened.
    rise: shape (n,), largest pace over the first pace, >= 1.
    months: shape (n,), when the course ended: horizon, ceiling, or r used up.
    doublings: shape (n,), doublings done by then.
    times: shape (kept, most + 1), month at which each doubling was complete, infinity after the end;
        only for the first `keep` draws.
    """

    hits: NDArray[np.bool_]
    rise: Floats
    months: Floats
    doublings: NDArray[np.int64]
    times: Floats

    def outcomes(self) -> NDArray[np.int64]:
        """`Outcome` of each draw, shape (n,)."""
        return (self.rise >= RISE_LITTLE).astype(np.int64) + (self.rise >= RISE_MUCH)


def simulate(model: TakeoffModel, draws: Draws, *, keep: int = 0, compiled: bool | None = None) -> Course:
    """Run every draw.

    Args:
        model: A checked model.
        draws: Of that model.
        keep: So many draws keep their times (memory: 8 bytes a doubling and draw).
        compiled: True needs numba, False never uses it, None uses it where it is.

    Raises:
        InputError: `compiled` is True and numba is not installed.

    Cost: O(n x doublings). The published step: time passes, one doubling is done, r falls, and the next
    doubling takes 2^(p (1/r - 1)) times as long.
    """
    n = draws.returns.size
    needed = np.array([model.doublings(one) for one in model.compressions], dtype=np.int64)
    windows = np.array([one.months for one in model.compressions], dtype=np.float64)
    most = int(np.ceil(draws.ceiling.max()))
    kept = np.full((min(keep, n), most + 1), np.inf)
    whole = compiled_draws(compiled)
    if whole is not None:
        return Course(*whole(*draws, *_settings(model), needed, windows, kept), kept)
    hits, rise = np.zeros((n, needed.size), dtype=np.bool_), np.ones(n)
    months, doublings = np.zeros(n), np.zeros(n, dtype=np.int64)
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        part = draws.part(rows)
        times = np.full((most + 1, part.returns.size), np.inf)
        rise[rows], months[rows], doublings[rows] = _block(model, part, times)
        hits[rows] = _hits(times, needed, windows)
        space = kept[rows]
        space[:] = times.T[: space.shape[0]]
    return Course(hits, rise, months, doublings, kept)


def _settings(model: TakeoffModel) -> tuple[float, float, int, bool, float, float, float]:
    ramp = model.ramp
    return (
        model.doubling_months,
        model.horizon_months,
        _RETRAINING[model.retraining],
        model.constant_returns,
        ramp.start if ramp else 0.0,
        ramp.months if ramp else 0.0,
        ramp.pace if ramp else 0.0,
    )


def _hits(times: Floats, needed: NDArray[np.int64], windows: Floats) -> NDArray[np.bool_]:
    """Whether any `needed` doublings in a row took less than the window; `times` is (doublings + 1, n)."""
    hits = np.zeros((times.shape[1], needed.size), dtype=np.bool_)
    for index, (count, window) in enumerate(zip(needed, windows, strict=True)):
        if count < times.shape[0]:
            # inf - inf is NaN, which is not below any window: what never happened was not fast.
            with np.errstate(invalid="ignore"):
                hits[:, index] = ((times[count:] - times[:-count]) < window).any(axis=0)
    return hits


def slowing(model: TakeoffModel, p: Floats, r: Floats) -> Floats:
    """log2 of how much longer the next doubling takes than the last; negative where the pace rises."""
    plain = p * (1.0 / r - 1.0)
    if model.retraining == "program":
        return plain / np.abs(plain + 1.0)
    if model.retraining == "paper":
        return plain / (np.abs(plain) + 1.0)
    return plain


def _block(model: TakeoffModel, draws: Draws, times: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Fill `times` (doublings + 1, n) and say rise, end and doublings of each draw."""
    n = draws.returns.size
    months, doublings, quickest = np.zeros(n), np.zeros(n, dtype=np.int64), np.full(n, np.inf)
    at = np.arange(n)
    speed_up, r0, p, ceiling = draws
    step = model.doubling_months / (model.ramp.pace if model.ramp else speed_up)
    step = np.broadcast_to(step, (n,)).copy()
    first = step.copy()
    boost = np.full(n, 1.0 + model.ramp.start) if model.ramp else np.ones(n)
    now, r = np.zeros(n), r0.copy()
    fall = np.zeros(n) if model.constant_returns else r0 / ceiling
    times[0] = 0.0
    for done in range(1, times.shape[0]):
        now = now + step
        times[done, at] = now
        quickest[at] = np.minimum(quickest[at], step)
        r = r - fall
        going = (now < model.horizon_months) & (done < ceiling) & (r > 0)
        ended = at[~going]
        months[ended], doublings[ended] = now[~going], done
        at, now, r, fall, step, boost = at[going], now[going], r[going], fall[going], step[going], boost[going]
        p, ceiling, speed_up = p[going], ceiling[going], speed_up[going]
        if not at.size:
            break
        with np.errstate(over="ignore"):  # a doubling that takes for ever
            step = step * np.exp2(slowing(model, p, r))
        if model.ramp is not None:
            ramped = 1.0 + _ramped(model.ramp.start, model.ramp.months, speed_up, now)
            step, boost = step * (boost / ramped), ramped
    return first / quickest, months, doublings


def _ramped(start: float, months: float, speed_up: Floats, now: Floats) -> Floats:
    """Speed-up at each draw's own time."""
    reached: Floats = start * (speed_up / start) ** np.minimum(1.0, now / months)
    return reached
