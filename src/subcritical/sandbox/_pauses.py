"""How long something was frozen, so that the time is charged to no limit."""

from __future__ import annotations

import threading

from subcritical.clock import Clock


class Pauses:
    """Adds up frozen time. Thread-safe; freezing twice counts once."""

    def __init__(self, clock: Clock) -> None:
        """Start at zero, not frozen."""
        self._clock = clock
        self._lock = threading.Lock()
        self._total_ns = 0
        self._since_ns: int | None = None
        self._running = threading.Event()
        self._running.set()

    @property
    def paused(self) -> bool:
        """Whether a freeze was ordered and not taken back."""
        return not self._running.is_set()

    def begin(self) -> None:
        """A freeze is ordered now."""
        with self._lock:
            if self._since_ns is None:
                self._since_ns = self._clock.boot_ns()
            self._running.clear()

    def end(self) -> None:
        """It runs again, or never will."""
        with self._lock:
            if self._since_ns is not None:
                self._total_ns += self._clock.boot_ns() - self._since_ns
            self._since_ns = None
            self._running.set()

    def total_ns(self) -> int:
        """Frozen nanoseconds so far, a freeze in progress included."""
        with self._lock:
            current = 0 if self._since_ns is None else self._clock.boot_ns() - self._since_ns
            return self._total_ns + current

    def wait_until_running(self, timeout_s: float) -> bool:
        """Wait until it is not frozen; False on timeout."""
        return self._running.wait(timeout_s)
