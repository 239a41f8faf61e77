"""The only source of time. Everything else takes a `Clock`, so that tests own time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings in nanoseconds: what the calendar says, and what has passed since boot."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC; may jump."""
        ...

    def boot_ns(self) -> int:
        """Nanoseconds since boot, suspended time included; never jumps."""
        ...


class SystemClock:
    """The clock of this machine."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return time.time_ns()

    def boot_ns(self) -> int:
        """CLOCK_BOOTTIME, shared by all processes of this machine."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class FakeClock:
    """A clock that moves only when told to."""

    def __init__(self, start_ns: int = 1_700_000_000_000_000_000) -> None:
        """Start at `start_ns`."""
        self._now = start_ns

    def advance(self, nanoseconds: int) -> None:
        """Move both readings forward by `nanoseconds` >= 0."""
        self._now += nanoseconds

    def wall_ns(self) -> int:
        """The fake calendar."""
        return self._now

    def boot_ns(self) -> int:
        """The fake time since boot."""
        return self._now
