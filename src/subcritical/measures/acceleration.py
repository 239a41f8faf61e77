"""Has progress sped up: the ratio of two slopes, with the p value the ratio alone does not have."""

from __future__ import annotations

from subcritical.errors import InputError
from subcritical.measures._score import cannot, check_level
from subcritical.measures.history import History
from subcritical.schema import Measurement
from subcritical.stats import hinge, sequential_hinge

THRESHOLD = 3.43
"""About 5 % false alarms in three years of 17 to 33 models a year (docs/measures/acceleration.md)."""


def acceleration(history: History, *, coverage: float = 0.95, draws: int = 1000, seed: int = 1) -> Measurement:
    """Slope after the best break over slope before it.

    Args:
        history: At least eight different times; only where steady progress is a straight line on its scale.
        coverage: Of the ratio's interval, in (0, 1).
        draws: Bootstrap draws of sup-F.
        seed: Of the bootstrap.

    Returns:
        `acceleration`, a factor with Fieller's interval *given the break*, which was chosen for being best: only
        the sup-F p value in `why` says whether there is a break at all. None with the reason where it cannot be
        measured or the slope before may be zero.
    """
    check_level(coverage)
    method = f"hinge at the best break, Fieller given the break; sup-F by parametric bootstrap, {draws} draws"
    columns = history.columns()
    n = columns.t.size
    try:
        found = hinge(columns.t, columns.y, draws=draws, seed=seed, level=coverage)
    except InputError as error:
        return cannot("acceleration", str(error), unit="factor", method=method, level=coverage, n=n)
    test = f"sup-F {found.statistic:.1f}, p {found.p:.3g}, break at {found.at:.4g} {history.per}s"
    if found.ratio is None or found.interval is None:
        why = f"the slope before the break may be zero; {test}"
        return cannot("acceleration", why, unit="factor", method=method, level=coverage, n=n)
    return Measurement(
        name="acceleration",
        estimate=found.ratio,
        low=found.interval.low,
        high=found.interval.high,
        level=coverage,
        unit="factor",
        method=method,
        n=n,
        why=test,
    )


def speed_up(history: History, since: float) -> Measurement:
    """Largest z of a change of slope after a time, looked at anew with every point: when could it have been said?

    Args:
        history: At least eight different times up to `since`, and three points after it.
        since: Breaks are looked for after it, in the history's unit of time.

    Returns:
        `speed_up`, the largest z so far; `why` says when it first passed the threshold. None with the reason where it
        cannot be measured.
    """
    method = "sequential hinge likelihood ratio, eight breaks, noise from before"
    columns = history.columns()
    n = columns.t.size
    try:
        looks = sequential_hinge(columns.t, columns.y, since)
    except InputError as error:
        return cannot("speed_up", str(error), unit="z", method=method, level=0.95, n=n)
    if not looks.size:
        why = f"fewer than three points after {since:g}"
        return cannot("speed_up", why, unit="z", method=method, level=0.95, n=n)
    passed = (looks > THRESHOLD).nonzero()[0]
    first = "" if not passed.size else f"; first at {columns.t[n - looks.size + passed[0]]:.4g} {history.per}s"
    said = f"{'above' if passed.size else 'never above'} {THRESHOLD:g} in {looks.size} looks since {since:g}{first}"
    top = float(looks.max())
    return Measurement(
        name="speed_up", estimate=top, low=None, high=None, level=0.95, unit="z", method=method, n=n, why=said
    )
