"""A small thread that keeps asking whether anybody is alive. It never waits for a disk.

Producers say so in memory; each beat records it. Who says nothing gets no heartbeat, and silence
is what the silence rules act on: a main thread that hangs is stopped although it can do nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from subcritical.schema import Event, Heartbeat, RunState

_NANOSECONDS = 1_000_000_000


class Pulse:
    """Calls `step` every `interval_s` seconds until stopped."""

    def __init__(self, step: Callable[[], None], crashed: Callable[[Exception], None], interval_s: float) -> None:
        """Beat with `step`; `crashed` hears of every beat that raised."""
        self._step = step
        self._crashed = crashed
        self._interval_s = interval_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="subcritical-pulse", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End; waits up to `timeout_s` for a beat under way."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _beat_on(self) -> None:
        while not self._ended.wait(self._interval_s):
            try:
                self._step()
            except Exception as error:  # noqa: BLE001 - a crashed watch is itself a reason to pause
                self._crashed(error)


class Heartbeats:
    """Who has shown life since the last beat. Any thread says so; one thread beats."""

    def __init__(self, now_ns: int, interval_s: float) -> None:
        """Beat every `interval_s` seconds from `now_ns` (CLOCK_BOOTTIME) on."""
        self._last_ns = now_ns
        self._interval_ns = int(interval_s * _NANOSECONDS)
        self._alive: set[str] = set()

    def alive(self, producer: str) -> None:
        """`producer` lives."""
        self._alive.add(producer)

    def due(self, now_ns: int, state: RunState, generation: int) -> list[Event]:
        """The heartbeats to record now: none before the interval is over, none of a producer that was silent."""
        if now_ns - self._last_ns < self._interval_ns:
            return []
        self._last_ns = now_ns
        # Who speaks between these two steps is in one of the sets: swapping is one step.
        alive, self._alive = self._alive, set()
        beat = Heartbeat(state=state.value)
        return [
            Event(seq=0, time_ns=0, run="", producer=producer, generation=generation, data=beat)
            for producer in sorted(alive.copy())
        ]
