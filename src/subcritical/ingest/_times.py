"""Times as sources write them, to nanoseconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, datetime

_SECONDS_MAX = 1e11
"""A number of seconds is below this until the year 5138; above it, milliseconds are meant, and so on."""
_LAST_NS = 1 << 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_ns(value: object) -> int:
    """ISO 8601 text, or a number of seconds, milliseconds, microseconds or nanoseconds; 0 where it is neither.

    Text without an offset is taken as UTC.
    """
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            return 0
        since = (read if read.tzinfo else read.replace(tzinfo=UTC)) - _EPOCH
        return _bounded((since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000)
    if value is None or isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LAST_NS:
        return 0
    for scale in (10**9, 10**6, 10**3, 1):
        if value < _SECONDS_MAX * 10**9 / scale:
            return _bounded(value * scale)
    return 0


def _bounded(nanoseconds: float) -> int:
    return int(nanoseconds) if 0 <= nanoseconds < _LAST_NS else 0
