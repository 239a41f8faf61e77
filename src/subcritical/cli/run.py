"""`subcritical run`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from subcritical.app.running import run_system
from subcritical.cli.output import as_json, errors_end_here, say, show, show_json
from subcritical.loop.outcome import Progress as Generation
from subcritical.loop.run_directory import RUNS, RunDirectory
from subcritical.sandbox import Rung, probe
from subcritical.schema import Severity


@click.command()
@click.argument("loop", type=click.Path(path_type=Path), required=False)
@click.option("--resume", metavar="RUN", help="Go on with a run that ended or was cut off.")
@click.option(
    "--runs", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Folder of run directories."
)
@click.option("--allow-rung", type=click.Choice([str(r) for r in Rung]), help="Accept this weaker containment rung.")
@click.option("--rung", type=click.Choice([str(r) for r in Rung]), help="Use exactly this rung.")
@click.option("--seed", type=int, help="Replaces the guest's seed; makes the run's own choices repeat.")
@click.option(
    "--when-paused",
    type=click.Choice(["wait", "end"]),
    help="A tripped run waits for people, or ends (default: wait on a terminal, else end).",
)
@click.option("--fail-on", type=click.Choice([str(s) for s in Severity]), default="high", show_default=True)
@as_json
@errors_end_here
def run(
    loop: Path | None,
    resume: str | None,
    runs: Path,
    allow_rung: str | None,
    rung: str | None,
    seed: int | None,
    when_paused: str | None,
    fail_on: str,
    as_json: bool,
) -> None:
    r"""Run a self-improving system from one LOOP file: contained, measured, stoppable.

    \b
    Example: subcritical run examples/demo/loop.yaml
    """
    shown = _Shown()
    with shown:
        ran = run_system(
            loop,
            runs=runs,
            allow_rung=Rung(allow_rung) if allow_rung else None,
            rung=Rung(rung) if rung else None,
            resume=resume,
            seed=seed,
            wait_when_paused=(when_paused or ("wait" if sys.stderr.isatty() else "end")) == "wait",
            fail_on=Severity(fail_on),
            progress=shown.generation,
            started=shown.started,
        )
    if as_json:
        show_json(ran.summary)
    else:
        show(ran.text)
    say(f"report: {ran.report}")
    sys.exit(ran.exit_code)


_VERDICTS = frozenset({"accepted", "refused", "not_kept"})


class _Shown:
    """A progress bar on a terminal, one plain line a stage elsewhere."""

    def __init__(self) -> None:
        """Nothing is shown before the run starts."""
        self._bar: Progress | None = None
        self._last = 0

    def __enter__(self) -> None:
        """Start the bar where there is a terminal."""
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task("starting", total=None)

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is."""
        if self._bar:
            self._bar.stop()

    def started(self, directory: RunDirectory, rung: Rung) -> None:
        """Say where the run lives, on which rung, and what that rung does not guarantee."""
        say(f"run {directory.run} on rung {rung}; from another terminal: subcritical pause|stop|status {directory.run}")
        for line in probe().not_guaranteed(rung):
            say(f"  not guaranteed on {rung}: {line}")

    def generation(self, done: Generation) -> None:
        """One generation is over."""
        best = "none" if done.public is None else f"{done.public:.4g}"
        line = f"generation {done.generation}: {done.verdict}; {done.accepted} accepted, best public {best}"
        if self._bar:
            self._bar.update(self._task, description=line, completed=done.generation, total=done.of)
        elif done.verdict not in _VERDICTS:
            say(f"{done.verdict} (subcritical proposals list latest --waiting)")
        elif done.verdict == "accepted" or done.generation - self._last >= 10:  # noqa: PLR2004 - one line in ten
            self._last = done.generation
            say(f"{line} ({done.findings} findings)")
