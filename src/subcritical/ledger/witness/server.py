"""The witness on the network: `POST /add-checkpoint` over HTTP, and nothing else.

Every client is hostile. A request has one deadline for all of its bytes, whatever it does; there is a fixed number of
threads; and when all are taken, the connection that has been sending for longest is cut to make room for the next. So
who sends slowly, or nothing, takes time from nobody but others who do.

Not protected: plain HTTP, so whoever is on the way can see and drop requests and answers, but not forge an answer:
cosignatures are checked by whoever asked. Nobody is asked for a password, and nobody who floods the port is kept out;
put a proxy in front of it where strangers reach it.
"""

from __future__ import annotations

import contextlib
import http.server
import ipaddress
import re
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from subcritical.errors import InputError, SourceError
from subcritical.ledger.tlog.witness_protocol import REQUEST_BYTES_MAX, TEXT_TYPE
from subcritical.ledger.witness.witness import Witness
from subcritical.schema import visible

PATH = "/add-checkpoint"
_THREADS = 32
_REQUEST_S = 10.0
_POLL_S = 0.25
_ROOM_S = 1.0
_DISCARD_BYTES_MAX = 1 << 20
_SHOWN = 500
_BOTH_WAYS = 2  # SHUT_RDWR
_LENGTH = re.compile(r"[0-9]{1,10}")


class WitnessServer(http.server.ThreadingHTTPServer):
    """Serves one witness. `serve_forever` runs until `shutdown` from another thread or an exception in its own."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self,
        witness: Witness,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        log: Callable[[str], None],
        threads: int = _THREADS,
        request_s: float = _REQUEST_S,
    ) -> None:
        """Bind the port; nothing is served yet.

        Args:
            witness: Who answers. It is not closed here.
            host: An IPv4 address.
            port: 0 for any free one, up to 65535.
            log: Takes one line about each request; everything hostile in it is already escaped.
            threads: Requests served at the same time, > 0.
            request_s: Seconds in which a whole request has to arrive, > 0.

        Raises:
            InputError: Not an IPv4 address, or a port out of range.
            SourceError: The port cannot be had.
        """
        if not 0 <= port <= 65535:  # noqa: PLR2004 - 16 bits
            raise InputError(f"witness port {port}: it is from 0 to 65535")
        try:
            address = str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise InputError(f"witness address {host!r}: write an IPv4 address such as 127.0.0.1") from error
        self.witness = witness
        self.request_s = request_s
        self._log = log
        self._free = threading.BoundedSemaphore(threads)
        self._guard = threading.Lock()
        self._sending: dict[Any, float] = {}  # connections whose request has not arrived, oldest first; deadlines
        try:
            super().__init__((address, port), _Handler)
        except OSError as error:
            raise SourceError(f"witness address {address}:{port}: {error.strerror or error}") from error

    @property
    def url(self) -> str:
        """Where it is reached: the address with the port that was really taken."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def server_bind(self) -> None:
        """Bind without asking a name server for our own name, which could take minutes."""
        super(http.server.HTTPServer, self).server_bind()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def serve_forever(self, poll_interval: float = _POLL_S) -> None:
        """Answer requests. Deadlines are kept to within `poll_interval` seconds."""
        super().serve_forever(poll_interval)

    def service_actions(self) -> None:
        """Cut every connection whose request is late."""
        now = time.monotonic()
        with self._guard:
            for connection in [each for each, deadline in self._sending.items() if deadline < now]:
                self._cut(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread, if need be at the cost of the one that has been sending for longest."""
        if not self._free.acquire(blocking=False):
            with self._guard:
                if self._sending:
                    self._cut(next(iter(self._sending)))
            if not self._free.acquire(timeout=_ROOM_S):
                self.shutdown_request(request)
                return
        with self._guard:
            self._sending[request] = time.monotonic() + self.request_s
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread to be had: the caller closes the connection
            self.arrived(request)
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection and give its place back, however it ended."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.arrived(request)
            self._free.release()

    def arrived(self, connection: Any) -> None:
        """From now on this connection is neither late nor the one to be cut."""
        with self._guard:
            self._sending.pop(connection, None)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - base class
        """A client that went away, or a fault of ours: one line, no traceback; the next request is served."""
        error = sys.exception()
        self.note(client_address[0], f"no answer, or one cut short: {type(error).__name__}: {error}")

    def note(self, client: str, text: str) -> None:
        """Write a line into the witness's log; what a client said is escaped."""
        with contextlib.suppress(OSError, ValueError):  # nobody reads the log: go on serving all the same
            self._log(f"{visible(client, 64)} {visible(text, _SHOWN)}")

    def _cut(self, connection: Any) -> None:
        """Wake the thread that waits for this connection; it then ends by itself. The guard is held."""
        self._sending.pop(connection, None)
        with contextlib.suppress(OSError):
            connection.shutdown(_BOTH_WAYS)


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request on one connection."""

    server: WitnessServer
    server_version = "subcritical-witness"
    sys_version = ""

    def setup(self) -> None:
        """No single wait is longer than a request may take; the server sees to the sum of them."""
        super().setup()
        self.connection.settimeout(self.server.request_s)

    def do_POST(self) -> None:
        """Answer `add-checkpoint`."""
        if self.path != PATH:
            self._refuse(HTTPStatus.NOT_FOUND, f"the only path is {PATH}")
            return
        length = self._length()
        if length is None:
            return
        body = self.rfile.read(length)
        self.server.arrived(self.connection)
        if len(body) < length:
            self.server.note(self.client_address[0], "the connection ended within a request, or was cut")
            return
        answer = self.server.witness.add_checkpoint(body)
        self._send(answer.status, answer.body, answer.content_type)
        self.server.note(self.client_address[0], f"{answer.status} {answer.reason}")

    def _length(self) -> int | None:
        """Length of the body; None where the request was refused for it."""
        given = self.headers.get_all("Content-Length", [])
        if not given or "Transfer-Encoding" in self.headers:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "a request needs a Content-Length and no Transfer-Encoding")
        elif len(given) > 1 or not _LENGTH.fullmatch(given[0]):
            self._refuse(HTTPStatus.BAD_REQUEST, "Content-Length is one decimal number")
        elif int(given[0]) > REQUEST_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {REQUEST_BYTES_MAX} bytes")
        else:
            return int(given[0])
        return None

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer a request that is not even HTTP, or has another method, in our own words: nothing is reflected."""
        self.request_version = "HTTP/1.0"  # what failed may be the version itself
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "the only method is POST", allow="POST")
        else:
            self._refuse(HTTPStatus(code), HTTPStatus(code).phrase)
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: an answer is written down with its reason, where that is known."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """What the base class has to say: requests that timed out."""
        self.server.note(self.client_address[0], format % args)

    def _refuse(self, status: HTTPStatus, why: str, allow: str = "") -> None:
        self._send(status, why.encode() + b"\n", TEXT_TYPE, allow)
        self.server.note(self.client_address[0], f"{int(status)} {why}")
        # Closing with unread bytes would reset the connection, and the client might never see the answer. Still under
        # the deadline, and still the first to be cut when room is needed.
        left = _DISCARD_BYTES_MAX
        with contextlib.suppress(OSError):
            while left > 0 and (piece := self.connection.recv(min(left, 1 << 16))):
                left -= len(piece)

    def _send(self, status: int, body: bytes, content_type: str, allow: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        if allow:
            self.send_header("Allow", allow)
        self.end_headers()
        self.wfile.write(body)
