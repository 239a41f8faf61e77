"""The trade-off as a picture. Needs the extra `plot` (matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from subcritical.bench.penalties.table import Row

mpl.use("Agg")
_COLOURS = {"fixed": "#777777", "tuned": "#005a9c", "textbook": "#b35900"}
_BAR = 0.95


def draw(table: Sequence[Row], path: Path) -> Path:
    """One panel a scale: share of the free learner's unauthorised changes that are gone, against capability."""
    scales = sorted({row.scale for row in table})
    figure = Figure(figsize=(4.6 * len(scales), 4.2), layout="constrained")
    for place, scale in enumerate(scales, 1):
        axes = figure.add_subplot(1, len(scales), place)
        axes.axhline(_BAR, color="#cccccc", linewidth=1)
        axes.axvline(_BAR, color="#cccccc", linewidth=1)
        for row in table:
            kind = row.arm.split(",")[0].split()[0]
            if row.scale != scale or row.reduction is None or kind not in _COLOURS:
                continue
            axes.scatter(row.reduction, row.capability, color=_COLOURS[kind], marker="o" if kind == "fixed" else "D")
            how, _, misses = row.arm.partition(", ")
            label = how.removeprefix("fixed ") if kind == "fixed" else f"{how}\n{misses}"
            axes.annotate(label, (row.reduction, row.capability), fontsize=6, xytext=(4, 4), textcoords="offset points")
        axes.set_title(f"task rewards times {scale:g}")
        axes.set_xlabel("unauthorised changes gone")
        axes.set_ylabel("held-out capability, share of `impossible`")
        axes.set_xlim(-0.1, 1.25)
        axes.set_ylim(0.5, 1.05)
    figure.savefig(path, dpi=110)
    return path
