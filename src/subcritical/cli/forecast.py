"""`subcritical forecast`."""

from __future__ import annotations

from pathlib import Path

import click

from subcritical.app.forecasting import as_data, is_parameters, loop_ahead, takeoff
from subcritical.cli.output import as_json, errors_end_here, say, show, show_json
from subcritical.errors import InputError
from subcritical.forecast import PRESETS, LoopForecast, ProcessForecast, Takeoff
from subcritical.loop.run_directory import RUNS
from subcritical.report.charts import draw_fan

_MIDDLE = 2


@click.command(name="forecast")
@click.argument("target", required=False, metavar="[RUN|SCORES.csv|PARAMS.yaml]")
@click.option("--preset", "preset", type=click.Choice(list(PRESETS)), help="A published takeoff model.")
@click.option("--sims", type=click.IntRange(1, 100_000_000), default=100_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--ahead", type=click.IntRange(1, 1000), default=10, show_default=True, help="Rounds of a run.")
@click.option("--threshold", type=float, help="A held-out rate of a run: how likely is it crossed?")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Fan chart: .png, .svg or .html.")
@click.option("--runs", type=click.Path(path_type=Path), default=RUNS, show_default=True)
@as_json
@errors_end_here
def forecast_command(
    target: str | None,
    preset: str | None,
    sims: int,
    seed: int,
    ahead: int,
    threshold: float | None,
    plot: Path | None,
    runs: Path,
    as_json: bool,
) -> None:
    r"""Where does it lead? A takeoff model's probabilities, or the next rounds of a run in its own units.

    A run's forecast speaks of that run alone: held-out logits, rounds, its own seconds. It is never turned into
    calendar years of AI progress.

    SCORES.csv is a table as `measure` reads it: counts, or scores with cumulative work.

    \b
    Example: subcritical forecast --preset davidson-houlden-2025 --sims 1000000 --plot fan.svg
             subcritical forecast latest --threshold 0.9
    """
    if preset is None and target is not None and not is_parameters(target):
        loop = loop_ahead(target, runs=runs, ahead=ahead, threshold=threshold, seed=seed)
        if as_json:
            show_json(as_data(loop))
        elif isinstance(loop, ProcessForecast):
            _process_text(loop)
        else:
            _loop_text(loop)
        if plot is not None:
            say(f"chart: {_loop_chart(loop, plot)}")
        return
    _, found = takeoff(target, preset, sims=sims, seed=seed)
    show_json(as_data(found)) if as_json else _takeoff_text(found)
    if plot is not None:
        say(f"chart: {_takeoff_chart(found, plot)}")


def _takeoff_text(found: Takeoff) -> None:
    show(f"{found.sims} simulations, seed {found.seed}; intervals are of the simulation, not of the model being right")
    for one in (*found.compressions, *found.outcomes):
        show(f"  {one.name}: {one.share:.1%} [{one.low:.1%}, {one.high:.1%}]")
    show("what decides it (share of the first line in the lowest and the highest third of each quantity):")
    for effect in found.effects:
        show(f"  {effect.quantity}: {effect.lowest_third:.1%} -> {effect.highest_third:.1%}")
    rising = "" if found.rising_doublings is None else f", there for {found.rising_doublings:.0f} doublings (median)"
    show(f"the pace rises only while r is above 1: at the start in {found.rising:.1%} of the draws{rising}")


def _loop_text(loop: LoopForecast) -> None:
    if loop.why:
        show(f"cannot tell: {loop.why}")
        return
    show(f"{loop.rounds} rounds of held-out counts; level now {loop.now:.3f} logits")
    for index in sorted({0, len(loop.ahead) // 2, len(loop.ahead) - 1}):
        row = [quantiles[index] for quantiles in loop.logits]
        show(f"  {loop.ahead[index]} rounds ahead: {row[_MIDDLE]:.3f} logits, 90 % [{row[0]:.3f}, {row[-1]:.3f}]")
    if loop.crossing is not None:
        show(f"  a rate above {loop.threshold} within {loop.ahead[-1]} rounds: probability {loop.crossing:.3f}")
        if loop.first_likely:
            seconds = loop.seconds_per_round
            own = f", about {loop.first_likely * seconds:.3g} s of this run's time" if seconds else ""
            show(f"  more likely than not from round {loop.first_likely} ahead on{own}")
    for test in loop.back_tests:
        if test.coverage is not None and test.interval is not None:
            show(
                f"  back-test, {test.horizon} ahead: the 90 % interval held {test.covered} of {test.origins} scores "
                f"({test.coverage:.0%}, 95 % [{test.interval.low:.2f}, {test.interval.high:.2f}])"
            )


def _takeoff_chart(found: Takeoff, target: Path) -> Path:
    return draw_fan(
        target,
        found.fan.months,
        found.fan.doublings,
        found.fan.levels,
        title="Software progress after research is automated, by the model",
        labels=("months after the start", "doublings of software efficiency"),
    )


def _process_text(found: ProcessForecast) -> None:
    interval = f"[{found.r_low:.3f}, {found.r_high:.3f}]"
    show(f"{found.points} points; r {found.r:.3f} doublings per doubling of work, 95 % {interval}")
    show(f"  r is above 1 in {found.r_above_one:.1%} of the draws: there, efficiency fed back would speed itself up")
    for index in sorted({0, len(found.work) // 2, len(found.work) - 1}):
        row = [quantiles[index] for quantiles in found.doublings]
        show(f"  at work {found.work[index]:.5g}: {row[_MIDDLE]:.3f} doublings, 90 % [{row[0]:.3f}, {row[-1]:.3f}]")


def _loop_chart(loop: LoopForecast | ProcessForecast, target: Path) -> Path:
    if isinstance(loop, ProcessForecast):
        title, axes = "Efficiency of this loop, next steps of work", ("cumulative work", "log2 efficiency, doublings")
        return draw_fan(target, loop.work, loop.doublings, loop.levels, title=title, labels=axes)
    if not loop.logits:
        raise InputError(f"nothing to draw: {loop.why}")
    return draw_fan(
        target,
        loop.ahead,
        loop.logits,
        loop.levels,
        title="Held-out level of this run, next rounds",
        labels=("rounds ahead", "held-out level, logits"),
    )
