"""Numbers and times as a reader wants them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from subcritical.report.story import Bounded, Version

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
_MINUTES, _HOURS, _DAYS = 120.0, 7_200.0, 172_800.0


def number(value: float | None, digits: int = 4) -> str:
    """A number with `digits` significant digits, or a dash."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value:.{digits}g}".replace("-", MINUS)


def percent(share: float) -> str:
    """A share of one in whole percent."""
    return f"{share * 100:.0f} %"


def interval(low: float | None, high: float | None) -> str:
    """Both ends; an open end is written as infinite."""
    left = "(" + MINUS + "∞" if low is None else "[" + number(low)
    right = "∞)" if high is None else number(high) + "]"
    return f"{left}, {right}"


def bounded_text(score: Bounded | None) -> str:
    """A score with its interval in words."""
    if score is None:
        return NONE
    if score.low is None and score.high is None:
        return f"{number(score.value)} (no interval)"
    return f"{number(score.value)} {interval(score.low, score.high)}"


def milliseconds(value: float | None) -> str:
    """A latency, or that it was not reached."""
    return "not reached" if value is None else f"{value:.1f} ms" if value < 1_000 else f"{value / 1_000:.2f} s"  # noqa: PLR2004


def moment(time_ns: int) -> str:
    """Absolute UTC time to the second."""
    return f"{datetime.fromtimestamp(time_ns / 1e9, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """A span of time in its natural unit."""
    if seconds < _MINUTES:
        return f"{seconds:.1f} s"
    if seconds < _HOURS:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3_600:.1f} h" if seconds < _DAYS else f"{seconds / 86_400:.1f} d"


def time_unit(seconds: float) -> tuple[str, float]:
    """Unit for an axis of this length, and its seconds."""
    if seconds < _MINUTES:
        return "s", 1.0
    if seconds < _HOURS:
        return "min", 60.0
    return ("h", 3_600.0) if seconds < _DAYS else ("days", 86_400.0)


def short(digest: str) -> str:
    """The first digits of a digest."""
    return digest.removeprefix("sha256:")[:10]


def version_name(version: Version) -> str:
    """`seed` or `v3`."""
    return "seed" if version.number == 0 else f"v{version.number}"


def count(amount: int, noun: str, plural: str = "") -> str:
    """`1 finding`, `2 findings`."""
    return f"{amount:,} {noun if amount == 1 else plural or noun + 's'}"
