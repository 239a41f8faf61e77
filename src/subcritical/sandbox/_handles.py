"""What the rungs do when a tree shall be frozen, thawed, killed or counted.

`GroupHandle` asks a control group: complete, and confirmed by the kernel. `ScanHandle` looks at
/proc: what it confirms it has seen twice, and what it cannot confirm it does not claim.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from subcritical.clock import Clock
from subcritical.sandbox import _scan
from subcritical.sandbox._cgroups import Group
from subcritical.sandbox._pauses import Pauses
from subcritical.schema import HandleReport

_KILL_AGAIN_S = 0.05


class GroupHandle:
    """R1: one control group, of a sandbox or of the whole run."""

    def __init__(
        self,
        group: Group,
        *,
        clock: Clock,
        pauses: Pauses,
        on_kill: Callable[[], None],
        waiting: Callable[[], frozenset[Path]],
    ) -> None:
        """Hold on to a group.

        Args:
            group: The group.
            clock: Time of reports.
            pauses: Told of freezes and thaws.
            on_kill: Told before a kill, so that nothing new is started.
            waiting: Groups below it whose process has not become a sandbox yet; not counted.
        """
        self._group = group
        self._waiting = waiting
        self._clock = clock
        self._pauses = pauses
        self._on_kill = on_kill

    @property
    def rung(self) -> str:
        """`R1`."""
        return "R1"

    def freeze(self, timeout_s: float) -> HandleReport:
        """Freeze; the order is one write, and no process can leave the group by forking."""
        self._pauses.begin()
        ordered = self._group.freeze()
        quiesced = self._clock.boot_ns()
        if not ordered:
            survivors = self._alive()
            detail = (
                "the control group is gone: nothing is left to freeze"
                if not survivors
                else "the kernel refused to freeze"
            )
            return _report(
                self._clock, quiesced, confirmed=not survivors, processes=survivors, survivors=survivors, detail=detail
            )
        confirmed = self._group.wait_for("frozen", value=True, timeout_s=timeout_s, clock=self._clock)
        count = self._alive()
        return HandleReport(
            verified=confirmed > 0,
            quiesced_ns=quiesced,
            confirmed_ns=confirmed,
            processes=count,
            survivors=0 if confirmed else count,
            detail="" if confirmed else f"the kernel did not report the group as frozen within {timeout_s} s",
        )

    def thaw(self) -> HandleReport:
        """Take the freeze back. A freeze of the whole run still holds for each of its sandboxes."""
        self._group.thaw()
        self._pauses.end()
        return self._count("")

    def kill(self, timeout_s: float) -> HandleReport:
        """Kill everything, frozen or not. The freeze is taken back only when nothing is left."""
        self._on_kill()
        before = self._alive()
        self._group.kill()
        quiesced = self._clock.boot_ns()
        confirmed = self._group.wait_for("populated", value=False, timeout_s=timeout_s, clock=self._clock)
        left = 0 if confirmed else self._alive()
        if confirmed:
            self._group.thaw()
            self._pauses.end()
        return HandleReport(
            verified=confirmed > 0,
            quiesced_ns=quiesced,
            confirmed_ns=confirmed,
            processes=before,
            survivors=left if confirmed else max(left, 1),
            detail="" if confirmed else f"{left} processes did not end within {timeout_s} s",
        )

    def verify(self) -> HandleReport:
        """Count what is alive, frozen or not."""
        return self._count("frozen" if self._group.state("frozen") else "")

    def _alive(self) -> int:
        return len(self._group.pids(self._waiting()))

    def _count(self, detail: str) -> HandleReport:
        count = self._alive()
        now = self._clock.boot_ns()
        # A process that is just ending is not listed any more but keeps the group populated.
        survivors = count or int(self._group.populated(self._waiting()))
        return HandleReport(
            verified=True, quiesced_ns=now, confirmed_ns=now, processes=count, survivors=survivors, detail=detail
        )


class Target(Protocol):
    """One sandbox as a scan needs it."""

    def members(self) -> list[_scan.Seen]:
        """Its processes, as far as one look can see."""
        ...

    def enders(self) -> list[int]:
        """Pidfds of processes of ours whose end takes the sandbox with it."""
        ...

    def spare(self) -> frozenset[int]:
        """Pids of ours in it that must keep running while it is stopped."""
        ...


class ScanHandle:
    """R2 and R3: the processes of some sandboxes, found by looking."""

    def __init__(
        self,
        rung: str,
        targets: Callable[[], list[Target]],
        *,
        clock: Clock,
        pauses: Pauses,
        on_kill: Callable[[], None],
        still_frozen: Callable[[Target], bool],
        signal_all: Callable[[list[Target], signal.Signals], bool],
    ) -> None:
        """Hold on to some sandboxes.

        Args:
            rung: `R2` or `R3`.
            targets: Lists them.
            clock: Time of reports.
            pauses: Told of freezes and thaws.
            on_kill: Told before a kill, so that nothing new is started.
            still_frozen: Whether another order keeps a target stopped when this one is taken back.
            signal_all: Signals everything in the process namespaces of targets at once; whether it reached all of them.
        """
        self._signal_all = signal_all
        self._rung = rung
        self._targets = targets
        self._clock = clock
        self._pauses = pauses
        self._on_kill = on_kill
        self._still_frozen = still_frozen

    @property
    def rung(self) -> str:
        """`R2` or `R3`."""
        return self._rung

    def freeze(self, timeout_s: float) -> HandleReport:
        """Stop and look until two looks agree. Verified only then; the caller kills what is not."""
        self._pauses.begin()
        deadline = time.monotonic() + timeout_s
        with _urgent():
            targets = self._targets()
            self._signal_all(targets, signal.SIGSTOP)
            quiesced = self._clock.boot_ns()
            # What follows is the proof, and the order itself where there is no namespace.
            quiet, count, running = _scan.stop_all(lambda: _stoppable(targets), deadline=deadline)
        now = self._clock.boot_ns()
        return HandleReport(
            verified=quiet,
            quiesced_ns=quiesced,
            confirmed_ns=now if quiet else 0,
            processes=count,
            survivors=running if not quiet and running else 0 if quiet else -1,
            detail="" if quiet else f"still running or still forking after {timeout_s} s",
        )

    def thaw(self) -> HandleReport:
        """Continue what no other order keeps stopped.

        Everything is looked at and counted before, and the order is the last thing done: what wakes up
        may be 200 processes, each of which the scheduler then prefers to a thread that has just used
        much time. A stop that came next had to wait up to 1.1 s for the CPU; now it has some left.
        """
        with _urgent():
            targets = self._targets()
            report = self.verify()
            waking = [target for target in targets if not self._still_frozen(target)]
            found = _stoppable(waking)
            if not self._signal_all(waking, signal.SIGCONT):
                _scan.continue_all(found)
        self._pauses.end()
        return report

    def kill(self, timeout_s: float) -> HandleReport:
        """Kill the init of each process namespace, which the kernel completes; then look until nothing is left."""
        deadline = time.monotonic() + timeout_s
        with _urgent():
            _end(self._targets())  # first of all: whatever comes before it may have to wait for the CPU
            self._on_kill()
            targets = self._targets()
            enders = _end(targets)
            quiesced = self._clock.boot_ns()
            # Looked at only now: that would delay the order. And each gets its own: the init of the namespace
            # has to be scheduled before it can pass the order on.
            found = _union(targets)
            if enders:
                for seen in found:
                    _scan.send(seen, signal.SIGKILL)
            gone = _wait_for_end(enders, deadline)
            left = _scan.kill_all(lambda: _union(targets), spare=frozenset(), deadline=deadline)
        done = gone and not left
        now = self._clock.boot_ns()
        if done:
            self._pauses.end()
        return HandleReport(
            verified=done,
            quiesced_ns=quiesced,
            confirmed_ns=now if done else 0,
            processes=len(found),
            survivors=0 if done else max(left, 1),
            detail="" if done else f"{left} processes did not end within {timeout_s} s",
        )

    def verify(self) -> HandleReport:
        """Count what is alive, stopped or not."""
        count = len(_union(self._targets()))
        now = self._clock.boot_ns()
        return HandleReport(verified=True, quiesced_ns=now, confirmed_ns=now, processes=count, survivors=count)


def _report(
    clock: Clock, quiesced: int, *, confirmed: bool, processes: int, survivors: int, detail: str
) -> HandleReport:
    return HandleReport(
        verified=confirmed,
        quiesced_ns=quiesced,
        confirmed_ns=clock.boot_ns() if confirmed else 0,
        processes=processes,
        survivors=survivors,
        detail=detail,
    )


def _union(targets: list[Target]) -> list[_scan.Seen]:
    return [seen for target in targets for seen in target.members()]


def _stoppable(targets: list[Target]) -> list[_scan.Seen]:
    """All but what must keep running.

    That is asked after each look, never once before the first: of a sandbox that is being started, the namespace and
    its init become known meanwhile. An init stopped then was never continued, and the start hung.
    """
    found = _union(targets)
    spare = frozenset[int]().union(*(target.spare() for target in targets))
    return [seen for seen in found if seen.pid not in spare]


def _end(targets: list[Target]) -> list[int]:
    """Kill what takes a whole sandbox with it; returns the pidfds."""
    enders = [handle for target in targets for handle in target.enders()]
    for handle in enders:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    return enders


def _wait_for_end(handles: list[int], deadline: float) -> bool:
    """Wait until every process behind a pidfd has ended."""
    waiting = set(handles)
    while waiting:
        poller = select.poll()
        for handle in waiting:
            poller.register(handle, select.POLLIN)
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return False
        for handle, _ in poller.poll(min(left_s, _KILL_AGAIN_S) * 1000):
            waiting.discard(handle)
    return True


@contextlib.contextmanager
def _urgent() -> Iterator[None]:
    """Run this thread before all ordinary ones where that is allowed: a scan races the processes it stops.

    Without it 200 busy processes share the CPU with the scan (seen: 700 ms instead of 4).
    """
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    urgent = True
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(50))
    except OSError:
        urgent = False
    try:
        yield
    finally:
        if urgent:
            os.sched_setscheduler(0, *before)
