"""The chart of what happened when: findings by severity, actions, versions, reviews."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from subcritical.report._figures import time_unit, version_name
from subcritical.report._markup import Markup, element, joined
from subcritical.report._plot import (
    WIDTH,
    Scale,
    cross,
    diamond,
    dot,
    drawing,
    label,
    square,
    ticks,
    triangle,
    x_axis,
)
from subcritical.report.story import Story, pauses
from subcritical.schema import Severity, visible

_LEFT, _RIGHT, _LANE, _TOP = 150.0, WIDTH - 18.0, 27.0, 22.0
_MARKS_MAX = 400

Shape = Callable[[float, float, float, str, str], Markup]

SHAPES: dict[Severity, Shape] = {
    Severity.CRITICAL: diamond,
    Severity.HIGH: triangle,
    Severity.MEDIUM: square,
    Severity.LOW: dot,
    Severity.INFO: cross,
}


class _Lane(NamedTuple):
    name: str
    kind: str
    shape: Shape
    marks: list[tuple[int, str]]


def timeline(story: Story) -> Markup:
    """Lanes over time since the first record; spans in which nothing ran are shaded."""
    seconds = max((story.end_ns - story.start_ns) / 1e9, 1e-3)
    unit, per_unit = time_unit(seconds)
    lanes = [*_findings(story), _versions(story), _actions(story), _reviews(story)]
    across = Scale(0.0, seconds / per_unit * 1.01, _LEFT, _RIGHT)
    bottom = _TOP + _LANE * len(lanes)

    def at(time_ns: int) -> float:
        return across.at((time_ns - story.start_ns) / 1e9 / per_unit)

    spans = [(at(start), at(end)) for start, end in pauses(story.receipts, story.end_ns)]
    shaded = [
        element(
            "rect",
            element("title", "paused or stopped"),
            x=x1,
            y=_TOP - 8,
            width=max(1.5, x2 - x1),
            height=bottom - _TOP + 8,
            class_="halted",
        )
        for x1, x2 in spans[:_MARKS_MAX]
    ]
    halted = [label(spans[0][0] + 3, _TOP - 11, "paused or stopped", kind="note")] if spans else []
    picture = drawing(
        *shaded,
        *halted,
        *(_draw(lane, _TOP + _LANE * index + _LANE / 2, at) for index, lane in enumerate(lanes)),
        x_axis(across, bottom, ticks(0.0, across.high, 8), f"time since the start of the run ({unit})"),
        height=bottom + 46,
        describes="Findings, versions, actions and reviews over time. The tables below have the same content.",
    )
    return element("figure", picture)


def _draw(lane: _Lane, y: float, at: Callable[[int], float]) -> Markup:
    marks = [lane.shape(at(time_ns), y, 5.0, lane.kind, tip) for time_ns, tip in lane.marks[:_MARKS_MAX]]
    more = len(lane.marks) - _MARKS_MAX
    name = f"{lane.name} ({len(lane.marks)})" + (", thinned" if more > 0 else "")
    return joined(
        element("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="grid"),
        label(_LEFT - 24, y + 4, name, anchor="end"),
        lane.shape(_LEFT - 12, y, 5.0, lane.kind, ""),
        *marks,
    )


def _findings(story: Story) -> list[_Lane]:
    lanes = []
    for severity in sorted(Severity, key=lambda severity: -severity.rank):
        marks = [
            (finding.time_ns, f"{finding.id}: {visible(finding.title, 120)}")
            for finding in story.findings
            if finding.severity is severity
        ]
        if marks or severity in {Severity.CRITICAL, Severity.HIGH}:
            lanes.append(_Lane(severity.value, f"mark {severity.value}", SHAPES[severity], marks))
    return lanes


def _versions(story: Story) -> _Lane:
    marks = [(version.time_ns, version_name(version)) for version in story.versions if version.time_ns]
    return _Lane("accepted", "mark accepted", square, marks)


def _actions(story: Story) -> _Lane:
    marks = [
        (receipt.time_ns, f"{receipt.order.value}: {receipt.outcome}, {receipt.state.value}")
        for receipt in story.receipts
    ]
    return _Lane("actions", "mark action", diamond, marks)


def _reviews(story: Story) -> _Lane:
    marks = [(event.time_ns, f"reviewed by {visible(review.by, 80)}") for event, review in story.reviews]
    return _Lane("reviews", "mark review", dot, marks)
