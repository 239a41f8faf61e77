"""`measure`: every measure of growth that a history or a run allows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from subcritical.app.histories import RunHistory, read_run, read_table
from subcritical.app.jumps import Jump, jumps
from subcritical.errors import InputError
from subcritical.loop.run_directory import RunDirectory
from subcritical.measures import (
    History,
    Remeasured,
    Scale,
    acceleration,
    average_doubling_time,
    average_velocity,
    doubling_time,
    level,
    oversight_ratio,
    remeasured,
    returns,
    speed_up,
    time_to_threshold,
    velocity,
)
from subcritical.schema import Measurement

DRAWS = 1000


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One history and what could be said about it; 'cannot tell' is among it, with its reason."""

    history: History
    measures: tuple[Measurement, ...]
    jumps: tuple[Jump, ...] = ()
    remeasured: tuple[Remeasured, ...] = ()


def measure(
    target: str,
    *,
    runs: Path,
    scale: Scale | None,
    threshold: float | None,
    log_time: bool = False,
    since: float | None = None,
) -> tuple[Measured, ...]:
    """Measure a table of scores, or a run.

    Args:
        target: A CSV file, a run's directory or name, or `latest`.
        runs: Where runs lie.
        scale: The scale wanted, or None for logit of counts and raw of everything else.
        threshold: A score whose first crossing is asked for, in the table's own unit.
        log_time: Jumps are looked for over the logarithm of time.
        since: A time since when a speed-up is looked for, with every point anew; None: not asked.

    Raises:
        InputError: The target or a row of it is unusable.
    """
    path = Path(target)
    if path.is_file():
        return tuple(
            Measured(
                history=one,
                measures=tuple(_measures(one, threshold, since)),
                jumps=jumps(one, log_time=log_time),
                remeasured=remeasured(one),
            )
            for one in read_table(path, scale=scale)
        )
    run = read_run(RunDirectory.find(target, runs))
    history = msgspec.structs.replace(run.history, scale=scale)
    found = (*_measures(history, threshold, since), *_of_run(run))
    return (Measured(history=history, measures=found, jumps=jumps(history)),)


def _measures(history: History, threshold: float | None, since: float | None) -> Iterator[Measurement]:
    yield level(history)
    yield velocity(history)
    yield average_velocity(history)
    yield doubling_time(history)
    yield average_doubling_time(history)
    yield acceleration(history, draws=DRAWS)
    if since is not None:
        yield speed_up(history, since)
    yield returns(history)
    if threshold is not None:
        yield time_to_threshold(history, _on_scale(history, threshold))


def _on_scale(history: History, threshold: float) -> float:
    """A threshold in the table's unit, on the history's scale with better upwards."""
    if history.chosen == "raw":
        value = threshold
    elif history.chosen == "log2":
        if threshold <= 0:
            raise InputError(f"--threshold {threshold:g} has no log2; give a positive score")
        value = math.log2(threshold)
    elif history.chosen == "elo":
        value = threshold * math.log(10) / 400
    else:
        if not 0 < threshold < 1:
            raise InputError(f"--threshold {threshold:g} has no logit; give a rate between 0 and 1")
        value = math.log(threshold / (1 - threshold))
    return value if history.direction == "up" else -value


def _of_run(run: RunHistory) -> Iterator[Measurement]:
    yield oversight_ratio(run.cycles, run.reviews)
    yield from run.measured


def as_data(found: Sequence[Measured]) -> dict[str, Any]:
    """One JSON object: `measures` by name where there is one history, and every history under `series`."""
    series = [
        {
            "system": one.history.system,
            "metric": one.history.metric,
            "points": len(one.history.points),
            "scale": one.history.chosen,
            "measures": {m.name: measure_data(m) for m in one.measures},
            "jumps": [msgspec.to_builtins(jump) for jump in one.jumps],
            "changes_of_measurement": [msgspec.to_builtins(change) for change in one.remeasured],
        }
        for one in found
    ]
    return {"measures": series[0]["measures"] if len(series) == 1 else {}, "series": series}


def measure_data(one: Measurement) -> dict[str, Any]:
    """What a reader needs of a measurement."""
    return {
        "estimate": one.estimate,
        "low": one.low,
        "high": one.high,
        "level": one.level,
        "unit": one.unit,
        "method": one.method,
        "n": one.n,
        "why": one.why or None,
    }
