"""What a sandbox uses, which limits it ran into, and whether the supervisor must end it."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from subcritical.sandbox import _scan
from subcritical.sandbox._cgroups import Group
from subcritical.sandbox.spec import Limits, Output

_ORDER = ("memory", "processes", "disk", "inodes", "cpu", "output")
_MOST_ENTRIES = 50_000
_BLOCK = 512


class Usage:
    """Use of one sandbox so far. Called from the drain thread alone."""

    def __init__(self, limits: Limits, group: Group | None) -> None:
        """`group` is the control group that holds the limits, if there is one."""
        self._limits = limits
        self._group = group
        self._hit: set[str] = set()
        self.walk_disk = False
        self.user_limit: tuple[int, int] | None = None
        """Where the kernel counts all processes of a user (R3, unprivileged): that user, and how many it allows."""
        self.cpu_s = 0.0
        self.memory_peak_bytes = 0

    def sample(self, workspace: int, members: Sequence[_scan.Seen] = ()) -> bool:
        """Look once; True where a limit is passed that only the supervisor can enforce.

        Args:
            workspace: Directory descriptor of the workspace, or -1.
            members: Its processes, where no control group counts them.
        """
        over = False
        if self._group is not None:
            self.cpu_s = max(self.cpu_s, self._group.cpu_s())
            self.memory_peak_bytes = max(self.memory_peak_bytes, self._group.memory_peak_bytes())
            self._hit |= self._group.limits_hit()
        elif members:
            self.cpu_s = max(self.cpu_s, _scan.cpu_seconds(members))
            memory = _scan.resident_bytes(members)
            self.memory_peak_bytes = max(self.memory_peak_bytes, memory)
            if memory > self._limits.memory_bytes:
                self._hit.add("memory")
                over = True
            if self._is_full(len(members)):
                self._hit.add("processes")
        if self.cpu_s > self._limits.cpu_s:
            self._hit.add("cpu")
            over = True
        return self._sample_disk(workspace) or over

    def _is_full(self, count: int) -> bool:
        """The kernel does not tell that it refused a fork; close to the limit it probably did."""
        limit = self._limits.processes
        if self.user_limit is not None:
            user, limit = self.user_limit
            count = _scan.count_threads(user)
        return count >= limit - self._limits.processes // 8

    def _sample_disk(self, workspace: int) -> bool:
        if workspace < 0:
            return False
        if not self.walk_disk:
            status = os.fstatvfs(workspace)
            # A file system of ours has our size; that of a host workspace says nothing about this sandbox.
            if status.f_blocks and status.f_blocks * status.f_frsize <= self._limits.disk_bytes + status.f_frsize:
                self._hit |= {"disk"} if status.f_bavail == 0 else set()
                self._hit |= {"inodes"} if status.f_files and status.f_ffree == 0 else set()
            return False
        count, size = measure_tree(workspace)
        passed = {name for name, over in self._passed(count, size) if over}
        self._hit |= passed
        return bool(passed)

    def _passed(self, count: int, size: int) -> tuple[tuple[str, bool], ...]:
        return ("inodes", count > self._limits.inodes), ("disk", size > self._limits.disk_bytes)

    def note_end(self, number: int, output: Output, cpu_s: float) -> None:
        """Conclude from how it ended. A payload can fake the signs, so these are hints where no group counts."""
        if number == signal.SIGXCPU or (number == signal.SIGKILL and max(cpu_s, self.cpu_s) >= self._limits.cpu_s):
            self._hit.add("cpu")
        if number == signal.SIGXFSZ or b"File too large" in output.stderr[-2000:]:
            self._hit.add("disk")
        if self._group is None and b"MemoryError" in output.stderr[-2000:]:
            self._hit.add("memory")
        if output.truncated:
            self._hit.add("output")

    def limits_hit(self) -> tuple[str, ...]:
        """Names in a fixed order."""
        return tuple(name for name in _ORDER if name in self._hit)


def measure_tree(directory: int) -> tuple[int, int]:
    """Entries and allocated bytes below a directory, following nothing, for at most `_MOST_ENTRIES` entries.

    Reaching that number counts as passing any limit.
    """
    count = size = 0
    todo = [os.dup(directory)]
    try:
        while todo:
            place = todo.pop()
            try:
                for name in os.listdir(place):
                    count += 1
                    if count > _MOST_ENTRIES:
                        return 1 << 62, 1 << 62
                    size += _measure_entry(place, name, todo)
            finally:
                os.close(place)
    finally:
        for place in todo:
            os.close(place)
    return count, size


def _measure_entry(place: int, name: str, todo: list[int]) -> int:
    try:
        status = os.stat(name, dir_fd=place, follow_symlinks=False)
        if (status.st_mode & 0o170000) == 0o040000 and len(todo) < 200:  # noqa: PLR2004 - our own descriptors are few
            todo.append(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place))
    except OSError:
        return 0  # gone meanwhile, or not for us to read
    return status.st_blocks * _BLOCK
