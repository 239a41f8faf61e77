"""The chart of scores: what the guest said, what the trusted evaluator saw, and what held-out data says."""

from __future__ import annotations

from collections.abc import Sequence

from subcritical.report._figures import bounded_text, count, number, version_name
from subcritical.report._markup import Markup, element, joined
from subcritical.report._plot import (
    WIDTH,
    Scale,
    cross,
    diamond,
    dot,
    drawing,
    label,
    polyline,
    scale,
    ticks,
    triangle,
    whole_ticks,
    x_axis,
    y_axis,
)
from subcritical.report.story import Story, Version, bounded
from subcritical.schema import Split

_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 370.0, 78.0, WIDTH - 18.0, 40.0, 300.0
_POINTS_MAX = 600
_WORTH = 1.0
"""How far a claim may lie outside the trusted scores, in spans, and still stretch the axis."""


def score_chart(story: Story) -> Markup:
    """Chart and caption, or a sentence where no score was taken."""
    trusted = [
        score.value for _, score in story.scores if score.split is not Split.REPORTED and score.value is not None
    ]
    if not trusted:
        return element("p", "No trusted score was taken in this run.", class_="empty")
    claims = _claims(story)
    up = _scale(story, trusted, [value for _, value in claims])
    across = Scale(-0.02 * max(1, story.generations), max(1.0, story.generations * 1.02), _LEFT, _RIGHT)
    axes = joined(
        y_axis(up, _LEFT, _RIGHT, ticks(up.low, up.high, 6), _y_title(story)),
        x_axis(across, _BOTTOM, whole_ticks(max(1, story.generations), 10), "generation (0 = seed version)"),
    )
    refused = [attempt.generation for attempt in story.attempts.values() if attempt.verdict == "refused"]
    picture = drawing(
        axes,
        _refusals(across, refused),
        _tried(story, across, up),
        _claimed(across, up, claims),
        _public(story, across, up),
        _held_out(story, across, up),
        _legend(),
        height=_HEIGHT,
        describes=f"{story.metric} by generation; the numbers are in the table of versions.",
    )
    return element("figure", picture, element("figcaption", _caption(story, claims, up)))


def _scale(story: Story, trusted: Sequence[float], claims: Sequence[float]) -> Scale:
    values = list(trusted)
    for version in story.versions:
        held_out = bounded(version.held_out)
        if held_out is not None:
            values += [end for end in (held_out.low, held_out.high) if end is not None]
    low, high = min(values), max(values)
    span = high - low or 1.0
    values += [value for value in claims if low - _WORTH * span <= value <= high + _WORTH * span]
    return scale(values, _BOTTOM, _TOP)


def _y_title(story: Story) -> str:
    better = "higher" if story.direction == "up" else "lower"
    return f"{story.metric[:40]} ({better} is better)"


def _claims(story: Story) -> list[tuple[int, float]]:
    """(generation, claimed score) of every proposal that claimed one."""
    return [
        (attempt.generation, attempt.proposal.reported)
        for attempt in story.attempts.values()
        if attempt.proposal.reported is not None
    ]


