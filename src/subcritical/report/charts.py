"""Charts of histories and forecasts as PNG, SVG or HTML. Needs the extra `plot` (matplotlib)."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from subcritical.errors import InputError
from subcritical.schema import visible

SUFFIXES = (".png", ".svg", ".html")
_INK, _LINE = "#1b1f24", "#005a9c"
_DPI = 120


def draw_fan(
    target: Path,
    x: Sequence[float],
    bands: Sequence[Sequence[float]],
    levels: Sequence[float],
    *,
    title: str,
    labels: tuple[str, str],
    mark: tuple[float, str] | None = None,
) -> Path:
    """A fan chart.

    Args:
        target: File to write; `.png`, `.svg` or `.html`.
        x: Shape (points,).
        bands: One row for each of `levels`, each of shape (points,), from the lowest level up; the middle row is
            drawn as a line, the others as bands around it.
        levels: Quantile levels in (0, 1), odd in number.
        title: Above the chart.
        labels: Of the two axes, with units.
        mark: A horizontal line and its name.

    Raises:
        InputError: Another suffix, matplotlib is missing, or the file cannot be written.
    """
    figure, axes = _figure(target)
    middle = len(levels) // 2
    for inner in range(middle):
        low, high = bands[inner], bands[len(levels) - 1 - inner]
        share = levels[len(levels) - 1 - inner] - levels[inner]
        name = f"{share:.0%} of draws"
        axes.fill_between(x, low, high, color=_LINE, alpha=0.18 + 0.12 * inner, linewidth=0, label=name)
    axes.plot(x, bands[middle], color=_LINE, linewidth=2, label="median")
    if mark is not None:
        axes.axhline(mark[0], color="#b3192b", linestyle="--", linewidth=1.2, label=visible(mark[1], 60))
    return _finish(figure, axes, target, title, labels)


def draw_history(
    target: Path,
    series: Sequence[tuple[str, Sequence[float], Sequence[float], Sequence[float] | None]],
    *,
    title: str,
    labels: tuple[str, str],
) -> Path:
    """Points of histories with their standard errors: name, x, y and errors (None where unknown).

    Raises:
        InputError: See `draw_fan`.
    """
    figure, axes = _figure(target)
    for name, x, y, errors in series:
        axes.errorbar(
            x, y, yerr=errors, fmt="o", markersize=4, linewidth=1, capsize=2, alpha=0.85, label=visible(name, 60)
        )
    return _finish(figure, axes, target, title, labels)


def _figure(target: Path) -> tuple[Any, Any]:
    if target.suffix not in SUFFIXES:
        raise InputError(f"{target}: a chart is one of {', '.join(SUFFIXES)}; give the file that ending")
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an optional extra
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise InputError("charts need matplotlib; `pip install 'subcritical[plot]'`") from error
    mpl.rcParams["svg.hashsalt"] = "subcritical"
    figure = Figure(figsize=(8.0, 4.6), layout="constrained")
    return figure, figure.add_subplot()


def _finish(figure: Any, axes: Any, target: Path, title: str, labels: tuple[str, str]) -> Path:
    axes.set_title(visible(title, 120), color=_INK, loc="left", fontsize=11)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    try:
        if target.suffix == ".html":
            _write_page(figure, target, title)
        else:
            figure.savefig(target, dpi=_DPI, **({"metadata": {"Date": None}} if target.suffix == ".svg" else {}))
    except OSError as error:
        raise InputError(f"{target}: {error.strerror or error}; name a file that can be written") from error
    return target


def _write_page(figure: Any, target: Path, title: str) -> None:
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    svg = drawn.getvalue()
    name = html.escape(visible(title, 120))
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>{svg[svg.index("<svg") :]}</html>\n'
    )
    target.write_text(page, encoding="utf-8")
