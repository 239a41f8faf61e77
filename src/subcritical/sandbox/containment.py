"""One run, one containment: everything a run starts, below one handle."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from subcritical.clock import Clock
from subcritical.errors import ContainmentError, InputError
from subcritical.sandbox import _cgroups
from subcritical.sandbox._channel import Channel
from subcritical.sandbox._directories import private_directory, remove_tree
from subcritical.sandbox._drain import Capture, Drain
from subcritical.sandbox._handles import GroupHandle, ScanHandle, Target
from subcritical.sandbox._keepers import Spawner, UserIds, Watcher
from subcritical.sandbox._pauses import Pauses
from subcritical.sandbox._prepared import Prepared
from subcritical.sandbox._sandbox import Sandbox
from subcritical.sandbox._starting import Starter, check_for_r3
from subcritical.sandbox.guards import GUARDS
from subcritical.sandbox.spec import Rung, SandboxSpec, check_spec
from subcritical.schema import Handle

_START_TIMEOUT_S = 30.0
_CLOSE_TIMEOUT_S = 10.0
_LEASE_S = 30.0
_PREPARE_AFTER_S = 0.006  # the next child is forked when what was just launched has had its start
_RENEW_S = 1.0
_SIGNAL_TIMEOUT_S = 0.5
_SCAN_EVERY_S = 0.25
_TICK_S = 0.1
_NO_CAP = 1 << 40


class Containment:
    """Starts sandboxes and holds one handle over all of them.

    Not protected: a payload that finds a hole in the kernel; a supervisor that runs hostile code
    itself, or that forks without exec (a copy of it would hold the dead man's line open); on R2 and
    R3 what `probe()` lists for them.

    Attributes:
        rung: The rung everything runs on.
        handle: Freezes, thaws, kills and counts everything that was launched.
    """

    handle: Handle

    def __init__(
        self,
        *,
        run: str,
        rung: Rung,
        clock: Clock,
        on_connection: Callable[[str], None] | None = None,
        lease_s: float = _LEASE_S,
        _without: frozenset[str] = frozenset(),
    ) -> None:
        """Start the helpers of a run.

        Args:
            run: Name of the run; part of the names of its control groups.
            rung: Must be one of `probe().available`; what is missing fails here or at the first launch.
            clock: Time of receipts.
            on_connection: Called with the sandbox's name for each connection to its granted socket,
                in a thread of its own.
            lease_s: The dead man's switch kills if this process was silent for so long.
            _without: Guards to leave out. For tests that plant a failure.

        Raises:
            ContainmentError: The rung cannot be had.
        """
        if not _without <= GUARDS:
            raise InputError(f"unknown guards: {sorted(_without - GUARDS)}")
        self.run, self.rung = run, rung
        self._clock, self._without, self._on_connection = clock, _without, on_connection
        self._lock = threading.RLock()
        self._sandboxes: dict[int, Sandbox] = {}
        self._prepared: dict[int, Prepared] = {}
        self._next = 0
        self._dead = ""
        self._closed = False
        self._renewed = self._scanned = self._prepare_after = 0.0
        self._pauses = Pauses(clock)
        self._uids = UserIds() if os.getuid() == 0 else None
        with contextlib.ExitStack() as undo:
            self._directory = private_directory(for_all=self._uids is not None)
            undo.callback(remove_tree, self._directory)
            self._starter = Starter(
                rung=rung,
                directory=self._directory,
                on_connection=self._connected,
                on_namespace=self._entered,
                without=_without,
            )
            self._group = self._make_group() if rung is Rung.R1 else None
            if self._group is not None:
                undo.callback(self._group.remove)
            self._renew_s = min(_RENEW_S, lease_s / 5)
            self._start_helpers(lease_s)
            self.handle = self._make_handle(
                self._group, self._pauses, lambda: list(self._all()), self._mark_dead, self._waiting
            )
            self._drain = Drain(self._spawner.line, on_report=self._report, on_lost=self._lost, on_tick=self._tick)
            undo.pop_all()
        self._prepare()

    @property
    def groups(self) -> tuple[str, ...]:
        """Control groups of everything in here, as `/proc/PID/cgroup` writes them; empty where there are none."""
        return _cgroups.as_proc_writes(self._group.path) if self._group is not None else ()

    def _make_group(self) -> _cgroups.Group:
        hierarchies = _cgroups.discover()
        _cgroups.sweep(hierarchies)
        if not (hierarchies.unified and hierarchies.limits_memory and hierarchies.limits_processes):
            raise ContainmentError("R1 needs groups with freeze, kill, memory and pids; allow R2 or run as root")
        return _cgroups.Group.of_run(hierarchies, _cgroups.name_of(self.run, unique=self._directory.name[-8:]))

    def _start_helpers(self, lease_s: float) -> None:
        kill_file = self._group.path / "cgroup.kill" if self._group else None
        kill_files, dead_man = [str(kill_file)] if kill_file else [], "dead_man" not in self._without
        self._spawner = Spawner(without=self._without)
        self._spawner.configure(dead_man=dead_man, kill_files=kill_files, adopts="pid_namespace" not in self._without)
        # A user of its own could not signal pidfds of other users, but it can write to an open file.
        uid = self._uids.take() if self._uids and kill_file else 0
        self._watcher = Watcher(lease_s=lease_s, kill_file=kill_file, uid=uid) if dead_man else None

    def _make_handle(
        self,
        group: _cgroups.Group | None,
        pauses: Pauses,
        targets: Callable[[], list[Target]],
        on_kill: Callable[[], None],
        waiting: Callable[[], frozenset[Path]],
    ) -> Handle:
        if group is not None:
            return GroupHandle(group, clock=self._clock, pauses=pauses, on_kill=on_kill, waiting=waiting)

        def still_frozen(target: Target) -> bool:
            own = target.pauses if isinstance(target, Sandbox) else self._pauses
            return any(other.paused for other in {self._pauses, own} - {pauses})

        return ScanHandle(
            str(self.rung),
            targets,
            clock=self._clock,
            pauses=pauses,
            on_kill=on_kill,
            still_frozen=still_frozen,
            signal_all=self._signal_all,
        )

    # -- starting ------------------------------------------------------------------------------

    def launch(self, spec: SandboxSpec, *, look: Callable[[], None] = lambda: None) -> Sandbox:
        """Start one sandbox; returns when its restrictions are in force and its payload begins.

        While the run is paused this waits: nothing starts in a paused run. Who must not wait for ever gives `look`,
        which is called at least every second of waiting; what it raises ends the start, and nothing is left of it.

        Raises:
            InputError: The specification cannot be meant.
            ContainmentError: It cannot be contained as asked, or the run was killed. Nothing is left behind.
        """
        check_spec(spec)
        if self.rung is Rung.R3:
            check_for_r3(spec)
        with contextlib.ExitStack() as undo:
            sandbox, outlets = self._admit(spec)
            undo.callback(sandbox.close)
            ours, theirs = socket.socketpair()
            channel = Channel(ours, name=spec.name, timeout_s=_START_TIMEOUT_S, pauses=self._pauses, look=look)
            try:
                status = self._starter.order(sandbox, theirs.fileno(), outlets)
                theirs.close()
                self._starter.set_up(sandbox, channel, status, self._drain)
                self._begin(sandbox, channel, look)
            finally:
                theirs.close()
                channel.close()
                self._prepare_after = time.monotonic() + _PREPARE_AFTER_S
            undo.pop_all()
        return sandbox

    def _prepare(self) -> None:
        """Have the spawner fork the next child now, so that the next launch need not wait for it."""
        with self._lock:
            if self._dead or self._closed or self._prepared:
                return
            self._next += 1
            group = self._group.child(str(self._next)) if self._group else None
            prepared = Prepared(
                self._spawner,
                number=self._next,
                group=group,
                base=self._starter.base,
                dead_man="dead_man" not in self._without,
            )
            self._prepared[self._next] = prepared

    def _admit(self, spec: SandboxSpec) -> tuple[Sandbox, tuple[int, int]]:
        """Register a sandbox before anything of it exists, so that a kill from now on covers it."""
        cap = _NO_CAP if "output_cap" in self._without else spec.limits.output_bytes
        with self._lock:
            self._refuse_if_dead()
            if any(other.name == spec.name for other in self._sandboxes.values()):
                raise InputError(f"a sandbox named {spec.name} is there already; close it first")
            self._prepare()
            number, prepared = self._prepared.popitem()
            self._prepare_after = math.inf  # the next child is not forked while this one starts
            pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
            for readable, _ in pipes:
                os.set_blocking(readable, False)
            captures = Capture(pipes[0][0], cap), Capture(pipes[1][0], cap)
            sandbox = Sandbox(
                spec,
                rung=self.rung,
                prepared=prepared,
                uid=self._uids.take() if self._uids else None,
                pauses=Pauses(self._clock),
                captures=captures,
                on_close=self._forget,
            )
            sandbox.handle = self._make_handle(
                prepared.group, sandbox.pauses, lambda: [sandbox], lambda: None, frozenset
            )
            self._sandboxes[number] = sandbox
        self._drain.add(*captures)
        return sandbox, (pipes[0][1], pipes[1][1])

    def _begin(self, sandbox: Sandbox, channel: Channel, look: Callable[[], None]) -> None:
        """Let the payload begin, but not in a paused or killed run."""
        while True:
            with self._lock:
                self._refuse_if_dead()
                if not self._pauses.paused:
                    sandbox.live = True
                    channel.go()
                    return
            look()
            self._pauses.wait_until_running(1.0)

    def _signal_all(self, targets: list[Target], number: signal.Signals) -> bool:
        """One signal for everything in some process namespaces; whether all of them got it."""
        inits = [target.namespace[2] for target in targets if isinstance(target, Sandbox) and target.namespace[2] >= 0]
        possible = self.rung is Rung.R2 and "pid_namespace" not in self._without
        with contextlib.suppress(ContainmentError):  # who asked does the same, one by one
            sent = possible and self._spawner.signal_namespaces(number, inits, timeout_s=_SIGNAL_TIMEOUT_S)
            return sent and len(inits) == len(targets)
        return False

    # -- while it runs ---------------------------------------------------------------------------

    def confirm_lease(self) -> None:
        """Renew the lease now, before something that only the holder of a run may do.

        Raises:
            ContainmentError: The run was killed, be it by the dead man's switch while this process stood still.
        """
        with self._lock:
            self._refuse_if_dead()
        if self._watcher is not None:
            self._watcher.renew()

    def paused_ns(self) -> int:
        """Total time the whole run was frozen so far, in nanoseconds; charged to no limit."""
        return self._pauses.total_ns()

    def _all(self) -> list[Sandbox]:
        with self._lock:
            return list(self._sandboxes.values())

    def _waiting(self) -> frozenset[Path]:
        with self._lock:
            return frozenset(prepared.group.path for prepared in self._prepared.values() if prepared.group)

    def _refuse_if_dead(self) -> None:
        if self._dead or self._closed:
            raise ContainmentError(f"run {self.run} {self._dead or 'is closed'}; start it again")

    def _mark_dead(self) -> None:
        with self._lock:
            self._dead = self._dead or "was killed"
            for prepared in self._prepared.values():
                prepared.dismiss()
            self._prepared.clear()

    def _entered(self, handle: int) -> None:
        """A process namespace began. Where a control group holds everything, the watcher has that already."""
        if self._watcher is not None and self._group is None:
            self._watcher.add_process(handle)

    def _connected(self, name: str) -> None:
        if self._on_connection is not None:
            self._on_connection(name)

    def _report(self, report: dict[str, Any], handles: list[int]) -> None:
        with self._lock:
            sandbox = self._sandboxes.get(report["id"])
            prepared = sandbox.prepared if sandbox else self._prepared.get(report["id"])
            if "pid" in report:
                if prepared is not None:
                    prepared.set_forked(report["pid"], handles[0])
                else:
                    os.close(handles[0])
                return
        if sandbox is not None:
            sandbox.set_exited(report["code"], report["cpu_s"], report["peak"])

    def _lost(self) -> None:
        """The spawner is gone, and the parent-death signal has ended what it started."""
        if not self._closed:
            self._mark_dead()
        for sandbox in self._all():
            sandbox.set_exited(-9, 0.0, 0)

    def _tick(self) -> float:
        now = time.monotonic()
        waiting = [sandbox for sandbox in self._all() if not sandbox.finish_if_done()]
        if now > self._prepare_after and not self._prepared:
            with contextlib.suppress(ContainmentError):  # the next launch will say so
                self._prepare()
        if self._watcher is not None and now - self._renewed > self._renew_s:
            self._renewed = now
            try:
                self._watcher.renew()
            except ContainmentError:
                self._mark_dead()
        if waiting and now - self._scanned > _SCAN_EVERY_S:
            self._scanned = now
            for sandbox in waiting:
                sandbox.sample()
        if not (self._prepared or self._dead or self._closed):
            return _PREPARE_AFTER_S
        return _TICK_S if waiting else self._renew_s

    # -- ending ----------------------------------------------------------------------------------

    def _forget(self, sandbox: Sandbox) -> None:
        sandbox.prepared.wait()
        sandbox.prepared.line.close()
        report = sandbox.handle.kill(_CLOSE_TIMEOUT_S)
        if not report.verified:
            raise ContainmentError(f"sandbox {sandbox.name} did not end: {report.detail}")
        sandbox.wait(_CLOSE_TIMEOUT_S)
        if sandbox.relay is not None:
            sandbox.relay.close()
        with self._lock:
            self._sandboxes.pop(sandbox.prepared.number, None)
        sandbox.release()
        if sandbox.group is not None:
            sandbox.group.remove()

    def close(self) -> None:
        """Kill everything, confirm it, and remove what the run needed on the host. Idempotent.

        Raises:
            ContainmentError: Something survived. The control groups stay, as its last handle.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        report = self.handle.kill(_CLOSE_TIMEOUT_S)
        for sandbox in self._all():
            sandbox.close()
        if self._watcher is not None:
            self._watcher.dismiss()
        self._drain.stop()
        self._spawner.end(2.0)
        remove_tree(self._directory)
        if not report.verified:
            raise ContainmentError(f"run {self.run} did not end: {report.detail}")
        if self._group is not None:
            self._group.remove()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()
