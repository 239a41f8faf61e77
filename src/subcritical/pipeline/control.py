"""Orders from another terminal, over an owner-only Unix socket in the run's directory.

One line of JSON in, one line out. A peer must have the owner's uid, our pid namespace, and a
control group outside every guest; who it is, the kernel says, never the message. `by` is what the
person calls himself and proves nothing: one operator until approvals bring principals.

A stop is served while the pipeline is busy: each connection has a thread of its own, and an order
takes no lock that an evaluation holds.

A vote about a proposal is different: its signature says whose it is, whoever carries it here.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Self

import msgspec

from subcritical.clock import SystemClock
from subcritical.errors import ContainmentError, InputError, SourceError, SubcriticalError
from subcritical.pipeline._peer import own_groups, peer_of, refusal_of_peer, within
from subcritical.pipeline._place import (
    POINTER_NAME,
    SOCKET_NAME,
    make_private,
    place_of,
    short_directory,
    write_pointer,
)
from subcritical.pipeline.messages import Message, Reply, WaitsError
from subcritical.pipeline.pipeline import Pipeline
from subcritical.pipeline.several import REVIEW, Admitted, Several
from subcritical.pipeline.status import Status
from subcritical.schema import Order, Receipt, visible

_MESSAGE_BYTES_MAX = 64 * 1024
_REPLY_BYTES_MAX = 1 << 20
_CONNECTIONS = 8
_BACKLOG = 16
_PEER_TIMEOUT_S = 2.0
_RETRY_S = 0.05
_LINGER_S = 0.2
_NANOSECONDS = 1_000_000_000


class ControlServer:
    """Serves one run's control socket until closed; also a context manager."""

    def __init__(
        self,
        pipeline: Pipeline,
        run_directory: Path,
        *,
        guest_groups: Sequence[str] = (),
        cast: Callable[[str], str] | None = None,
        correct: Callable[[str], str] | None = None,
        several: Several | None = None,
    ) -> None:
        """Bind the socket and begin to serve.

        Args:
            pipeline: Who carries the orders out.
            run_directory: Made owner-only; `control.sock` appears in it with mode 0600.
            guest_groups: Control groups of this run's sandboxes, as `/proc/PID/cgroup` writes them.
            cast: Takes a signed vote and says what became of it; None where nobody votes.
            correct: Takes a signed correction and says what became of it; None where nobody corrects.
            several: Counts people for orders that loosen; None where one is enough.

        Raises:
            ContainmentError: The directory is not ours, or no socket can be made.
            InputError: This process itself lies in one of `guest_groups`, or another run serves here.
        """
        if any(within(group, guest_groups) for group in own_groups()):
            raise InputError("the supervisor lies in a guest's control group: nobody could give it orders")
        self._pipeline = pipeline
        self._guest_groups = tuple(guest_groups)
        self._takes = {"vote": cast, "correct": correct}
        self._several = several
        self._free = threading.BoundedSemaphore(_CONNECTIONS)
        self._ended = threading.Event()
        make_private(run_directory)
        self._place, self._socket = _bind(run_directory)
        self._thread = threading.Thread(target=self._serve, name="subcritical-control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and remove the socket. Harmless when repeated."""
        if self._ended.is_set():
            return
        self._ended.set()
        with contextlib.suppress(OSError):  # Wakes the thread where it waits for a peer.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(_PEER_TIMEOUT_S)
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            (self._place / SOCKET_NAME).unlink()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                # Closed; or out of descriptors, or the peer left: wait a little and serve the next one.
                self._ended.wait(_RETRY_S)
                continue
            if not self._free.acquire(timeout=_PEER_TIMEOUT_S):
                connection.close()
                continue
            threading.Thread(target=self._attend, args=(connection,), name="subcritical-order", daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_PEER_TIMEOUT_S)
                reply = self._answer(connection)
                with contextlib.suppress(OSError):  # The peer left; what it ordered is done all the same.
                    connection.sendall(msgspec.json.encode(reply) + b"\n")
                    _linger(connection)
        finally:
            self._free.release()

    def _answer(self, connection: socket.socket) -> Reply:
        try:
            refusal = refusal_of_peer(connection, self._guest_groups)
            if refusal:
                return Reply(error=f"refused: {refusal}")
            message = msgspec.json.decode(_line(connection, _MESSAGE_BYTES_MAX, _PEER_TIMEOUT_S), type=Message)
            return self._carry_out(message)
        except (msgspec.MsgspecError, UnicodeError, ValueError) as error:
            return Reply(error=f"unreadable order: {visible(str(error), 300)}")
        except (SubcriticalError, OSError) as error:
            return Reply(error=str(error))
        except Exception as error:  # noqa: BLE001 - the next order must still be served; this one is answered as failed
            return Reply(error=f"the order failed: {type(error).__name__}: {visible(str(error), 300)}")

    def _carry_out(self, message: Message) -> Reply:
        if message.order == "status":
            return Reply(status=self._pipeline.status())
        if message.order in self._takes:
            return Reply(told=self._taken(message))
        admitted = self._admitted(message)
        if admitted.told:
            return Reply(told=admitted.told)
        if message.order == REVIEW:
            self._pipeline.review(admitted.by, admitted.reason)
            return Reply(status=self._pipeline.status())
        if message.order not in set(Order):
            raise InputError(f"no order is called {visible(message.order, 64)}")
        receipt = self._pipeline.order(
            Order(message.order),
            admitted.by,
            admitted.reason,
            message.findings,
            argument=message.argument,
            dry_run=message.dry_run,
            mark=admitted.mark,
        )
        return Reply(receipt=receipt)

    def _taken(self, message: Message) -> str:
        take = self._takes[message.order]
        if take is None:
            raise InputError("nobody is enrolled in this run: name `oversight.principals` in its loop file")
        return take(message.argument)

    def _admitted(self, message: Message) -> Admitted:
        """Who gives the order: whoever says so; those who signed it, where it loosens and takes several people."""
        several = None if message.dry_run else self._several
        if several is None or not several.takes(message.order, message.argument):
            return Admitted(by=message.by, reason=message.reason)
        return several.admit(message.order, message.argument, message.findings, message.signed)


def send_order(
    run_directory: Path,
    order: Order,
    *,
    by: str,
    reason: str = "",
    findings: Sequence[str] = (),
    argument: str = "",
    dry_run: bool = False,
    signed: str = "",
    timeout_s: float = 20.0,
) -> Receipt:
    """Send one order to a live run and return its receipt.

    Args:
        run_directory: The run's directory.
        order: What to do.
        by: Who asks.
        reason: Why; recorded.
        findings: Ids a resume names.
        argument: Number for `throttle` (or `off`), version for `roll_back`.
        dry_run: Only say what would happen.
        signed: The order, signed, where the run asks for that.
        timeout_s: How long to wait for the answer; the order may be carried out even if it is late.

    Raises:
        InputError: The run is not alive, or it refused the caller or could not read the order.
        WaitsError: The order is counted, and takes another person.
        SourceError: The answer is late or unreadable.
    """
    message = Message(
        order=order.value,
        by=by,
        reason=reason,
        findings=tuple(findings),
        argument=argument,
        dry_run=dry_run,
        signed=signed,
    )
    reply = _exchange(run_directory, message, timeout_s)
    if reply.told:
        raise WaitsError(reply.told)
    if reply.receipt is None:
        raise SourceError(f"the run at {run_directory} sent no receipt; ask for its status")
    return reply.receipt


def send_review(run_directory: Path, *, by: str, reason: str, signed: str = "", timeout_s: float = 20.0) -> Status:
    """Record in a live run that a person looked at it; its status afterwards. Raises like `send_order`."""
    return _status(run_directory, Message(order=REVIEW, by=by, reason=reason, signed=signed), timeout_s)


def send_status(run_directory: Path, *, timeout_s: float = 20.0) -> Status:
    """Where a live run stands. Raises like `send_order`."""
    return _status(run_directory, Message(order="status"), timeout_s)


def send_signed(run_directory: Path, what: Literal["vote", "correct"], signed: str, timeout_s: float = 20.0) -> str:
    """Hand a signed vote or correction to a live run; what became of it. Raises like `send_order`."""
    return _exchange(run_directory, Message(order=what, argument=signed), timeout_s).told


def _status(run_directory: Path, message: Message, timeout_s: float) -> Status:
    reply = _exchange(run_directory, message, timeout_s)
    if reply.status is None:
        raise SourceError(f"the run at {run_directory} sent no status; ask again")
    return reply.status


def _exchange(run_directory: Path, message: Message, timeout_s: float) -> Reply:
    try:
        line = msgspec.json.encode(message) + b"\n"
    except UnicodeEncodeError as error:
        raise InputError("the order holds text that is not Unicode") from error
    if len(line) > _MESSAGE_BYTES_MAX:
        raise InputError(f"the order has {len(line)} bytes, at most {_MESSAGE_BYTES_MAX} are taken: shorten the reason")
    with _connected(run_directory, timeout_s) as connection:
        try:
            # A server that refuses answers before it reads, so a broken pipe here may still have an answer behind it.
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(line)
            reply = msgspec.json.decode(_line(connection, _REPLY_BYTES_MAX, timeout_s), type=Reply)
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            raise SourceError(
                f"the run at {run_directory} gave no usable answer: {error}; ask for its status"
            ) from error
    if reply.error:
        raise InputError(f"the run at {run_directory} did not take the order: {reply.error}")
    return reply


@contextlib.contextmanager
def _connected(run_directory: Path, timeout_s: float) -> Iterator[socket.socket]:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    with connection:
        connection.settimeout(timeout_s)
        try:
            with _address(place_of(run_directory)) as address:
                connection.connect(address)
        except PermissionError as error:
            raise InputError(f"the run at {run_directory} is another user's: only its owner gives orders") from error
        except OSError as error:
            raise InputError(
                f"the run at {run_directory} is not alive: nobody answers on its control socket"
            ) from error
        if peer_of(connection).uid not in (os.geteuid(), 0):
            raise InputError(f"the control socket of {run_directory} is another user's: nothing was sent")
        yield connection


@contextlib.contextmanager
def _address(place: Path) -> Iterator[str]:
    """An address of the socket in `place` that is short whatever the path is, and immune to a swapped parent."""
    descriptor = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def _bind(run_directory: Path) -> tuple[Path, socket.socket]:
    try:
        bound = _bound(run_directory)
    except OSError:
        return _bind_elsewhere(run_directory)
    (run_directory / POINTER_NAME).unlink(missing_ok=True)
    return run_directory, bound


def _bind_elsewhere(run_directory: Path) -> tuple[Path, socket.socket]:
    """For a run directory on a file system that holds no sockets."""
    place = short_directory(run_directory)
    make_private(place.parent)
    make_private(place)
    try:
        bound = _bound(place)
        write_pointer(run_directory, place)
    except OSError as error:
        raise ContainmentError(f"no control socket can be made in {run_directory} or {place}: {error}") from error
    return place, bound


def _bound(place: Path) -> socket.socket:
    """A listening socket in `place`, mode 0600 from its first moment: the directory is owner-only already."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        with _address(place) as address:
            _clear_stale(address, place)
            server.bind(address)
            os.chmod(address, 0o600)  # noqa: PTH101 - through the descriptor, not by a path that could be swapped
        server.listen(_BACKLOG)
    except BaseException:
        server.close()
        raise
    return server


def _clear_stale(address: str, place: Path) -> None:
    """Remove the socket of a supervisor that died; never that of one that lives."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.settimeout(_PEER_TIMEOUT_S)
        try:
            probe.connect(address)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            os.unlink(address)  # noqa: PTH108 - through the descriptor, not by a path that could be swapped
            return
    raise InputError(f"another supervisor serves {place}: stop that run first")


def _linger(connection: socket.socket) -> None:
    """Let the peer read the answer: closing on bytes that were not read would reset the connection under it."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(_LINGER_S)
    for _ in range(1 + _MESSAGE_BYTES_MAX // 4096):
        if not connection.recv(65536):
            return


def _line(connection: socket.socket, most: int, timeout_s: float) -> bytes:
    """One line of at most `most` bytes, all of it within `timeout_s`: a peer that drips gets no more time.

    Raises:
        OSError: The peer is too slow or gone.
        ValueError: The line is too long, or ends without a newline.
    """
    clock = SystemClock()
    deadline_ns = clock.boot_ns() + int(timeout_s * _NANOSECONDS)
    data = bytearray()
    while b"\n" not in data:
        left_ns = deadline_ns - clock.boot_ns()
        if left_ns <= 0:
            raise TimeoutError(f"no whole line within {timeout_s:g} s")
        connection.settimeout(left_ns / _NANOSECONDS)
        part = connection.recv(min(65536, most + 1 - len(data)))
        if not part:
            raise ValueError("the connection ended within a line")
        data += part
        if len(data) > most:
            raise ValueError(f"a line of more than {most} bytes")
    return bytes(data[: data.index(b"\n")])
