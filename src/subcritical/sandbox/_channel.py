"""The control channel to a sandbox that is starting: bounded waits, and time that is frozen does not count."""

from __future__ import annotations

import marshal
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from subcritical.errors import ContainmentError
from subcritical.sandbox._pauses import Pauses

_LARGEST_ANSWER = 4096
_LARGEST_INFO = 4096
_LOOK_S = 0.05


class StartTimeoutError(ContainmentError):
    """A sandbox did not start in time."""


class Channel:
    """Our end of the control channel of one sandbox."""

    def __init__(
        self, line: socket.socket, *, name: str, timeout_s: float, pauses: Pauses, look: Callable[[], None]
    ) -> None:
        """`timeout_s` covers the whole start, time frozen apart; `look`, called while nothing comes, may raise."""
        self._line = line
        self._line.setblocking(False)
        self._name = name
        self._timeout_ns = int(timeout_s * 1e9)
        self._begin_ns = time.monotonic_ns()
        self._pauses = pauses
        self._look = look
        self._paused_before_ns = pauses.total_ns()

    def _wait(self, handle: int, event: int) -> None:
        poller = select.poll()
        poller.register(handle, event)
        while not poller.poll(_LOOK_S * 1000):
            self._look()
            frozen = self._pauses.total_ns() - self._paused_before_ns
            if time.monotonic_ns() - self._begin_ns - frozen > self._timeout_ns:
                raise StartTimeoutError(f"sandbox {self._name} did not start within {self._timeout_ns / 1e9:.0f} s")

    def receive(self, wanted: bytes) -> list[int]:
        """Wait for one word from the other side; returns the descriptors that came with it.

        Raises:
            ContainmentError: It reported a failure, ended, or took too long.
        """
        self._wait(self._line.fileno(), select.POLLIN)
        try:
            data, handles, _, _ = socket.recv_fds(
                self._line, _LARGEST_ANSWER if wanted != b"W" else 1, 4, socket.MSG_CMSG_CLOEXEC
            )
        except OSError as error:
            raise ContainmentError(f"sandbox {self._name} failed while starting: {error}") from None
        if data == wanted:
            return handles
        if data[:1] == b"E":
            data += self._rest()
            raise ContainmentError(f"sandbox {self._name} cannot be set up: {data[1:].decode('utf-8', 'replace')}")
        raise ContainmentError(f"sandbox {self._name} ended while it was being set up")

    def _rest(self) -> bytes:
        try:
            return self._line.recv(_LARGEST_ANSWER)
        except OSError:
            return b""

    def send_order(self, order: dict[str, Any]) -> None:
        """Send what the shim needs, files included."""
        data = marshal.dumps(order)
        view = memoryview(len(data).to_bytes(8, "little") + data)
        while view:
            try:
                view = view[self._line.send(view) :]
            except BlockingIOError:
                self._wait(self._line.fileno(), select.POLLOUT)
            except OSError:
                return  # the other end failed; what it said is read next

    def go(self) -> None:
        """Let the payload begin."""
        try:
            self._line.send(b"G")
        except OSError as error:
            raise ContainmentError(f"sandbox {self._name} ended while it was being set up ({error})") from None

    def read_info(self, handle: int) -> bytes:
        """What bubblewrap says about the processes it made; empty where it failed before."""
        data = b""
        while len(data) < _LARGEST_INFO and not data.rstrip().endswith(b"}"):
            self._wait(handle, select.POLLIN | select.POLLHUP)
            part = os.read(handle, _LARGEST_INFO)
            if not part:
                break
            data += part
        return data

    def close(self) -> None:
        """Close our end."""
        self._line.close()
