"""`forecast`: a takeoff model from a file or a preset, or a run's own next rounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from subcritical.app.histories import read_run, read_table
from subcritical.errors import InputError
from subcritical.forecast import (
    LoopForecast,
    ProcessForecast,
    Takeoff,
    TakeoffModel,
    forecast_loop,
    forecast_process,
    forecast_takeoff,
    preset,
)
from subcritical.loop.run_directory import RunDirectory
from subcritical.measures import History
from subcritical.yaml_source import read

SUFFIXES = (".yaml", ".yml")


def takeoff(target: str | None, name: str | None, *, sims: int, seed: int) -> tuple[TakeoffModel, Takeoff]:
    """Run a takeoff model.

    Args:
        target: A YAML file of a `TakeoffModel`, or None.
        name: A preset, or None; exactly one of the two.
        sims: Simulations.
        seed: Of the draws.

    Raises:
        InputError: Not exactly one model, or an unusable one (with file and line where it is a file).
    """
    if (target is None) == (name is None):
        raise InputError("name one thing to forecast: a run, a file of parameters, or --preset NAME")
    model = preset(name) if name is not None else read(Path(str(target))).convert(TakeoffModel)
    return model, forecast_takeoff(model, sims=sims, seed=seed)


def loop_ahead(
    target: str, *, runs: Path, ahead: int, threshold: float | None, seed: int
) -> LoopForecast | ProcessForecast:
    """The next rounds of a run or of a table, in its own units.

    Args:
        target: A run, or a CSV file of one history: counts, or scores with cumulative `work` on the log2 scale.
        runs: Where runs lie.
        ahead: Rounds, or steps of work.
        threshold: A rate whose crossing is asked for; counts only.
        seed: Of the draws.

    Raises:
        InputError: No such run, several histories in one table, or nothing that a forecast can be made from.
    """
    path = Path(target)
    if not path.is_file():
        run = read_run(RunDirectory.find(target, runs))
        return _of_counts(run.history, ahead, threshold, run.seconds_per_round)
    histories = read_table(path, scale=None)
    if len(histories) > 1:
        raise InputError(f"{path}: {len(histories)} histories; a forecast is about one: give one system and metric")
    (history,) = histories
    if history.counted:
        return _of_counts(history, ahead, threshold, None)
    if any(point.work is None for point in history.points):
        raise InputError(f"{path}: a forecast needs counts (n, successes), or cumulative `work` beside each score")
    columns = msgspec.structs.replace(history, scale="log2").columns()
    work = np.array([float(point.work or 0.0) for point in history.points])
    return forecast_process(work, columns.y, ahead=ahead, seed=seed)


def _of_counts(history: History, ahead: int, threshold: float | None, seconds_per_round: float | None) -> LoopForecast:
    if not history.counted:
        raise InputError("the held-out scores are not counts; `subcritical measure` reads scores with errors")
    up = history.direction == "up"
    pairs = [(float(p.successes or 0), float(p.n or 0)) for p in history.points]
    return forecast_loop(
        [k if up else n - k for k, n in pairs],
        [n for _, n in pairs],
        ahead=ahead,
        threshold=threshold,
        seconds_per_round=seconds_per_round,
    )


def is_parameters(target: str | None) -> bool:
    """Whether a target is a file of parameters (and not a run)."""
    return target is not None and Path(target).suffix in SUFFIXES


def as_data(found: Takeoff | LoopForecast | ProcessForecast) -> dict[str, Any]:
    """For JSON."""
    data: dict[str, Any] = msgspec.to_builtins(found)
    return data
