"""A child that the spawner forked ahead of time, waiting to become a sandbox."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

from subcritical.errors import ContainmentError
from subcritical.sandbox._cgroups import Group
from subcritical.sandbox._keepers import Spawner

_ANSWER_TIMEOUT_S = 30.0
_NICENESS = 10
"""Without a freezer the supervisor stops processes one by one while they run: it must get the CPU before they do."""


class Prepared:
    """One such child. `number` identifies it, and later its sandbox, to the spawner."""

    def __init__(
        self, spawner: Spawner, *, number: int, group: Group | None, base: dict[str, Any] | None, dead_man: bool
    ) -> None:
        """Ask for it; returns before it exists.

        Args:
            spawner: Who forks it.
            number: Never used before in this run.
            group: Its control group, R1 only.
            base: The file tree of every sandbox, or None where there is no mount namespace.
            dead_man: Whether it dies with the spawner.
        """
        self.number = number
        self.group = group
        self.pid = 0
        self.handle = -1
        self._known = threading.Event()
        plan = {
            "id": number,
            "group": None if group is None else str(group.path),
            "entries": [] if group is None else group.entries,
            "base": base,
            "user_namespace": os.getuid() != 0,
            "dead_man": dead_man,
            "niceness": 0 if group is not None else _NICENESS,
        }
        self.line: socket.socket = spawner.prepare(plan)

    def set_forked(self, pid: int, handle: int) -> None:
        """The spawner reports that it exists."""
        self.pid, self.handle = pid, handle
        self._known.set()

    def wait(self) -> None:
        """Wait until it exists.

        Raises:
            ContainmentError: The spawner does not answer.
        """
        if not self._known.wait(_ANSWER_TIMEOUT_S):
            raise ContainmentError("the process that starts sandboxes does not answer; start the run again")

    def dismiss(self) -> None:
        """It is not needed: at the end of its line it exits."""
        self.line.close()
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
