"""Starts the two helper processes of a run and talks to them: the spawner and the watcher."""

from __future__ import annotations

import contextlib
import marshal
import os
import random
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from subcritical.errors import ContainmentError

_FIRST_UID, _LAST_UID = 0x70000000, 0x7FFD0000
_FIRST_SMALL_UID, _LAST_SMALL_UID = 60_100, 61_100
_LARGEST_PACKET = 1 << 17
_MOST_HANDLES = 60


_BOOTSTRAP = """
import importlib, sys, types
for name, place in {places}.items():
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [place]
importlib.import_module({module!r}).main(*{arguments})
"""


class UserIds:
    """User ids that no account uses by convention: another one for each sandbox of this machine, as far as chance goes.

    The range is far above those of accounts and of containers. Where we are ourselves in a
    container whose user namespace is smaller, a small range at its upper end serves, and ids are
    checked against the processes that run.
    """

    def __init__(self) -> None:
        """Begin at a random place of the range.

        Raises:
            ContainmentError: This user namespace has no spare ids.
        """
        top = max(_mapped_uids())
        self._small = top <= _LAST_UID
        self._first, self._last = (_FIRST_SMALL_UID, _LAST_SMALL_UID) if self._small else (_FIRST_UID, _LAST_UID)
        if top < self._last:
            raise ContainmentError(f"no spare user id: this user namespace ends at {top}; run unprivileged instead")
        self._next = random.SystemRandom().randrange(self._first, self._last)

    def take(self) -> int:
        """The next free one."""
        used = _used_uids() if self._small else frozenset[int]()
        for _ in range(_LAST_SMALL_UID - _FIRST_SMALL_UID + 1):
            self._next = self._next + 1 if self._next < self._last else self._first
            if self._next not in used:
                return self._next
        raise ContainmentError("no spare user id: all are in use")


def _used_uids() -> frozenset[int]:
    used = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                used.add(os.stat(f"/proc/{name}").st_uid)
    return frozenset(used)


def _mapped_uids() -> list[int]:
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    return [int(start) + int(count) - 1 for start, _, count in (line.split() for line in lines)] or [0]


class _Helper:
    """A process of ours in its own session, at the other end of a packet socket.

    It gets this interpreter and two modules of this room, but none of the packages around them:
    their imports would be most of its start and of its memory.
    """

    def __init__(
        self, module: str, *arguments: float, close_fds: bool = True, inherit_environment: bool = False
    ) -> None:
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = theirs.fileno()
        here = Path(__file__).parent
        places = {"subcritical": str(here.parent), "subcritical.sandbox": str(here)}
        begin = _BOOTSTRAP.format(places=places, module=module, arguments=(number, *arguments))
        command = [sys.executable, "-I", "-S", "-B", "-c", begin]
        if not close_fds:
            theirs.set_inheritable(True)
        self.process = subprocess.Popen(
            command,
            pass_fds=(number,) if close_fds else (),
            close_fds=close_fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env=None if inherit_environment else {},
        )
        theirs.close()

    def end(self, timeout_s: float) -> None:
        self.line.close()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Spawner(_Helper):
    """Forks sandboxes. Its messages are read by the drain thread; orders may come from any thread."""

    def __init__(self, *, without: frozenset[str]) -> None:
        """Start it."""
        super().__init__(
            "subcritical.sandbox._spawner",
            close_fds="close_fds" not in without,
            inherit_environment="clear_environment" in without,
        )
        self._lock = threading.Lock()

    def configure(self, *, dead_man: bool, kill_files: Sequence[str], adopts: bool) -> None:
        """Say what it shall do when this process is gone; `adopts`: orphans come to it, and it ends them."""
        with self._lock:
            self.line.send(marshal.dumps({"dead_man": dead_man, "kill_files": list(kill_files), "adopts": adopts}))

    def signal_namespaces(self, number: int, targets: Sequence[int], *, timeout_s: float) -> bool:
        """Have every process of some process namespaces signalled; `targets` are pidfds of their inits.

        Returns whether all of them were, within `timeout_s`. The thread that waits is the one that
        goes on, because on a busy machine every change of threads costs.

        Raises:
            ContainmentError: The spawner is gone.
        """
        done_in, done_out = os.pipe2(os.O_CLOEXEC)
        try:
            for first in range(0, len(targets), _MOST_HANDLES):
                handles = [*targets[first : first + _MOST_HANDLES], done_out]
                with self._lock:
                    socket.send_fds(self.line, [marshal.dumps({"signal": int(number)})], handles)
        except OSError as error:
            os.close(done_in)
            raise ContainmentError(f"the process that starts sandboxes is gone ({error})") from None
        finally:
            os.close(done_out)
        try:
            return _count_until_closed(done_in, timeout_s) == len(targets)
        finally:
            os.close(done_in)

    def prepare(self, plan: dict[str, Any]) -> socket.socket:
        """Fork one child ahead of time; returns our end of its line.

        Raises:
            ContainmentError: The spawner is gone.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with self._lock:
                socket.send_fds(self.line, [marshal.dumps(plan)], [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise ContainmentError(
                f"the process that starts sandboxes is gone ({error}); start the run again"
            ) from None
        finally:
            theirs.close()
        return ours


def _count_until_closed(pipe: int, timeout_s: float) -> int:
    """Bytes that came until nobody could write any more; what comes later than `timeout_s` does not count."""
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    deadline, count = time.monotonic() + timeout_s, 0
    while poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
        data = os.read(pipe, 4096)
        if not data:
            break
        count += len(data)
    return count


def send_order(line: socket.socket, order: dict[str, Any], handles: Sequence[int]) -> None:
    """Tell a prepared child what it shall be.

    Raises:
        ContainmentError: The order is too long, or the child is gone.
    """
    data = marshal.dumps(order)
    if len(data) > _LARGEST_PACKET:
        raise ContainmentError("too many paths for one sandbox: grant a directory instead of its files")
    try:
        socket.send_fds(line, [data], handles)
    except OSError as error:
        raise ContainmentError(f"a sandbox ended before it began ({error})") from None


class Watcher(_Helper):
    """The dead man's switch. Lease: it kills when it is not renewed in time."""

    def __init__(self, *, lease_s: float, kill_file: Path | None, uid: int) -> None:
        """Start it; with a `uid` other than 0 it changes to that user and keeps only what it holds open."""
        super().__init__("subcritical.sandbox._watcher", lease_s, uid)
        self._lock = threading.Lock()
        if kill_file is not None:
            handle = os.open(kill_file, os.O_WRONLY | os.O_CLOEXEC)
            try:
                self._send(b"file", [handle])
            finally:
                os.close(handle)

    def _send(self, word: bytes, handles: Sequence[int] = ()) -> None:
        try:
            with self._lock:
                socket.send_fds(self.line, [word], handles)
        except OSError as error:
            raise ContainmentError(f"the dead man's switch is gone ({error}); start the run again") from None

    def add_process(self, handle: int) -> None:
        """Kill this process, too, when the supervisor is gone."""
        self._send(b"process", [handle])

    def renew(self) -> None:
        """The supervisor is alive."""
        self._send(b"lease")

    def dismiss(self) -> None:
        """An orderly end: nothing is left to kill."""
        with contextlib.suppress(ContainmentError):
            self._send(b"bye")
        self.end(2.0)
