"""Improvement histories that people name: a table of scores, or a run of ours."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from subcritical.errors import InputError
from subcritical.ledger import read_journal
from subcritical.loop.run_directory import RunDirectory
from subcritical.measures import History, Point, Scale
from subcritical.schema import Approval, Direction, Event, Measurement, Review, Score, Split

BYTES_MAX = 64 << 20
ROWS_MAX = 100_000
DAYS_A_YEAR = 365.25
COLUMNS = (
    "time",
    "round",
    "score",
    "n",
    "successes",
    "se",
    "direction",
    "system",
    "version",
    "metric",
    "work",
    "cause",
)


class RunHistory(NamedTuple):
    """A run as one history of held-out scores, with what was measured and recorded on the way."""

    history: History
    measured: tuple[Measurement, ...]
    cycles: int
    reviews: int
    seconds_per_round: float | None


def read_table(path: Path, *, scale: Scale | None) -> tuple[History, ...]:
    """Histories of a CSV file, one for each system and metric.

    Args:
        path: Header in the first line; columns `time` (numbers or ISO dates) or `round`, and `score` or `n` with
            `successes`; further columns as in `COLUMNS`, any other is refused.
        scale: The scale wanted, or None.

    Raises:
        InputError: Names file and line, and what to do.
    """
    rows = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    names = [name.strip() for name in rows.fieldnames or []]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or len(set(names)) < len(names):
        name = (unknown or names)[0]
        raise InputError(f"{path}:1: column {name!r} is unknown or given twice; known: {', '.join(COLUMNS)}")
    if not {"time", "round"} & set(names) or not {"score", "n"} & set(names):
        raise InputError(f"{path}:1: give a column `time` or `round`, and `score`, or `n` and `successes`")
    rows.fieldnames = names
    found: dict[tuple[str, str], list[tuple[Point, Direction, bool]]] = {}
    try:
        for row in rows:
            if rows.line_num > ROWS_MAX:
                raise InputError(f"{path}: more than {ROWS_MAX} rows; give fewer")
            where = f"{path}:{rows.line_num}"
            key = (row.get("system") or "", row.get("metric") or "score")
            found.setdefault(key, []).append(_point(row, where))
    except csv.Error as error:
        raise InputError(f"{path}:{rows.line_num}: {error}; save it as plain comma-separated text") from error
    if not found:
        raise InputError(f"{path}: a header and no rows; add one row for each measured version")
    return tuple(_history(path, key, points, scale) for key, points in found.items())


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; name a CSV file, a run directory or `latest`") from error
    if len(data) > BYTES_MAX:
        raise InputError(f"{path}: larger than {BYTES_MAX >> 20} MiB; give fewer rows")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error


def _point(row: Mapping[str, str | None], where: str) -> tuple[Point, Direction, bool]:
    if None in row or any(value is None for value in row.values()):
        raise InputError(f"{where}: not as many fields as the header has columns")
    direction = (row.get("direction") or "up").strip()
    if direction not in ("up", "down"):
        raise InputError(f"{where}: direction {direction!r}; it is `up` (more is better) or `down`")
    text = (row.get("time") or row.get("round") or "").strip()
    time, dated = _time(text, where)
    numbers = {name: _number(row.get(name), name, where) for name in ("score", "n", "successes", "se", "work")}
    if numbers["score"] is None and numbers["successes"] is None:
        raise InputError(f"{where}: neither score nor successes; leave the row out where nothing was measured")
    return (
        Point(time=time, version=(row.get("version") or "")[:200], cause=(row.get("cause") or "")[:500], **numbers),
        ("up" if direction == "up" else "down"),
        dated,
    )


def _time(text: str, where: str) -> tuple[float, bool]:
    """A number, or a date as days since year 1."""
    try:
        value = float(text)
    except ValueError:
        pass
    else:
        if math.isfinite(value):
            return value, False
    try:
        moment = datetime.fromisoformat(text) if "T" in text or " " in text else None
        day = moment.date() if moment else date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{where}: time {text!r} is neither a number nor a date like 2025-03-31") from error
    share = (moment.hour + moment.minute / 60) / 24 if moment else 0.0
    return day.toordinal() + share, True


def _number(text: str | None, name: str, where: str) -> float | None:
    if text is None or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise InputError(f"{where}: {name} {text!r} is no number") from error
    if not math.isfinite(value):
        raise InputError(f"{where}: {name} {text!r} is not finite; leave the row out where nothing was measured")
    return value


def _history(
    path: Path, key: tuple[str, str], points: list[tuple[Point, Direction, bool]], scale: Scale | None
) -> History:
    if len({dated for _, _, dated in points}) > 1:
        raise InputError(f"{path}: times of {key[1]!r} are partly dates and partly numbers; use one kind")
    if len({direction for _, direction, _ in points}) > 1:
        raise InputError(f"{path}: the direction of {key[1]!r} changes between rows; it is one per metric")
    dated = points[0][2]
    ordered = sorted((point for point, _, _ in points), key=lambda point: point.time)
    first = ordered[0].time
    if dated:
        ordered = [msgspec.structs.replace(one, time=(one.time - first) / DAYS_A_YEAR) for one in ordered]
    return History(
        points=tuple(ordered),
        system=key[0],
        metric=key[1],
        direction=points[0][1],
        per="year" if dated else "round",
        scale=scale,
    )


def read_run(run: RunDirectory) -> RunHistory:
    """The held-out scores of a run's seed and accepted versions, one round each.

    Raises:
        InputError: The run has no usable held-out score.
        LedgerError: The journal is broken.
    """
    records = list(read_journal(run.journal))
    events = [record for record in records if isinstance(record, Event)]
    accepted = {e.data.tree for e in events if isinstance(e.data, Approval) and e.data.verdict == "accepted"}
    held_out = [e for e in events if isinstance(e.data, Score) and e.data.split is Split.HELD_OUT]
    kept: dict[str, Event] = {}
    for event in held_out:
        if isinstance(event.data, Score) and (event.data.proposal == "seed" or event.data.tree in accepted):
            kept.setdefault(event.data.tree, event)
    points = tuple(p for p in (_scored(i, e) for i, e in enumerate(kept.values())) if p is not None)
    if not points:
        raise InputError(f"{run.path}: no held-out score; add `evaluate.held_out` to the loop file and run again")
    first = next(e.data for e in held_out if isinstance(e.data, Score))
    times = [event.time_ns / 1e9 for event in kept.values()]
    return RunHistory(
        History(points=points, system=run.run, metric=first.metric, direction=first.direction, per="version"),
        tuple({r.name: r for r in records if isinstance(r, Measurement)}.values()),
        sum(isinstance(e.data, Approval) and e.data.verdict == "accepted" for e in events),
        sum(isinstance(e.data, Review) for e in events),
        median([b - a for a, b in pairwise(times)]) if len(times) > 1 else None,
    )


def _scored(index: int, event: Event) -> Point | None:
    data = event.data
    if not isinstance(data, Score) or data.status != "ok" or data.value is None or not math.isfinite(data.value):
        return None
    return Point(time=float(index), score=data.value, n=data.n, successes=data.successes, se=data.se, version=data.tree)
