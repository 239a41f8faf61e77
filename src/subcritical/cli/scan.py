"""`subcritical scan`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from subcritical.app.judge import JudgeSettings, judge
from subcritical.app.scanning import OUTPUTS, Found, Scan, fails, place_data, render, scan, summary
from subcritical.app.triage import triage_outside
from subcritical.cli.output import errors_end_here, say, show
from subcritical.errors import InputError
from subcritical.report import place_text
from subcritical.schema import Artifact, Severity, visible

_BROKEN_SHOWN = 5
_PATH_CHARS = 400


@click.command(name="scan")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--input-format", metavar="F", help="Read only this format; otherwise each is recognised.")
@click.option("--format", "output", type=click.Choice(["table", *OUTPUTS]), default="table", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--fail-on", type=click.Choice([str(s) for s in Severity]), default="high", show_default=True)
@click.option("--artifact", "artifacts", multiple=True, metavar="PATTERN=CLASS", help="What a path of a history is.")
@click.option("--explained-by", "trailers", multiple=True, metavar="TRAILER", help="A commit trailer that explains.")
@click.option("--rules", type=click.Path(path_type=Path), metavar="FOLDER", help="Content rules of your own, too.")
@click.option("--in-full", is_flag=True, help="Show every event to every detector: many times slower on long logs.")
@click.option("--judge", "judge_url", metavar="URL", help="Have an OpenAI-compatible endpoint regrade findings.")
@click.option("--judge-model", metavar="NAME", help="The model to ask; its key is read from SUBCRITICAL_JUDGE_KEY.")
@click.option("--judge-price", type=(float, float), metavar="IN OUT", help="Per million tokens, for the cost printed.")
@click.option("--triage", "marks", type=click.Path(path_type=Path), metavar="FILE", help="Marks of `findings silence`.")
@errors_end_here
def scan_command(
    paths: tuple[Path, ...],
    input_format: str | None,
    output: str,
    fail_on: str,
    artifacts: tuple[str, ...],
    trailers: tuple[str, ...],
    rules: Path | None,
    in_full: bool,
    marks: Path | None,
    judge_url: str | None,
    judge_model: str | None,
    judge_price: tuple[float, float] | None,
    as_json: bool,
) -> None:
    r"""Run the detectors on logs, traces and histories that are on disk already.

    \b
    Example: subcritical scan runs/ --artifact 'prepare.py=evaluator' --explained-by Change-Id
    """
    patterns = [pattern(text) for text in artifacts]
    triage = None if marks is None else triage_outside(marks, paths)
    output = "json" if as_json else output
    with _progress(wanted=output == "table") as progress:
        result = scan(
            paths,
            input_format=input_format,
            artifacts=patterns,
            trailers=trailers,
            rules=rules,
            in_full=in_full,
            progress=progress,
        )
    if judge_url is not None:
        result = _judged(result, judge_url, judge_model, judge_price)
    silenced = frozenset[str]() if triage is None else triage.silenced(found.id for found in result.findings)
    line = summary(result, silenced=silenced)
    if output == "table":
        _table(result, silenced)
        show(line)
    else:
        show(render(result, output, Severity(fail_on)))
        say(line)
    sys.exit(fails(result, Severity(fail_on), silenced=silenced))


class _Events(ProgressColumn):
    """Events read, and how many a second since the beginning: a source that hangs is seen to slow down."""

    def render(self, task: Task) -> Text:
        """Draw it."""
        return Text(f"{task.completed:,.0f} events, {task.completed / (task.elapsed or 1):,.0f}/s")


@contextmanager
def _progress(*, wanted: bool) -> Iterator[Callable[[str, int], None]]:
    """What is being read, on stderr while it is read, if that is a terminal; it is wiped away at the end.

    Names of sources are hostile: they are made visible, and no markup in them is obeyed.
    """
    console = Console(stderr=True)
    bar = Progress(
        BarColumn(bar_width=10),
        _Events(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        console=console,
        transient=True,
        redirect_stdout=False,
        disable=not (wanted and sys.stderr.isatty() and console.is_interactive),
        expand=True,
    )
    read = {"before": 0, "here": 0}
    task = bar.add_task("starting", total=None)

    def progress(source: str, events: int) -> None:
        if not events:  # a source begins: what was read of the last one is done with
            read["before"] += read["here"]
        read["here"] = events
        bar.update(task, description=visible(source, _PATH_CHARS), completed=read["before"] + events)

    with bar:
        yield progress


def _judged(result: Scan, url: str, model: str | None, price: tuple[float, float] | None) -> Scan:
    """Regrade, and say what it cost."""
    if not model:
        raise InputError("--judge needs --judge-model: which model is to be asked?")
    settings = JudgeSettings(
        url=url,
        model=model,
        key=os.environ.get("SUBCRITICAL_JUDGE_KEY", ""),
        price_in=price[0] if price else None,
        price_out=price[1] if price else None,
    )
    judgement = judge(result, settings)
    say(judgement.summary())
    return judgement.scan


def pattern(text: str) -> tuple[str, Artifact]:
    """PATTERN=CLASS as both.

    Raises:
        InputError: It is neither.
    """
    pattern, _, name = text.rpartition("=")
    if not pattern or name not in set(Artifact):
        raise InputError(f"--artifact takes PATTERN=CLASS, not {text!r}; classes: {', '.join(Artifact)}")
    return pattern, Artifact(name)


def _line(text: str) -> None:
    """One line on stdout; what sources say is hostile."""
    show(visible(text, 4000))


def _table(result: Scan, silenced: frozenset[str]) -> None:
    for source in result.sources:
        _line(f"{source.path}: {source.format}, {source.events} events, {source.broken} broken")
        for broken in source.first_broken[:_BROKEN_SHOWN]:
            _line(f"  broken: {place_text(place_data(broken.place))}: {broken.why}")
    for found in sorted(result.findings, key=lambda found: -found.finding.severity.rank):
        if found.id not in silenced:
            _finding(found)
    for blind in result.blind:
        _line(f"blind: {blind.what}: {blind.why}")


def _finding(found: Found) -> None:
    finding = found.finding
    change = f", {finding.change}" if finding.change else ""
    technique = f"{finding.technique}, " if finding.technique else ""
    _line(f"{finding.severity}: {finding.title} [{technique}{finding.detector}{change}]")
    _line(f"    why: {finding.why}")
    for place in found.places:
        _line(f"    see: {place_text(place_data(place))}")
