"""The MCP proxy over HTTP: on loopback, it asks the gate before each `tools/call` goes on to the server's address."""

from __future__ import annotations

import contextlib
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from subcritical.errors import InputError
from subcritical.watch.ask import ask
from subcritical.watch.calls import LINE_MAX
from subcritical.watch.mcp import Screen

_NOT_PASSED = {
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "accept-encoding",
    "keep-alive",
    "te",
    "upgrade",
}
_UPSTREAM_TIMEOUT_S = 600.0
_BLOCK = 1 << 14


class Proxy(ThreadingHTTPServer):
    """Serves on 127.0.0.1 until `shutdown`. Whoever runs on this machine can reach it, as they can the gate itself.

    Args:
        upstream: The server's URL, `http://` or `https://`; its path is the one that is served, whatever is asked for.
        gate_socket: Where the gate serves.
        port: 0 for any.

    Raises:
        InputError: The URL is none, or the port is taken.
    """

    daemon_threads = True

    def __init__(self, upstream: str, gate_socket: str, port: int = 0) -> None:
        """Bind; `serve_forever` serves."""
        parts = urlsplit(upstream)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{upstream}: name the server as http://HOST:PORT/PATH")
        self.upstream = parts
        self.screen = Screen(lambda question: ask(gate_socket, question))
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise InputError(f"port {port}: {error.strerror}") from error

    @property
    def url(self) -> str:
        """Where agents find it."""
        return f"http://127.0.0.1:{self.server_port}{self.upstream.path or '/'}"

    def connect(self) -> HTTPConnection:
        """A connection to the server."""
        kind = HTTPSConnection if self.upstream.scheme == "https" else HTTPConnection
        return kind(self.upstream.hostname or "", self.upstream.port, timeout=_UPSTREAM_TIMEOUT_S)


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing: what is asked for is on the gate's record."""

    def do_GET(self) -> None:
        """The server's own stream of messages; it carries no call of the agent."""
        self._forward(None)

    def do_DELETE(self) -> None:
        """The end of a session."""
        self._forward(None)

    def do_POST(self) -> None:
        """Messages of the agent, one or several. If one is refused, none of them goes on."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LINE_MAX:
            self.close_connection = True
            self._answer(413, b"")
            return
        passed, refused = self.server.screen.line(self.rfile.read(int(length)))
        if refused is not None or passed is None:
            self._answer(200 if refused else 202, refused or b"")
            return
        self._forward(passed)

    def _forward(self, body: bytes | None) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED}
        path = self.server.upstream.path or "/"
        connection = self.server.connect()
        with contextlib.closing(connection):
            try:
                connection.request(self.command, path, body, headers)
                response = connection.getresponse()
            except (OSError, HTTPException):
                self._answer(502, b"")
                return
            with contextlib.suppress(OSError, HTTPException):  # either end is gone: the stream ends here
                self._stream(response)

    def _stream(self, response: HTTPResponse) -> None:
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in _NOT_PASSED | {"date", "server"}:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        while block := response.read1(_BLOCK):
            self.wfile.write(block)
            self.wfile.flush()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
