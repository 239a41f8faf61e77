"""Passes connections from one sandbox to one Unix socket of the host, and tells of each.

The payload never gets the host's socket itself: it connects to ours, so that every connection is
an event and their number is bounded. The bytes are not looked at.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
from collections.abc import Callable
from pathlib import Path

_CHUNK = 1 << 16
_MOST_CONNECTIONS = 64
_MOST_BUFFERED = 1 << 20


class _End:
    """One side of a connection: what was read from it and not yet written to the other."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.pending = bytearray()
        self.ended = False
        self.other: _End = self


class Relay:
    """A thread that accepts at `path` and connects each to `target`."""

    def __init__(self, path: Path, target: Path, on_connection: Callable[[], None]) -> None:
        """Listen. `on_connection` is called, in this thread, before the host's socket is opened."""
        self.path = path
        self._target = target
        self._on_connection = on_connection
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o666)  # the payload's user is not ours; only its sandbox shows this path
        self._listener.listen(16)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake_in, self._wake_out = os.pipe2(os.O_CLOEXEC)
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._ends = 0
        self._thread = threading.Thread(target=self._run, name="sandbox-relay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and every connection."""
        os.write(self._wake_out, b".")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, _End):
                key.data.line.close()
        self._selector.close()
        self._listener.close()
        os.close(self._wake_in)
        os.close(self._wake_out)
        self.path.unlink(missing_ok=True)

    def _run(self) -> None:
        while True:
            for key, events in self._selector.select():
                if key.fd == self._wake_in:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.data, _End):
                    self._move(key.data, events)

    def _accept(self) -> None:
        try:
            inner, _ = self._listener.accept()
        except OSError:
            return  # it hung up before we looked
        if self._ends >= 2 * _MOST_CONNECTIONS:
            inner.close()
            return
        outer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._on_connection()
            outer.connect(str(self._target))
        except OSError:
            inner.close()
            outer.close()
            return
        ends = _End(inner), _End(outer)
        ends[0].other, ends[1].other = ends[1], ends[0]
        for end in ends:
            end.line.setblocking(False)
            self._selector.register(end.line, selectors.EVENT_READ, end)
        self._ends += 2

    def _move(self, end: _End, events: int) -> None:
        try:
            if events & selectors.EVENT_READ and not end.ended:
                data = end.line.recv(_CHUNK)
                end.pending += data
                end.ended = not data
            if events & selectors.EVENT_WRITE:
                self._flush(end.other, end)
            self._flush(end, end.other)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(end)
            return
        if end.ended and end.other.ended and not end.pending and not end.other.pending:
            self._drop(end)
            return
        for side in (end, end.other):
            self._watch(side)

    @staticmethod
    def _flush(source: _End, sink: _End) -> None:
        if source.pending:
            with contextlib.suppress(BlockingIOError):
                del source.pending[: sink.line.send(source.pending)]
        if source.ended and not source.pending:
            with contextlib.suppress(OSError):
                sink.line.shutdown(socket.SHUT_WR)

    def _watch(self, end: _End) -> None:
        wanted = 0
        if not end.ended and len(end.pending) < _MOST_BUFFERED:
            wanted |= selectors.EVENT_READ
        if end.other.pending:
            wanted |= selectors.EVENT_WRITE
        known = end.line in self._selector.get_map()
        if wanted and known:
            self._selector.modify(end.line, wanted, end)
        elif wanted:
            self._selector.register(end.line, wanted, end)
        elif known:
            self._selector.unregister(end.line)

    def _drop(self, end: _End) -> None:
        for side in (end, end.other):
            if side.line in self._selector.get_map():
                self._selector.unregister(side.line)
            side.line.close()
        self._ends -= 2
