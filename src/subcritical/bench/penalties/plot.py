"""The trade-off as a picture. Needs the extra `plot` (matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from subcritical.bench.penalties.table import CAPABILITY, Row

mpl.use("Agg")
_CAPABILITY, _UNAUTHORISED = "#005a9c", "#b35900"


def draw(table: Sequence[Row], path: Path) -> Path:
    """One panel a scale: fixed weights as curves, tuned ones (random misses) as diamonds at their last weight."""
    scales = sorted({row.scale for row in table})
    figure = Figure(figsize=(4.4 * len(scales), 3.8), layout="constrained")
    for place, scale in enumerate(scales, 1):
        axes = figure.add_subplot(1, len(scales), place)
        fixed = [row for row in table if row.scale == scale and row.arm.startswith("fixed")]
        tuned = [row for row in table if row.scale == scale and row.arm.startswith("tuned") and "%" in row.arm]
        for colour, field, words in (
            (_CAPABILITY, "capability", "held-out capability, share of `impossible`"),
            (_UNAUTHORISED, "deliberate", "share of starts with the unauthorised change"),
        ):
            axes.plot([r.weight for r in fixed], [getattr(r, field) for r in fixed], "o-", color=colour, label=words)
            axes.plot([r.weight for r in tuned], [getattr(r, field) for r in tuned], "D", color=colour, mec="black")
        axes.axhline(CAPABILITY, color="#cccccc", linewidth=1)
        axes.axhline(1 - CAPABILITY, color="#cccccc", linewidth=1)
        axes.set_xscale("log")
        axes.set_title(f"task rewards times {scale:g}")
        axes.set_xlabel("weight (circles fixed, diamonds tuned)")
        axes.set_ylim(-0.05, 1.1)
        if place == 1:
            axes.legend(fontsize=7, frameon=False, loc="center right")
    figure.savefig(path, dpi=110)
    return path
