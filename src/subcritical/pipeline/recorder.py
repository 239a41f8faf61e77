"""Journal and latch in one: whatever is recorded is folded into the latch, in the same order.

A record is *put* (folded, queued: memory only, never blocks on a disk) and *settled* (handed to the
journal, first in, first out). Most records are both at once. A containing order by a person is put,
carried out, and settled afterwards: a full or hanging disk cannot keep a stop from happening. What
the journal holds is always a prefix of what was folded, so replaying it gives a latch this run had.

What this does not protect against: the supervisor dying between an order's effect and its settling
loses the record of that order. The dead man's switch ends the run in that case.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

from subcritical.errors import InputError, LedgerError
from subcritical.schema import Event, Measurement, Record
from subcritical.tripwires import Latch

RecordT = TypeVar("RecordT", bound=Record)

_MOST_WAITING = 4096
_IDLE_COMMIT_S = 2.0


class Writable(Protocol):
    """What the pipeline needs of a journal."""

    def append(self, record: RecordT, /) -> RecordT:
        """Number and buffer one record."""
        ...

    def commit(self) -> int:
        """Return once everything appended is on disk."""
        ...


class Slot:
    """One record on its way to the journal. `filled` is what the journal made of it."""

    __slots__ = ("error", "filled", "position", "record")

    def __init__(self, record: Record, position: int) -> None:
        """Wait at `position`, counted from 1."""
        self.record = record
        self.position = position
        self.filled: Record | None = None
        self.error: InputError | None = None


class Recorder:
    """Thread-safe. Lock order: `_writing` before `_memory`; nothing blocks while `_memory` is held."""

    def __init__(self, journal: Writable, latch: Latch) -> None:
        """Write to `journal`, going on from `latch`."""
        self._journal = journal
        self._memory = threading.Condition(threading.RLock())
        self._writing = threading.RLock()
        self._latch = latch
        self._settled_latch = latch
        self._waiting: deque[Slot] = deque()
        self._fresh: deque[Slot] = deque()
        self._put = 0
        self._settled = 0
        self._committed = 0
        self._failures = 0
        self._lost = 0
        self._wake = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None
        self.on_failure: Callable[[Exception], None] | None = None

    @property
    def latch(self) -> Latch:
        """The fold over everything put so far."""
        return self._latch

    @property
    def lost(self) -> int:
        """Records that never reach the journal because it refused too many."""
        return self._lost

    @property
    def unsettled(self) -> int:
        """Records the journal has not taken yet."""
        return len(self._waiting)

    def put(self, record: Record) -> Slot:
        """Fold `record` and queue it. Memory only.

        Raises:
            LedgerError: An event or a measurement, while the journal has refused 4096 records. Other
                records are still folded, and counted as lost beyond twice that number.
        """
        with self._memory:
            source = isinstance(record, Event | Measurement)
            if source and len(self._waiting) >= _MOST_WAITING:
                raise LedgerError(f"the journal has not taken {len(self._waiting)} records: nothing more is observed")
            self._put += 1
            slot = Slot(record, self._put)
            self._latch = self._latch.apply(record)
            if len(self._waiting) >= 2 * _MOST_WAITING:
                self._lost += 1
            else:
                self._waiting.append(slot)
            if source:
                self._fresh.append(slot)
            self._memory.notify_all()
            return slot

    def append(self, record: RecordT) -> RecordT:
        """Put and settle `record`; return it as the journal numbered it.

        Raises:
            InputError: The journal cannot hold this record; it is forgotten.
            LedgerError, OSError: The journal cannot be written; the record waits for the next attempt.
        """
        return self._settled_as(self.put(record), record)

    def append_if(self, record: RecordT, holds: Callable[[Latch], bool]) -> RecordT | None:
        """Append `record` if `holds` is true of the latch at that very moment, else None. Raises like `append`."""
        with self._memory:
            slot = self.put(record) if holds(self._latch) else None
        return self._settled_as(slot, record) if slot is not None else None

    def _settled_as(self, slot: Slot, record: RecordT) -> RecordT:
        self.settle()
        if slot.error is not None:
            raise slot.error
        if not isinstance(slot.filled, type(record)):
            raise LedgerError(f"the journal has not taken record {slot.position}")
        return slot.filled

    def settle(self) -> None:
        """Hand everything that waits to the journal, in order.

        Raises:
            LedgerError, OSError: The journal cannot be written; what it has not taken keeps waiting.
        """
        with self._writing:
            for _ in range(4 * _MOST_WAITING):
                if not self._waiting:
                    return
                self._settle_first(self._waiting[0])

    def _settle_first(self, slot: Slot) -> None:
        try:
            slot.filled = self._journal.append(slot.record)
        except InputError as error:
            slot.error = error
        with self._memory:
            self._waiting.popleft()
            self._settled = slot.position
            if slot.error is None:
                self._settled_latch = self._settled_latch.apply(slot.record)
                return
            # A record the journal cannot hold has not happened: fold again without it.
            self._fresh = deque(other for other in self._fresh if other is not slot)
            latch = self._settled_latch
            for other in self._waiting:
                latch = latch.apply(other.record)
            self._latch = latch

    def commit(self) -> int:
        """Settle everything and return once it is on disk: the last durable seq.

        Raises:
            LedgerError, OSError: The journal cannot be written.
        """
        with self._writing:
            self.settle()
            reached = self._settled
        durable = self._journal.commit()
        with self._memory:
            self._committed = max(self._committed, reached)
            self._memory.notify_all()
        return durable

    def make_durable(self, slot: Slot, timeout_s: float) -> bool:
        """Whether `slot` was on disk within `timeout_s`, without blocking on the disk for longer.

        Without a running writer thread the commit is made here, and blocks as long as the disk does.
        """
        if threading.current_thread() is self._thread:
            return False
        if self._thread is None:
            return self._try_commit() and slot.error is None
        with self._memory:
            failures = self._failures
            self._wake.set()
            self._memory.wait_for(
                lambda: self._committed >= slot.position or self._failures != failures, timeout=timeout_s
            )
            return self._committed >= slot.position and slot.error is None

    def take(self, most: int) -> list[Record]:
        """Up to `most` events and measurements that are settled and were not taken before."""
        taken: list[Record] = []
        with self._memory:
            while self._fresh and len(taken) < most and self._fresh[0].filled is not None:
                taken.append(self._fresh.popleft().filled)  # type: ignore[arg-type]  # narrowed by the loop
        return taken

    def wait_for_change(self, timeout_s: float) -> None:
        """Return when something was put, or after `timeout_s`."""
        with self._memory:
            self._memory.wait(timeout_s)

    def start(self) -> None:
        """Start the writer thread, which settles what was put by threads that must not wait for a disk."""
        self._thread = threading.Thread(target=self._write_on, name="subcritical-recorder", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the writer thread; it may outlive this call only where a disk hangs."""
        self._ending = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            self._thread = None

    def _write_on(self) -> None:
        while not self._ending:
            self._wake.wait(_IDLE_COMMIT_S)
            self._wake.clear()
            self._try_commit()

    def _try_commit(self) -> bool:
        if self._committed >= self._put:
            return True
        try:
            self.commit()
        except (LedgerError, OSError) as error:
            with self._memory:
                self._failures += 1
                self._memory.notify_all()
            if self.on_failure is not None:
                self.on_failure(error)
            return False
        return True
