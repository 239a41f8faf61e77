"""One thread per run that reads everything sandboxes write, learns of their ends, and looks at their use.

Reading in one place is what keeps a payload that fills both pipes from blocking anyone: the bytes
beyond the cap are read and dropped.
"""

from __future__ import annotations

import marshal
import os
import re
import selectors
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

_CHUNK = 1 << 16
_LONGEST_STATUS = 4096
_EXIT_CODE = re.compile(rb'"exit-code"\s*:\s*(\d+)')


class Stream(ABC):
    """Something that a sandbox or its bubblewrap writes; the drain thread reads it until its end."""

    def __init__(self, handle: int) -> None:
        """Read from `handle`, which is closed at the end."""
        self.handle = handle
        self.open = True

    def read(self) -> None:
        """Take one chunk."""
        try:
            data = os.read(self.handle, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.open = False
        self.take(data)

    @abstractmethod
    def take(self, data: bytes) -> None:
        """Use what was read; empty at the end."""


class Capture(Stream):
    """What is kept of one output: a bounded head, and a count of the rest."""

    def __init__(self, handle: int, cap: int) -> None:
        """Keep at most `cap` bytes."""
        super().__init__(handle)
        self.cap = cap
        self.kept = bytearray()
        self.dropped = 0

    def take(self, data: bytes) -> None:
        """Keep what has room."""
        room = max(0, self.cap - len(self.kept))
        self.kept += data[:room]
        self.dropped += max(0, len(data) - room)


class Status(Stream):
    """Bubblewrap's own report; it tells the exit code before the monitor is gone, which takes longer."""

    def __init__(self, handle: int, on_exit: Callable[[int], None]) -> None:
        """`on_exit` gets the exit code."""
        super().__init__(handle)
        self._text = b""
        self._on_exit = on_exit

    def take(self, data: bytes) -> None:
        """Look for the exit code. Only bubblewrap holds the other end, and it is closed for the payload."""
        self._text = (self._text + data)[-_LONGEST_STATUS:]
        found = _EXIT_CODE.search(self._text)
        if found is not None:
            self._text = b""
            self._on_exit(int(found[1]))


class Drain:
    """The thread. `on_report` gets the spawner's messages, `on_tick` is called several times a second."""

    def __init__(
        self,
        line: socket.socket,
        *,
        on_report: Callable[[dict[str, Any], list[int]], None],
        on_lost: Callable[[], None],
        on_tick: Callable[[], float],
    ) -> None:
        """`on_tick` returns after how many seconds it wants to be called again; `on_lost`: the spawner is gone."""
        self._line = line
        self._on_report, self._on_lost, self._on_tick = on_report, on_lost, on_tick
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._new: list[Stream] = []
        self._stopping = False
        self._selector.register(line, selectors.EVENT_READ)
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="sandbox-drain", daemon=True)
        self._thread.start()

    def add(self, *streams: Stream) -> None:
        """Start reading these streams; each is closed at its end."""
        with self._lock:
            self._new += streams
        self._wake()

    def stop(self) -> None:
        """End the thread; streams that are still open are closed."""
        self._stopping = True
        self._wake()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, Stream):
                os.close(key.data.handle)
        self._selector.close()
        os.close(self._wake_in)
        os.close(self._wake_out)

    def _wake(self) -> None:
        try:
            os.write(self._wake_out, b".")
        except BlockingIOError:
            return  # it is being woken already

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stopping:
            for key, _ in self._selector.select(pause_s):
                self._serve(key)
            with self._lock:
                new, self._new = self._new, []
            for stream in new:
                self._selector.register(stream.handle, selectors.EVENT_READ, stream)
            pause_s = self._on_tick()

    def _serve(self, key: selectors.SelectorKey) -> None:
        if isinstance(key.data, Stream):
            key.data.read()
            if not key.data.open:
                self._selector.unregister(key.data.handle)
                os.close(key.data.handle)
        elif key.fd == self._wake_in:
            os.read(self._wake_in, _CHUNK)
        else:
            self._receive()

    def _receive(self) -> None:
        try:
            data, handles, _, _ = socket.recv_fds(self._line, _CHUNK, 4, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            data, handles = b"", []
        if not data:
            self._selector.unregister(self._line)
            self._on_lost()
            return
        self._on_report(marshal.loads(data), handles)  # noqa: S302 - from the spawner that we started
