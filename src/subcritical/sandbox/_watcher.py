"""The dead man's switch: a process that only waits for the supervisor to be gone, and then kills.

It listens at one end of a sequenced-packet socket whose other end only the supervisor has. It holds
what it needs to kill as
open descriptors (a `cgroup.kill` file, or pidfds of the init processes of sandboxes) and gives up
every other power: its own session and, where it may, its own user.
"""

from __future__ import annotations

import os
import select
import signal
import socket

_MOST_TARGETS = 900


class _Watcher:
    def __init__(self, line: socket.socket, lease_s: float) -> None:
        self.line = line
        self.lease_ms = int(lease_s * 1000)
        self.files: list[int] = []
        self.processes: list[int] = []

    def watch(self) -> None:
        """Return when the supervisor said good-bye; kill when it is gone or has not renewed its lease."""
        poller = select.poll()
        poller.register(self.line, select.POLLIN)
        while poller.poll(self.lease_ms):
            try:
                data, handles, _, _ = socket.recv_fds(self.line, 64, 8)
            except OSError:
                break
            if not data:
                break
            if data == b"bye":
                return
            if data == b"file":
                self.files += handles
            elif data == b"process":
                self.forget_dead()
                self.processes += handles
        self.kill()

    def forget_dead(self) -> None:
        poller = select.poll()
        for handle in self.processes:
            poller.register(handle, select.POLLIN)
        for handle, _ in poller.poll(0):
            self.processes.remove(handle)
            os.close(handle)
        del self.processes[:-_MOST_TARGETS]

    def kill(self) -> None:
        for handle in self.files:
            try:
                os.write(handle, b"1")
            except OSError:
                continue  # this group is gone; the others still have to die
        for handle in self.processes:
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            except OSError:
                continue


def main(number: int, lease_s: float, uid: int) -> None:
    """Watch descriptor `number`; with a `uid` other than 0 change to that user first."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _Watcher(socket.socket(fileno=number), lease_s).watch()
