"""The MCP proxy: between a real client and a real server, and before lines that no client would send."""

import asyncio
import io
import json
import subprocess
import sys

import pytest
from gate_cases import BROKEN, MCP_SERVER, broken_gate, opened

from subcritical.errors import InputError
from subcritical.watch.ask import ask
from subcritical.watch.mcp import Screen, proxy

SERVER = MCP_SERVER + "\nserver.run()\n"


def session(root, run, calls):
    """Results of tool calls that a real client makes through the proxy."""
    from mcp.client import Client  # noqa: PLC0415
    from mcp.client.stdio import StdioServerParameters, stdio_client  # noqa: PLC0415

    server = root.parent / "server.py"
    server.write_text(SERVER)
    proxied = ["-c", "from subcritical.cli import main; main()", "mcp-proxy", "--run", str(run), "--"]
    parameters = StdioServerParameters(command=sys.executable, args=[*proxied, sys.executable, str(server), str(root)])

    async def talk():
        results = []
        async with Client(stdio_client(parameters)) as client:
            for arguments in calls:
                try:
                    results.append(not (await client.call_tool("write_file", arguments)).is_error)
                except Exception as error:  # noqa: BLE001 - what a refusal looks like to a client
                    results.append(str(error))
        return results

    return asyncio.run(asyncio.wait_for(talk(), 60))


def test_a_real_client_and_a_real_server_with_the_gate_between_them(tmp_path):
    with opened(tmp_path) as gate:
        fine, refused = session(
            gate.root,
            gate.run,
            [{"path": "made.txt", "content": "x"}, {"path": "evaluate.py", "content": "evil"}],
        )
        assert fine is True
        assert "evaluator is protected" in refused
        assert (gate.root / "made.txt").read_text() == "x"
        assert "evil" not in (gate.root / "evaluate.py").read_text()


def test_with_no_gate_no_tool_runs(tmp_path):
    with opened(tmp_path) as gate:
        root = gate.root
    (result,) = session(root, tmp_path / "nowhere", [{"path": "made.txt", "content": "x"}])
    assert "unavailable" in result
    assert not (root / "made.txt").exists()


CALL = {
    "jsonrpc": "2.0",
    "id": 7,
    "method": "tools/call",
    "params": {"name": "t", "arguments": {"path": "solution.py"}},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_gate_that_does_not_do_its_work_lets_no_call_through(tmp_path, kind):
    with broken_gate(tmp_path, kind) as path:
        passed, refused = Screen(lambda question: ask(path, question)).line(json.dumps(CALL).encode())
    assert passed is None
    assert json.loads(refused)["error"]["message"].startswith("subcritical: unavailable")


def refuses(_question):
    return False, "reject", "no"


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"\xff\xfe",
        b"null",
        b"7",
        b'"tools/call"',
        b'{"method": "tools/call"',
        b"[" * 3000,
        json.dumps(CALL).encode(),
        json.dumps([CALL, CALL]).encode(),
        b'{"method": "tools/call", "params": 7, "id": 1}',
        b'{"method": "x", "method": "tools/call", "id": 1, "params": {"name": "t"}}',
        b'{"m\\u0065thod": "tools\\/call", "id": 1, "params": {"name": "t"}}',
        b'{"method": "tools/call", "params": {"name": "t"}}',
    ],
)
def test_no_line_brings_a_call_through_a_gate_that_refuses(line):
    passed, _ = Screen(refuses).line(line)
    assert passed is None


def test_what_is_read_is_what_is_passed_on():
    """Two members of one name: readers differ in which they take, so only what was judged goes on."""
    passed, _ = Screen(refuses).line(b'{"method": "tools/call", "method": "ping", "id": 1}')
    assert json.loads(passed) == {"method": "ping", "id": 1}
    mixed, refused = Screen(refuses).line(json.dumps([CALL, {"method": "ping", "id": 2}]).encode())
    assert json.loads(mixed) == [{"method": "ping", "id": 2}]
    assert [one["id"] for one in json.loads(refused)] == [7]


def test_planted_failure_a_screen_that_approves_everything_lets_the_call_through():
    passed, refused = Screen(lambda _: (True, "approve", "")).line(json.dumps(CALL).encode())
    assert (json.loads(passed), refused) == (CALL, None)


def test_a_server_that_is_not_there_is_one_clear_error(tmp_path):
    with pytest.raises(InputError, match="cannot be started"):
        proxy([str(tmp_path / "no-server")], "s", io.BytesIO(), io.BytesIO())


def test_the_proxy_ends_with_its_server_and_gives_its_status(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", "from subcritical.cli import main; main()", "mcp-proxy", "--run", str(tmp_path), "--",
         sys.executable, "-c", "print('{}'); raise SystemExit(3)"],
        input=b"", capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (3, b"{}\n")