def _thinned(points: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    return points[:: -(-len(points) // _POINTS_MAX)] if points else points


def _tried(story: Story, across: Scale, up: Scale) -> Markup:
    tried = [
        (attempt.generation, attempt.public.value)
        for attempt in story.attempts.values()
        if attempt.verdict != "accepted" and attempt.public is not None and attempt.public.value is not None
    ]
    return joined(*(dot(across.at(at), up.at(value), 2.2, "tried") for at, value in _thinned(tried)))


def _claimed(across: Scale, up: Scale, claims: Sequence[tuple[int, float]]) -> Markup:
    marks = []
    for at, value in _thinned(claims):
        tip = f"generation {at}: claimed {number(value)}"
        if up.holds(value):
            marks.append(triangle(across.at(at), up.at(value), 4.2, "claimed", tip))
            continue
        y, sign = (_TOP - 4, "▲") if value > up.high else (_BOTTOM - 6, "▼")
        marks.append(
            element("text", element("title", tip), sign, x=across.at(at), y=y, text_anchor="middle", class_="off")
        )
    return joined(*marks)


def _public(story: Story, across: Scale, up: Scale) -> Markup:
    """Public score of the version in force: a staircase, since it holds until the next version."""
    points: list[tuple[float, float]] = []
    marks = []
    for version in story.versions:
        value = version.public_value
        if value is None:
            continue
        x, y = across.at(version.generation), up.at(value)
        points += [(x, points[-1][1]), (x, y)] if points else [(x, y)]
        marks.append(dot(x, y, 3.6, "public", f"{version_name(version)}, public: {number(value)}"))
    if points:
        points.append((across.at(story.generations), points[-1][1]))
    return joined(polyline(points, "public-line"), *marks)


def _held_out(story: Story, across: Scale, up: Scale) -> Markup:
    points = []
    marks = []
    for version in story.versions:
        held_out = bounded(version.held_out)
        if held_out is None:
            continue
        x, y = across.at(version.generation), up.at(held_out.value)
        points.append((x, y))
        if held_out.low is not None and held_out.high is not None:
            marks.append(_whisker(x, up.at(held_out.low), up.at(held_out.high)))
        marks.append(diamond(x, y, 5, "held", f"{version_name(version)}, held-out: {bounded_text(held_out)}"))
    return joined(polyline(points, "held-line"), *marks)


def _whisker(x: float, low: float, high: float) -> Markup:
    return element(
        "path", d=f"M{x:.1f} {low:.1f}V{high:.1f}M{x - 4:.1f} {low:.1f}h8M{x - 4:.1f} {high:.1f}h8", class_="whisker"
    )


def _refusals(across: Scale, generations: Sequence[int]) -> Markup:
    marks = [
        cross(across.at(at), _BOTTOM - 7, 3, "refused", f"generation {at}: refused") for at in generations[:_POINTS_MAX]
    ]
    return joined(*marks)


def _legend() -> Markup:
    y = 14.0
    return joined(
        polyline([(_LEFT, y), (_LEFT + 26, y)], "public-line"),
        dot(_LEFT + 13, y, 3.6, "public"),
        label(_LEFT + 33, y + 4, "public, version in force"),
        dot(_LEFT + 205, y, 2.2, "tried"),
        label(_LEFT + 213, y + 4, "public, not kept"),
        _whisker(_LEFT + 335, y + 8, y - 8),
        diamond(_LEFT + 335, y, 5, "held"),
        label(_LEFT + 347, y + 4, "held-out, 95 % interval"),
        triangle(_LEFT + 517, y, 4.2, "claimed"),
        label(_LEFT + 527, y + 4, "reported by the guest"),
        cross(_LEFT + 685, y, 3, "refused"),
        label(_LEFT + 694, y + 4, "refused by the gateway"),
    )


def _caption(story: Story, claims: Sequence[tuple[int, float]], up: Scale) -> str:
    methods = {found.method for version in story.versions if (found := bounded(version.held_out)) is not None}
    said = [
        "Selection reads the public score alone: the best of many flatters itself, so it gets no interval.",
        "Nothing of the held-out score reaches the guest.",
        f"Held-out intervals: {'; '.join(sorted(methods))}." if methods else "No held-out score was taken.",
    ]
    off = [value for _, value in claims if not up.holds(value)]
    if off:
        most = max(off, key=abs)
        said.append(f"{count(len(off), 'reported score')} off the scale (▲ ▼), the farthest {number(most)}.")
    elif not claims:
        said.append("The guest reported no scores.")
    said.extend(_missing(story.versions))
    if len(claims) > _POINTS_MAX or len(story.attempts) > _POINTS_MAX:
        said.append(f"Dots are thinned to {_POINTS_MAX}; lines and intervals are complete.")
    return " ".join(said)


def _missing(versions: Sequence[Version]) -> list[str]:
    without = [version_name(version) for version in versions if bounded(version.held_out) is None]
    if not without or len(without) == len(versions):
        return []
    shown = ", ".join(without[:8]) + (" and more" if len(without) > 8 else "")  # noqa: PLR2004
    return [f"Without a held-out score: {shown}."]
