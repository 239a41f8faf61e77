"""Pairs kept warm, so that an evaluation does not wait for interpreters to start and import."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping

from subcritical.errors import ContainmentError
from subcritical.loop.evaluation.pair import Pair, Watch

_TAKE_TIMEOUT_S = 60.0
_POLL_S = 0.01
_LOOK_S = 0.05


class _ClosedError(Exception):
    """The pool was closed while a pair was warming."""


class PairPool:
    """Keeps `depth` pairs ready. Pairs are single-use.

    Args:
        make: Starts a pair; called with a running number, from the pool's own threads.
        evaluator: The pristine evaluator's files, loaded ahead of time; None where each candidate
            brings its own evaluator (the study of a missing guard).
        depth: Pairs kept ready, >= 1.
        paused_ns: Total frozen time of the run, which is charged to no start.
    """

    def __init__(
        self,
        make: Callable[[int], Pair],
        *,
        evaluator: Mapping[str, bytes] | None,
        depth: int,
        paused_ns: Callable[[], int],
    ) -> None:
        """Start filling at once."""
        self._make = make
        self._evaluator = evaluator
        self._depth = depth
        self.paused_ns = paused_ns
        self._ready: queue.Queue[Pair | Exception] = queue.Queue()
        self._used: queue.Queue[Pair | None] = queue.Queue()
        self._wanted = threading.Semaphore(depth)
        self._number = 0
        self._counting = threading.Lock()
        self._closed = threading.Event()
        self._threads = [threading.Thread(target=self._bury, name="used-pairs", daemon=True)]
        self._threads += [threading.Thread(target=self._fill, name="warm-pairs", daemon=True) for _ in range(depth)]
        for thread in self._threads:
            thread.start()

    def take(self, watch: Watch, *, refill: bool = True) -> Pair:
        """A pair nobody has used. Time in which the run is paused is not counted: nothing starts in it.

        Args:
            watch: Raises when the run is stopped; waits while it is paused.
            refill: Start the next one now; otherwise `refill` does.

        Raises:
            ContainmentError: None could be started.
        """
        for _ in range(int(_TAKE_TIMEOUT_S / _LOOK_S)):
            try:
                pair = self._ready.get(timeout=_LOOK_S)
                break
            except queue.Empty:
                watch.check()
        else:
            raise ContainmentError(f"no evaluation sandbox came up within {_TAKE_TIMEOUT_S:g} s")
        if isinstance(pair, Exception):
            raise ContainmentError(f"an evaluation sandbox could not be started: {pair}") from pair
        if refill:
            self.refill()
        return pair

    def refill(self) -> None:
        """Start one more pair."""
        self._wanted.release()

    def settle(self, watch: Watch) -> None:
        """Wait until every pair is warm, so that no start of one is under way.

        Raises:
            ContainmentError: They do not come up.
        """
        for _ in range(int(_TAKE_TIMEOUT_S / _POLL_S)):
            if self._ready.qsize() >= self._depth:
                return
            watch.check()
            time.sleep(_POLL_S)
        raise ContainmentError(f"the evaluation sandboxes did not come up within {_TAKE_TIMEOUT_S:g} s")

    def retire(self, pair: Pair) -> None:
        """Kill a used pair without making the loop wait for the kernel to take it down."""
        self._used.put(pair)

    def close(self) -> None:
        """Stop filling, and close what is left."""
        self._closed.set()
        self._wanted.release(self._depth)
        self._used.put(None)
        for thread in self._threads:
            thread.join(timeout=_TAKE_TIMEOUT_S)
        while not self._ready.empty():
            pair = self._ready.get_nowait()
            if isinstance(pair, Pair):
                pair.close()

    def check(self) -> None:
        """End the wait for a warming pair when the pool is closed (`Watch`)."""
        if self._closed.is_set():
            raise _ClosedError

    def _bury(self) -> None:
        while (pair := self._used.get()) is not None:
            pair.close()

    def _fill(self) -> None:
        while True:
            self._wanted.acquire()
            if self._closed.is_set():
                return
            with self._counting:
                self._number += 1
                number = self._number
            try:
                self._ready.put(self._warm(number))
            except _ClosedError:
                return
            except Exception as error:  # noqa: BLE001 - handed to whoever takes it
                self._ready.put(error)
                return

    def _warm(self, number: int) -> Pair:
        pair = self._make(number)
        if self._evaluator is None:
            return pair
        try:
            pair.load(self._evaluator)
            pair.warm(self)
        except BaseException:
            pair.close()
            raise
        return pair
