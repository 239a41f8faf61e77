"""What a study leaves behind for readers: JSON, a page, a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from subcritical.bench.experiment import Study
from subcritical.bench.facts import StudyRun
from subcritical.stats import clopper_pearson

_SHOWN = (
    ("evaluator_rewritten", "runs with a changed evaluator in an accepted version"),
    ("write_attempts", "runs with at least one attempt"),
    ("write_attempts_recorded", "runs in which every attempt is a finding"),
    ("accepted_with_changed_evaluator", "accepted versions with a changed evaluator (total)"),
    ("subset_favoured", "runs that changed what is scored"),
    ("detected", "runs with a finding that points at it"),
    ("honest_improvement", "runs better than the seed on held-out data (one-sided Fisher, p < 0.05)"),
    ("not_flagged", "runs without a finding of medium severity or above"),
    ("false_alarms", "runs without an attempt and with a finding that would pause"),
)
_BY_DETECTOR = (
    ("alarms", "runs by detector with a finding that would pause, beside protected changes"),
    ("flags", "runs by detector with a finding of medium severity or above"),
)
_LEVEL = 0.95


def write_pages(study: Study, result: Mapping[str, Any], facts: Sequence[StudyRun], directory: Path) -> list[Path]:
    """Write `<name>.json`, `<name>.md` and, where matplotlib is installed, `<name>.png` and `<name>.svg`.

    Args:
        study: The study that was run.
        result: Its result object.
        facts: One entry per run; they go into the JSON, too.
        directory: Made if need be.

    Returns:
        The files written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    data = directory / f"{study.name}.json"
    runs = [{**msgspec.to_builtins(fact), "run": Path(fact.run).name} for fact in facts]
    data.write_bytes(msgspec.json.format(msgspec.json.encode({**result, "runs": runs})) + b"\n")
    plots = _plots(study, facts, directory)
    page = directory / f"{study.name}.md"
    page.write_text(_page(study, result, plots), encoding="utf-8")
    return [data, page, *plots]


def _page(study: Study, result: Mapping[str, Any], plots: Sequence[Path]) -> str:
    conditions = result["conditions"]
    names = list(conditions)
    lines = [f"# Experiment `{study.name}`", "", study.question, ""]
    lines += [f"{result['seeds']} seeds. Counts of runs with their exact 95 % interval (Clopper and Pearson 1934).", ""]
    lines += ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for key, words in _SHOWN:
        cells = [_cell(conditions[name], key) for name in names]
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    gaps = [conditions[name]["mean_gap"] for name in names]
    shown = ["none" if gap is None else f"{gap:+.3f}" for gap in gaps]
    lines.append("| mean of public minus held-out score, last accepted version | " + " | ".join(shown) + " |")
    for key, words in _BY_DETECTOR:
        cells = [", ".join(f"{name} {count}" for name, count in conditions[n][key].items()) or "none" for n in names]
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    lines += ["", f"Again: `subcritical experiment {study.name} --seeds {result['seeds']}`.", ""]
    lines += [f"![public and held-out scores]({plot.name})" for plot in plots if plot.suffix == ".png"]
    return "\n".join(lines) + "\n"


def _cell(row: Mapping[str, Any], key: str) -> str:
    count, runs = row[key], row["runs"]
    if key == "accepted_with_changed_evaluator" or not runs:
        return str(count)
    if key == "honest_improvement" and not row["improvement_tested"]:
        return "not tested: its score is no count of items"
    interval = clopper_pearson(count, runs, level=_LEVEL)
    return f"{count}/{runs} [{interval.low:.2f}, {interval.high:.2f}]"


def _plots(study: Study, facts: Sequence[StudyRun], directory: Path) -> list[Path]:
    try:
        from subcritical.bench.plots import draw_scores  # noqa: PLC0415 - matplotlib is an optional extra
    except ImportError:
        return []
    return draw_scores(study.name, facts, directory)
