"""One sandbox as the supervisor sees it: its processes, what it wrote, how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Self

from subcritical.sandbox import _scan
from subcritical.sandbox._drain import Capture
from subcritical.sandbox._pauses import Pauses
from subcritical.sandbox._prepared import Prepared
from subcritical.sandbox._relay import Relay
from subcritical.sandbox._usage import Usage
from subcritical.sandbox.spec import Exit, Output, Rung, SandboxSpec
from subcritical.schema import Handle

_LAST_OUTPUT_S = 1.0
_SIGNAL_BASE = 128


class Sandbox:
    """A running or ended sandbox; made by `Containment.launch` only.

    Attributes:
        name: As in its specification.
        handle: Freezes, thaws, kills and counts this sandbox alone.
        workspace_fd: Directory descriptor of the workspace, for reading; it stays valid after the
            end until `close`.
        pauses: How long this sandbox was frozen on its own, beside the freezes of the whole run.
    """

    handle: Handle

    def __init__(
        self,
        spec: SandboxSpec,
        *,
        rung: Rung,
        prepared: Prepared,
        uid: int | None,
        pauses: Pauses,
        captures: tuple[Capture, Capture],
        on_close: Callable[[Sandbox], None],
    ) -> None:
        self.name = spec.name
        self.spec = spec
        self.rung = rung
        self.prepared = prepared
        self.group = prepared.group
        self.uid = uid
        self.pauses = pauses
        self.workspace_fd = -1
        self.captures = captures
        self.usage = Usage(spec.limits, prepared.group)
        self.namespace = (0, 0, -1)
        self.live = False
        self.relay: Relay | None = None
        self.host_workspace: str | None = None
        self._on_close = on_close
        self._ended = threading.Event()
        self._closing = threading.Lock()
        self._closed = False
        self._finishing: tuple[int, float, int, float] | None = None
        self._exit: Exit | None = None

    def __repr__(self) -> str:
        """Name, rung and state."""
        return f"Sandbox({self.name!r}, {self.rung}, {'ended' if self._exit else 'running'})"

    def wait(self, timeout_s: float) -> Exit | None:
        """Wait for the end; None if it is still running after `timeout_s` of real time, frozen time included."""
        self._ended.wait(timeout_s)
        return self._exit

    def output(self) -> Output:
        """What it wrote so far, capped. Hostile: escape before showing."""
        out, err = self.captures
        return Output(
            stdout=bytes(out.kept), stderr=bytes(err.kept), stdout_dropped=out.dropped, stderr_dropped=err.dropped
        )

    def close(self) -> None:
        """Kill it, and forget it. Idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._on_close(self)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    # What follows is for `Containment` and the handles.

    def members(self) -> list[_scan.Seen]:
        """Its processes, as far as one look can see; bubblewrap's own monitor outside is not one of them."""
        if self.group is not None:
            return [_scan.Seen(pid, 0) for pid in self.group.pids()]
        if self.rung is Rung.R2:
            return _scan.in_pid_namespace(self.namespace[1]) if self.namespace[1] else []
        if self.uid is not None:
            return _scan.of_user(self.uid)
        return _scan.below(self.prepared.pid) if self.prepared.pid else []

    def enders(self) -> list[int]:
        """Pidfds of the init of its process namespace and of the process that started it."""
        if self.rung is Rung.R2:
            return [handle for handle in (self.namespace[2], self.prepared.handle) if handle >= 0]
        # R3: the keeper must live until its children are gone, or they would leave its tree.
        return []

    def spare(self) -> frozenset[int]:
        """The init of its process namespace is ours; it only waits."""
        return frozenset({self.namespace[0]} - {0})

    def set_exited(self, code: int, cpu_s: float, peak: int) -> None:
        """The spawner reports the end of that process: what is left of the sandbox goes with it."""
        if self._finishing is not None:
            return
        self.usage.sample(self.workspace_fd)
        self.end_now()
        self._finishing = (code, time.monotonic() + _LAST_OUTPUT_S, peak, cpu_s)

    def end_now(self) -> None:
        """Kill without waiting; used where a limit was passed and when the main process has ended."""
        if self.group is not None:
            self.group.kill()
            return
        for handle in self.enders():
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        if self.rung is Rung.R3:
            _scan.kill_all(self.members, spare=frozenset(), deadline=time.monotonic() + 0.2)

    def finish_if_done(self) -> bool:
        """Complete the end when all output was read, or after a last moment for it. True when ended."""
        if self._exit is not None:
            return True
        if self._finishing is None:
            return False
        code, deadline, peak, cpu_s = self._finishing
        if any(capture.open for capture in self.captures) and time.monotonic() < deadline:
            return False
        number = -code if code < 0 else code - _SIGNAL_BASE if code > _SIGNAL_BASE else 0
        output = self.output()
        self.usage.note_end(number, output, cpu_s)
        self._exit = Exit(
            code=-1 if number else code,
            signal=number,
            limits_hit=self.usage.limits_hit(),
            cpu_s=max(cpu_s, self.usage.cpu_s),
            memory_peak_bytes=self.usage.memory_peak_bytes or peak,
        )
        self._ended.set()
        return True

    @property
    def ended(self) -> bool:
        """Whether `wait` has an answer."""
        return self._exit is not None

    def sample(self) -> None:
        """Look at what it uses; kill it where a limit is passed that the kernel does not hold."""
        if self._finishing is not None or not self.live:
            return
        members = [] if self.group is not None else self.members()
        if self.usage.sample(self.workspace_fd, members):
            self.end_now()

    def release(self) -> None:
        """Close our descriptors."""
        for handle in (self.workspace_fd, self.namespace[2]):
            if handle >= 0:
                os.close(handle)
        self.prepared.dismiss()
        self.workspace_fd = -1
        self.namespace = (0, self.namespace[1], -1)
