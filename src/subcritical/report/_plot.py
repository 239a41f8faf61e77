"""Scales, ticks and axes of charts drawn as SVG by hand: no script, no font of its own, prints as it shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from subcritical.report._figures import number
from subcritical.report._markup import Markup, element, joined

WIDTH = 920.0
_SMALLEST = 1e-290
_HUGE = 1e300
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


class Scale(NamedTuple):
    """A linear map from values to SVG units."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value lies; values outside are put on the edge."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value lies inside."""
        return self.low <= value <= self.high


def scale(values: Sequence[float], start: float, end: float, *, margin: float = 0.08) -> Scale:
    """A scale around `values` with a margin on both sides, as a share of their span."""
    finite = [min(max(value, -_HUGE), _HUGE) for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    span = high - low or abs(high) * 0.1
    if span <= _SMALLEST:
        span = 1.0  # a span this small underflows as soon as it is divided
    return Scale(low - margin * span, high + margin * span, start, end)


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """At most about `wanted` round values in [low, high]."""
    raw = (high - low) / max(1, wanted)
    if not math.isfinite(raw) or raw <= _SMALLEST:
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((factor * power for factor in _STEPS if factor * power >= raw), 10 * power)
    first = math.ceil(low / step)
    return [(first + index) * step for index in range(wanted + 2) if (first + index) * step <= high + step * 1e-9]


def whole_ticks(high: int, wanted: int) -> list[float]:
    """Round whole numbers from 0 to `high`."""
    step = max(1, math.ceil(high / max(1, wanted)))
    nice = next(factor * 10**power for power in range(19) for factor in (1, 2, 5) if factor * 10**power >= step)
    return [float(value) for value in range(0, high + 1, nice)]


def label(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "") -> Markup:
    """A text at a point."""
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=kind or None)


def x_axis(across: Scale, y: float, at: Sequence[float], title: str) -> Markup:
    """Axis below a plot, with ticks and a title that names the unit."""
    marks = [
        joined(
            element("line", x1=across.at(value), x2=across.at(value), y1=y, y2=y + 5, class_="axis"),
            label(across.at(value), y + 18, number(value, 6), anchor="middle"),
        )
        for value in at
    ]
    return joined(
        element("line", x1=across.start, x2=across.end, y1=y, y2=y, class_="axis"),
        *marks,
        label((across.start + across.end) / 2, y + 38, title, anchor="middle", kind="title"),
    )


def y_axis(up: Scale, x: float, right: float, at: Sequence[float], title: str) -> Markup:
    """Axis left of a plot, with grid lines and a title that names the unit."""
    marks = [
        joined(
            element("line", x1=x, x2=right, y1=up.at(value), y2=up.at(value), class_="grid"),
            label(x - 8, up.at(value) + 4, number(value, 6), anchor="end"),
        )
        for value in at
    ]
    middle = (up.start + up.end) / 2
    turned = element(
        "text", title, x=16, y=middle, text_anchor="middle", transform=f"rotate(-90 16 {middle:.0f})", class_="title"
    )
    return joined(*marks, turned)


def drawing(*parts: Markup, height: float, describes: str) -> Markup:
    """The whole picture, with a description for readers who cannot see it."""
    return element(
        "svg", *parts, viewBox=f"0 0 {WIDTH:.0f} {height:.0f}", role="img", aria_label=describes, class_="plot"
    )


def dot(x: float, y: float, radius: float, kind: str, title: str = "") -> Markup:
    """A disc."""
    return element("circle", _tip(title), cx=x, cy=y, r=radius, class_=kind)


def diamond(x: float, y: float, radius: float, kind: str, title: str = "") -> Markup:
    """A square on its corner."""
    return _polygon([(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], kind, title)


def triangle(x: float, y: float, radius: float, kind: str, title: str = "") -> Markup:
    """A triangle that points up."""
    return _polygon([(x, y - radius), (x + radius, y + 0.8 * radius), (x - radius, y + 0.8 * radius)], kind, title)


def square(x: float, y: float, radius: float, kind: str, title: str = "") -> Markup:
    """A square on its side."""
    side = 1.7 * radius
    return element("rect", _tip(title), x=x - side / 2, y=y - side / 2, width=side, height=side, class_=kind)


def cross(x: float, y: float, radius: float, kind: str, title: str = "") -> Markup:
    """A diagonal cross."""
    across = f"l{2 * radius:.1f} {2 * radius:.1f}m0 {-2 * radius:.1f}l{-2 * radius:.1f} {2 * radius:.1f}"
    return element("path", _tip(title), d=f"M{x - radius:.1f} {y - radius:.1f}{across}", class_=kind)


def polyline(points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """A line through points."""
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=kind)


def _polygon(points: Sequence[tuple[float, float]], kind: str, title: str) -> Markup:
    return element("polygon", _tip(title), points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=kind)


def _tip(title: str) -> Markup | None:
    return element("title", title) if title else None
