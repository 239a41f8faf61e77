"""`forecast`: a takeoff model from a file or a preset, or a run's own next rounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from subcritical.app.histories import read_run
from subcritical.errors import InputError
from subcritical.forecast import LoopForecast, Takeoff, TakeoffModel, forecast_loop, forecast_takeoff, preset
from subcritical.loop.run_directory import RunDirectory
from subcritical.loop.yaml_source import read

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


def loop_ahead(target: str, *, runs: Path, ahead: int, threshold: float | None) -> LoopForecast:
    """The next rounds of a run, in its own units.

    Raises:
        InputError: No such run, or it has no held-out counts.
    """
    run = read_run(RunDirectory.find(target, runs))
    if not run.history.counted:
        raise InputError("the run's held-out scores are not counts; `subcritical measure` reads scores with errors")
    sign = run.history.direction == "up"
    pairs = [(float(p.successes or 0), float(p.n or 0)) for p in run.history.points]
    return forecast_loop(
        [k if sign else n - k for k, n in pairs],
        [n for _, n in pairs],
        ahead=ahead,
        threshold=threshold,
        seconds_per_round=run.seconds_per_round,
    )


def is_parameters(target: str | None) -> bool:
    """Whether a target is a file of parameters (and not a run)."""
    return target is not None and Path(target).suffix in SUFFIXES


def as_data(found: Takeoff | LoopForecast) -> dict[str, Any]:
    """For JSON."""
    data: dict[str, Any] = msgspec.to_builtins(found)
    return data
