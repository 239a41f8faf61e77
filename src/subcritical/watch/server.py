"""The gate's socket: one question a connection, one answer, owner-only."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

from subcritical.errors import InputError
from subcritical.watch.calls import LINE_MAX, Call, Decision, parse_call

SOCKET_NAME = "gate.sock"
_CONNECTIONS = 32
_PEER_TIMEOUT_S = 5.0
_RETRY_S = 0.05


class GateServer:
    """Serves until closed; also a context manager.

    Not protected: whoever has the gate's own user id can connect, ask, and remove the socket, which denies everything.

    Args:
        decide: Judges a call; called from several threads.
        directory: Where `gate.sock` appears, mode 0600; its path must be short (about 100 bytes).

    Raises:
        InputError: No socket can be made there, or another gate serves there.
    """

    def __init__(self, decide: Callable[[Call], Decision], directory: Path) -> None:
        """Bind and begin to serve."""
        self._decide = decide
        self.path = directory / SOCKET_NAME
        self._free = threading.BoundedSemaphore(_CONNECTIONS)
        self._ended = threading.Event()
        self._socket = self._bound()
        self._thread = threading.Thread(target=self._serve, name="subcritical-gate", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and remove the socket. Harmless when repeated."""
        if self._ended.is_set():
            return
        self._ended.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(_PEER_TIMEOUT_S)
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _bound(self) -> socket.socket:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(OSError):
            listening.connect(str(self.path))
            listening.close()
            raise InputError(f"another gate serves at {self.path}")
        try:
            self.path.unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                listening.bind(str(self.path))
            finally:
                os.umask(before)
            listening.listen(_CONNECTIONS)
        except OSError as error:
            listening.close()
            raise InputError(
                f"{self.path}: no socket can be made: {error}; choose a shorter folder with --runs"
            ) from error
        return listening

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                peer, _ = self._socket.accept()
            except OSError:
                self._ended.wait(_RETRY_S)
                continue
            if not self._free.acquire(timeout=_PEER_TIMEOUT_S):
                peer.close()  # no answer is a denial
                continue
            threading.Thread(target=self._answer, args=(peer,), daemon=True).start()

    def _answer(self, peer: socket.socket) -> None:
        try:
            with peer:
                peer.settimeout(_PEER_TIMEOUT_S)
                line = _line(peer)
                try:
                    decision = self._decide(parse_call(line))
                except InputError as error:
                    decision = Decision(decision="reject", reason=str(error))
                peer.sendall(msgspec.json.encode(decision) + b"\n")
        except OSError:
            pass  # the peer is gone, or too slow: it has no answer, which denies
        finally:
            self._free.release()


def _line(peer: socket.socket) -> bytes:
    """The question: up to its line's end, or up to where the peer stops writing."""
    parts, size = [], 0
    while True:
        part = peer.recv(1 << 16)
        parts.append(part)
        size += len(part)
        if not part or part.endswith(b"\n"):
            return b"".join(parts)
        if size > LINE_MAX:
            raise OSError("too long")
