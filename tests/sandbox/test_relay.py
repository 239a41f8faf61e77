"""Exactly one socket of the host, every connection told."""

import socket
import threading
from pathlib import Path

import pytest

from subcritical.errors import ContainmentError
from subcritical.sandbox import SOCKET_INSIDE, PythonPayload, Rung, SandboxSpec

ASK = f"""
import socket
for _ in range(3):
    s = socket.socket(socket.AF_UNIX)
    s.connect({SOCKET_INSIDE!r})
    s.sendall(b"x" * 300000)
    s.shutdown(socket.SHUT_WR)
    got = b""
    while part := s.recv(1 << 16):
        got += part
    print(len(got), set(got) == set(b"X"))
"""


@pytest.fixture
def shouting(tmp_path):
    """A host service that answers in capitals."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "service"))
    server.listen(4)

    def serve():
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return
            with line:
                data = b""
                while part := line.recv(1 << 16):
                    data += part
                if not data:
                    return
                line.sendall(data.upper())

    thread = threading.Thread(target=serve)
    thread.start()
    yield tmp_path / "service"
    with socket.socket(socket.AF_UNIX) as last:
        last.connect(str(tmp_path / "service"))
    thread.join(10)
    server.close()


def spec(shouting):
    return SandboxSpec(
        name="guest", payload=PythonPayload(script=Path("main.py")), files={"main.py": ASK.encode()}, socket=shouting
    )


def test_the_granted_socket_works_and_every_connection_is_told(namespaced, make, shouting):
    told = []
    sandbox = make(namespaced, on_connection=told.append).launch(spec(shouting))
    assert sandbox.wait(30).code == 0, sandbox.output()
    assert sandbox.output().stdout == b"300000 True\n" * 3
    assert told == ["guest"] * 3


def test_without_a_grant_there_is_none(namespaced, run_code):
    ended, output = run_code(namespaced, ASK)
    assert ended.code == 1
    assert b"FileNotFoundError" in output.stderr


def test_where_there_are_no_namespaces_it_is_refused(rung, make, shouting):
    if rung is not Rung.R3:
        pytest.skip("granted there")
    with pytest.raises(ContainmentError, match="socket"):
        make(rung).launch(spec(shouting))
