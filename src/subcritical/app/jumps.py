"""Sudden rises of a history: the likelihood ratio where the noise is known, a prediction test where it is not."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from subcritical.detectors import load_detectors
from subcritical.measures import History, rebased
from subcritical.schema import Event, Finding, Score, Split
from subcritical.stats import THRESHOLD_PAIR, ahead_of_line

DETECTOR = "score_jump"
ROUNDS_MIN = 11
ALPHA = 0.025
"""Of one prediction test: about one false alarm in forty points."""

_LIKELIHOOD = "likelihood ratio over a straight trend, 60 rounds and all"
_PREDICTION = "one-sided prediction test against a line through the last points"


class Jump(msgspec.Struct, frozen=True, kw_only=True):
    """A rise that was said at a time, and since when it is thought to hold.

    `statistic` is the likelihood ratio's (against `threshold`), or a p value (below `threshold`); `size` is in the
    history's unit where it was estimated. `run_length` is about how many points pass until a false alarm; `delay` the
    mean number of points until a jump of 0.6 logits at 100 items is said, where that was measured; `cause` what the
    history says of that version: with one it is explained.
    """

    time: float
    since: float
    version: str
    statistic: float
    threshold: float
    size: float | None
    method: str
    run_length: float
    delay: float | None
    cause: str = ""


def jumps(history: History, *, log_time: bool = False) -> tuple[Jump, ...]:
    """Rises of a history, in order, each at the first point that shows it.

    A change of measurement is no rise: what lies before one is brought over first (`rebased`).

    Args:
        history: Any; with noise known at least 11 points, otherwise at least 7.
        log_time: The prediction test's line is straight over the logarithm of time (all times > 0).
    """
    history = rebased(history)
    columns = history.columns()
    if columns.se is not None and columns.t.size >= ROUNDS_MIN and not log_time:
        return tuple(_likelihood(history))
    return tuple(_prediction(history, log_time=log_time))


def _likelihood(history: History) -> Iterator[Jump]:
    columns = history.columns()
    detector = next(one for one in load_detectors({}) if one.id == DETECTOR)
    events = [_event(history, index) for index in range(columns.t.size)]
    for finding in detector.batch({}, events):
        if finding.facts.get("blind"):
            continue
        yield _said(history, finding)


def _event(history: History, index: int) -> Event:
    """A point as the detector reads it; a count stays a count, anything else is its value on the scale."""
    point, columns = history.points[index], history.columns()
    counted = history.counted
    score = Score(
        proposal=f"p{index}",
        tree=f"t{index}",
        split=Split.HELD_OUT,
        metric=history.metric[:100],
        value=float(point.successes or 0) / float(point.n or 1) if counted else float(columns.y[index]),
        n=int(point.n or 0) if counted else None,
        successes=int(point.successes or 0) if counted else None,
        se=None if counted or columns.se is None else float(columns.se[index]),
        direction=history.direction if counted else "up",
    )
    return Event(seq=index + 1, time_ns=index + 1, run="history", producer="measure", generation=index, data=score)


def _said(history: History, finding: Finding) -> Jump:
    last, first = finding.evidence[0].last_seq - 1, finding.evidence[0].first_seq - 1
    return Jump(
        time=history.points[last].time,
        since=history.points[first].time,
        version=history.points[last].version,
        cause=history.points[last].cause,
        statistic=float(finding.facts["statistic"] or 0.0),
        threshold=THRESHOLD_PAIR,
        size=float(finding.facts["size"] or 0.0),
        method=_LIKELIHOOD,
        run_length=float(finding.facts["run_length"] or 0.0),
        delay=float(finding.facts["delay_at_0.6"] or 0.0),
    )


def _prediction(history: History, *, log_time: bool) -> Iterator[Jump]:
    columns = history.columns().by_time()
    if log_time and not (columns.t > 0).all():
        return
    p = ahead_of_line(np.log(columns.t) if log_time else columns.t, columns.y)
    points = {point.time: point for point in history.points}
    for index in np.flatnonzero(p < ALPHA):
        time = float(columns.t[index])
        yield Jump(
            time=time,
            since=time,
            version=points[time].version,
            cause=points[time].cause,
            statistic=float(p[index]),
            threshold=ALPHA,
            size=None,
            method=_PREDICTION,
            run_length=1 / ALPHA,
            delay=None,
        )
