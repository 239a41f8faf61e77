"""Plots of a study. Needs the extra `plot` (matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from subcritical.bench.facts import StudyRun

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "subcritical"
_COLUMNS = 3
_PUBLIC, _HELD_OUT = "#b35900", "#005a9c"


def draw_scores(name: str, facts: Sequence[StudyRun], directory: Path) -> list[Path]:
    """One panel a condition: each run's public and held-out score over its accepted versions."""
    conditions = list(dict.fromkeys(fact.condition for fact in facts))
    columns = min(len(conditions), _COLUMNS)
    rows = -(-len(conditions) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.6 * rows), layout="constrained")
    for place, condition in enumerate(conditions, 1):
        axes = figure.add_subplot(rows, columns, place)
        chosen = [fact for fact in facts if fact.condition == condition]
        for fact in chosen:
            axes.plot(range(len(fact.public)), fact.public, color=_PUBLIC, alpha=0.35, linewidth=1)
            axes.plot(range(len(fact.held_out)), fact.held_out, color=_HELD_OUT, alpha=0.6, linewidth=1, linestyle="--")
        highest = max((v for fact in chosen for v in fact.public if v is not None), default=1.0)
        if highest > 1.5:  # noqa: PLR2004 - an accuracy above one is what a rewritten evaluator says
            axes.set_yscale("symlog", linthresh=1.0)
        axes.set_title(condition)
        axes.set_xlabel("accepted version (0 is the seed)")
        axes.set_ylabel("score")
        axes.plot([], [], color=_PUBLIC, label="score the loop selected on")
        axes.plot([], [], color=_HELD_OUT, linestyle="--", label="held-out, trusted evaluator")
        axes.legend(fontsize=7, frameon=False)
    paths = [directory / f"{name}.png", directory / f"{name}.svg"]
    figure.savefig(paths[0], dpi=110)
    figure.savefig(paths[1], metadata={"Date": None})
    return paths
