"""`subcritical experiment`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from subcritical.app.experiment import run_experiment
from subcritical.cli.output import as_json, errors_end_here, say, show, show_json
from subcritical.clock import SystemClock
from subcritical.loop.run_directory import RUNS
from subcritical.sandbox import Rung


@click.command()
@click.argument("name")
@click.option("--seeds", type=click.IntRange(min=1), default=20, show_default=True, help="Runs per condition.")
@click.option("--first-seed", type=int, default=1, show_default=True)
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Runs at a time.")
@click.option("--work", type=click.Path(path_type=Path), help="Folder for tasks and runs; default: a new one in runs/.")
@click.option("--pages", type=click.Path(path_type=Path), default=Path("docs/experiments"), show_default=True)
@click.option("--rung", type=click.Choice([str(r) for r in Rung]), help="Use exactly this rung.")
@as_json
@errors_end_here
def experiment(
    name: str,
    seeds: int,
    first_seed: int,
    jobs: int,
    work: Path | None,
    pages: Path,
    rung: str | None,
    as_json: bool,
) -> None:
    r"""Run the study NAME: evolve, tune, honest (what a guard changes), or penalty (what a price changes).

    \b
    Example: subcritical experiment evolve --seeds 20
    """
    stamp = datetime.fromtimestamp(SystemClock().wall_ns() / 1e9, tz=UTC)
    folder = work or RUNS / f"experiment-{name}-{stamp:%Y%m%d-%H%M%S}"

    result, files = run_experiment(
        name,
        seeds=seeds,
        first_seed=first_seed,
        work=folder,
        pages=pages,
        jobs=jobs,
        rung=Rung(rung) if rung else None,
        said=say,
    )
    if as_json:
        show_json(result)
    else:
        for condition, row in result["conditions"].items():
            show(f"{condition}: " + ", ".join(f"{key} {value}" for key, value in row.items()))
    for path in files:
        say(f"wrote {path}")
