"""The MCP proxy over HTTP, between a real client and a real server."""

import asyncio
import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
from gate_cases import BROKEN, MCP_SERVER, broken_gate, opened

from subcritical.errors import InputError
from subcritical.watch.mcp_http import Proxy

SERVER = (
    MCP_SERVER
    + """\
import socket
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
print(f"PORT {port}", flush=True)
server.run("streamable-http", host="127.0.0.1", port=port)
"""
)
CALL = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "t", "arguments": {}}}


@contextlib.contextmanager
def real_server(directory, root):
    script = directory / "server.py"
    script.write_text(SERVER)
    process = subprocess.Popen(
        [sys.executable, str(script), str(root)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        port = int(re.match(r"PORT (\d+)", process.stdout.readline())[1])
        for line in process.stdout:
            if "running on" in line:
                break
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def proxied(upstream, socket):
    with Proxy(upstream, socket) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy.url
        finally:
            proxy.shutdown()
            thread.join(10)


def call(url, *all_arguments):
    from mcp.client import Client  # noqa: PLC0415

    async def talk():
        results = []
        async with Client(url) as client:
            for arguments in all_arguments:
                try:
                    results.append(not (await client.call_tool("write_file", arguments)).is_error)
                except Exception as error:  # noqa: BLE001 - what a refusal looks like to a client
                    results.append(str(error))
        return results

    return asyncio.run(asyncio.wait_for(talk(), 60))


def post(url, body, **headers):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", parts.path, body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, response.read()


@pytest.mark.filterwarnings("ignore")  # of the client's own sockets
def test_a_real_client_and_a_real_server_with_the_gate_between_them(tmp_path):
    with opened(tmp_path) as gate, real_server(tmp_path, gate.root) as upstream, proxied(upstream, gate.socket) as url:
        fine, refused = call(url, {"path": "made.txt", "content": "x"}, {"path": "evaluate.py", "content": "evil"})
        assert fine is True
        assert "evaluator is protected" in refused
        assert (gate.root / "made.txt").exists()
        assert "evil" not in (gate.root / "evaluate.py").read_text()


@pytest.mark.parametrize("kind", BROKEN)
def test_a_gate_that_does_not_do_its_work_lets_no_call_through(tmp_path, kind):
    with broken_gate(tmp_path, kind) as socket, proxied("http://127.0.0.1:9/mcp", socket) as url:
        status, body = post(url, json.dumps(CALL))
    assert status == 200
    assert json.loads(body)["error"]["message"].startswith("subcritical: unavailable")


@pytest.mark.parametrize("body", [b"garbage", b"", b"null", json.dumps([CALL]).encode()])
def test_what_is_refused_never_reaches_the_server(tmp_path, body):
    """The server's address is one that nothing listens at: what is passed on comes back as 502."""
    with broken_gate(tmp_path, "missing") as socket, proxied("http://127.0.0.1:9/mcp", socket) as url:
        assert post(url, body)[0] == 200
        assert post(url, json.dumps({"method": "ping", "id": 1}))[0] == 502


def test_a_body_of_unknown_length_is_not_taken(tmp_path):
    with broken_gate(tmp_path, "missing") as socket, proxied("http://127.0.0.1:9/mcp", socket) as url:
        try:
            status = post(url, iter([b"x"]))[0]
        except (BrokenPipeError, ConnectionResetError):
            status = 413  # it had answered and hung up before the end of the body was sent
        assert status == 413


@pytest.mark.parametrize("url", ["ftp://x/", "nonsense", "http:///path"])
def test_addresses_that_are_none(url):
    with pytest.raises(InputError, match="name the server"):
        Proxy(url, "s")
