"""`subcritical bench`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from subcritical.app.benching import bench_detectors, bench_pairs, pairs_data, write_page
from subcritical.app.scanning import summary
from subcritical.bench.labels import Quality, Rate
from subcritical.bench.pairs import Score
from subcritical.cli.output import as_json, errors_end_here, say, show, show_json
from subcritical.cli.scan import pattern
from subcritical.schema import Severity, visible
from subcritical.stats import Interval


@click.group()
def bench() -> None:
    """How often the detectors are right: on your labels, and on pairs."""


@bench.command(name="detectors")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="The folder that sources lie below.")
@click.option("--labels", "labels_file", type=click.Path(path_type=Path), required=True, help="JSON Lines of labels.")
@click.option("--at", type=click.Choice([str(s) for s in Severity]), default="medium", show_default=True)
@click.option("--artifact", "artifacts", multiple=True, metavar="PATTERN=CLASS", help="What a path of a history is.")
@click.option("--explained-by", "trailers", multiple=True, metavar="TRAILER", help="A commit trailer that explains.")
@as_json
@errors_end_here
def detectors_command(
    data: Path, labels_file: Path, at: str, artifacts: tuple[str, ...], trailers: tuple[str, ...], as_json: bool
) -> None:
    r"""Measure the detectors on data of your own: recall, precision, false alarms, with 95 % intervals.

    A label is one line: {"source": "runs/a.jsonl", "unit": "file", "technique": "RSI-T0300", "label": true}
    where `unit` is file, run, the name of a system or a commit. Only findings of severity --at and above count.

    \b
    Example: subcritical bench detectors --data traces/ --labels labels.jsonl
    """
    patterns = [pattern(text) for text in artifacts]
    found = bench_detectors(data, labels_file, at=Severity(at), artifacts=patterns, trailers=trailers)
    if as_json:
        show_json(
            {
                "labels": found.labels,
                "sources": found.sources,
                "unread": found.unread,
                "blind": len(found.scan.blind),
                "quality": msgspec.to_builtins(found.quality),
            }
        )
    else:
        for one in found.quality:
            _quality(one)
    say(f"{found.labels} labels on {found.sources} sources; {summary(found.scan)}")
    for name in found.unread:
        say(visible(f"nothing was read in {name}: what is labelled there counts as not found", 400))
    sys.exit(4 if found.unread else 0)


def _quality(one: Quality) -> None:
    show(visible(f"{one.technique} {one.detector} ({one.sources} sources)", 400))
    show(f"    recall {_rate(one.recall)}, precision {_rate(one.precision)}")
    show(f"    false alarms {_rate(one.false_alarms)}, of which could pause {_rate(one.pauses)}")
    if one.change.n:
        show(f"    change named as labelled {_rate(one.change)}")
    for what, units in (("missed", one.missed), ("wrong", one.alarmed)):
        for unit in units:
            show(visible(f"    {what}: {unit}", 400))


def _rate(rate: Rate) -> str:
    if rate.share is None or rate.interval is None:
        return f"{rate.count}/{rate.n}"
    return f"{rate.count}/{rate.n} = {rate.share:.2f} {_interval(rate.interval)}"


def _interval(interval: Interval) -> str:
    return f"[{interval.low:.3f}, {interval.high:.3f}]"


@bench.command(name="pairs")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--page", type=click.Path(path_type=Path, dir_okay=False), help="Write the table there, as Markdown.")
@as_json
@errors_end_here
def pairs_command(folder: Path, page: Path | None, as_json: bool) -> None:
    """Measure the detectors on minimal pairs (FAMILY.DETECTOR.jsonl), beside plain words on the same transcripts."""
    scores = bench_pairs(folder)
    if page is not None:
        write_page(scores, page)
    if as_json:
        show_json(pairs_data(scores))
        return
    for one in scores:
        _score(one)


def _score(one: Score) -> None:
    low = f"recall {one.recall}/{one.n} {_interval(one.recall_95)}"
    alarms = f"false alarms {one.false_alarms}/{one.n} {_interval(one.false_alarms_95)}"
    show(f"{one.family} {one.detector}: {low}, {alarms}")
    words = f"recall {one.words_recall}/{one.n}, false alarms {one.words_false_alarms}/{one.n}"
    verdict = "better than words" if one.beats else "NOT shown to be better than words"
    show(f"    words: {words}; pairs told apart by one alone: {one.better} to {one.worse}, p {one.p:.2g}: {verdict}")
