"""Pairs kept warm, so that an evaluation does not wait for interpreters to start and import."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping

from subcritical.errors import ContainmentError
from subcritical.loop.evaluation.pair import Pair

_TAKE_TIMEOUT_S = 60.0


class PairPool:
    """Keeps `depth` pairs ready. Pairs are single-use; taking one starts the next.

    Args:
        make: Starts a pair; called with a running number, from the pool's own thread.
        evaluator: The pristine evaluator's files, loaded ahead of time; None where each candidate
            brings its own evaluator (the study of a missing guard).
        depth: Pairs kept ready, >= 1.
    """

    def __init__(self, make: Callable[[int], Pair], *, evaluator: Mapping[str, bytes] | None, depth: int) -> None:
        """Start filling at once."""
        self._make = make
        self._evaluator = evaluator
        self._ready: queue.Queue[Pair | BaseException] = queue.Queue()
        self._wanted = threading.Semaphore(depth)
        self._closed = threading.Event()
        self._used: queue.Queue[Pair | None] = queue.Queue()
        self._threads = [
            threading.Thread(target=self._fill, name="warm-pairs", daemon=True),
            threading.Thread(target=self._bury, name="used-pairs", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def take(self) -> Pair:
        """A pair nobody has used.

        Raises:
            ContainmentError: None could be started.
        """
        try:
            pair = self._ready.get(timeout=_TAKE_TIMEOUT_S)
        except queue.Empty as error:
            raise ContainmentError(f"no evaluation sandbox came up within {_TAKE_TIMEOUT_S:g} s") from error
        if isinstance(pair, BaseException):
            raise ContainmentError(f"an evaluation sandbox could not be started: {pair}") from pair
        self._wanted.release()
        return pair

    def retire(self, pair: Pair) -> None:
        """Kill a used pair without making the loop wait for the kernel to take it down."""
        self._used.put(pair)

    def close(self) -> None:
        """Stop filling, and close what is left."""
        self._closed.set()
        self._wanted.release()
        self._used.put(None)
        for thread in self._threads:
            thread.join(timeout=_TAKE_TIMEOUT_S)
        while not self._ready.empty():
            pair = self._ready.get_nowait()
            if isinstance(pair, Pair):
                pair.close()

    def _bury(self) -> None:
        while (pair := self._used.get()) is not None:
            pair.close()

    def _fill(self) -> None:
        number = 0
        while True:
            self._wanted.acquire()
            if self._closed.is_set():
                return
            number += 1
            try:
                pair = self._make(number)
                if self._evaluator is not None:
                    pair.load(self._evaluator)
            except Exception as error:  # noqa: BLE001 - handed to whoever takes it
                self._ready.put(error)
                return
            self._ready.put(pair)
