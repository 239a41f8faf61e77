"""`subcritical measure`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from subcritical.app.measuring import Measured, as_data, measure
from subcritical.cli.output import as_json, errors_end_here, say, show, show_json
from subcritical.loop.run_directory import RUNS
from subcritical.measures import Scale
from subcritical.report.charts import draw_history
from subcritical.schema import Measurement, visible


@click.command(name="measure")
@click.argument("target", metavar="FILE|RUN")
@click.option("--scale", type=click.Choice(["raw", "log2", "logit", "elo"]), help="Default: logit of counts, else raw.")
@click.option("--threshold", type=float, help="Also: when is this score first reached?")
@click.option(
    "--since", type=float, metavar="TIME", help="Also: did it speed up after TIME? Every point looked at anew."
)
@click.option("--log-time", is_flag=True, help="Look for jumps over the logarithm of time.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw it: .png, .svg or .html.")
@click.option("--runs", type=click.Path(path_type=Path), default=RUNS, show_default=True)
@as_json
@errors_end_here
def measure_command(
    target: str,
    scale: Scale | None,
    threshold: float | None,
    since: float | None,
    log_time: bool,
    plot: Path | None,
    runs: Path,
    as_json: bool,
) -> None:
    r"""How fast does it improve? Level, velocity, acceleration, doubling time, r, oversight ratio; with intervals.

    FILE is a CSV table with a column time (numbers or dates) or round, and score, or n and successes; optional: se,
    direction (up or down), system, version, metric, work (cumulative input), cause (what explains a jump). RUN is a
    run's name or `latest`.

    \b
    Example: subcritical measure horizons.csv --scale log2 --plot horizons.svg
    """
    found = measure(target, runs=runs, scale=scale, threshold=threshold, log_time=log_time, since=since)
    if as_json:
        show_json(as_data(found))
    else:
        for one in found:
            _table(one)
    if plot is not None:
        say(f"chart: {_draw(found, plot)}")


def _table(one: Measured) -> None:
    name = " ".join(part for part in (one.history.system, one.history.metric) if part)
    show(f"{visible(name, 200)}: {len(one.history.points)} points, scale {one.history.chosen}")
    for measurement in one.measures:
        show(f"  {line(measurement)}")
    for jump in one.jumps:
        size = "" if jump.size is None else f", about {jump.size:.3g} {one.history.unit}"
        name = f" ({visible(jump.version, 100)})" if jump.version else ""
        said = f"; explained: {visible(jump.cause, 200)}" if jump.cause else "; nothing explains it"
        how = f"{jump.method}, {jump.statistic:.3g} against {jump.threshold:g}"
        show(f"  jump at {jump.time:.5g}{name}{size}: {how}{said}")
    if not one.jumps:
        show("  jumps: none found")
    for change in one.remeasured:
        name = visible(change.version, 100)
        show(f"  change of measurement at {change.time:.5g}: {name} was {change.before:.6g}, is {change.after:.6g}")


def line(one: Measurement) -> str:
    """A measurement in one line: estimate, interval, unit, n; or why not."""
    if one.estimate is None:
        return f"{one.name}: cannot tell: {one.why}"
    low = "-inf" if one.low is None else f"{one.low:.4g}"
    high = "inf" if one.high is None else f"{one.high:.4g}"
    why = f"; {one.why}" if one.why else ""
    return visible(
        f"{one.name}: {one.estimate:.4g} {one.unit} [{low}, {high}] at {one.level:.0%}, n {one.n}{why}", 1000
    )


def _draw(found: Sequence[Measured], target: Path) -> Path:
    series = []
    for one in found:
        columns = one.history.columns()
        errors = None if columns.se is None else columns.se.tolist()
        series.append((f"{one.history.system} {one.history.metric}", columns.t.tolist(), columns.y.tolist(), errors))
    first = found[0].history
    return draw_history(
        target, series, title="Improvement history", labels=(f"time, {first.per}s", f"better upwards, {first.unit}")
    )
