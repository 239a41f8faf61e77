"""An MCP proxy over stdio: between an agent and a server, it asks the gate before each `tools/call` goes through.

Works with every version of the protocol, because it reads no more of a message than its method, name and arguments.
Not covered: tools that the agent has without MCP, and what the server does by itself.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import msgspec

from subcritical.errors import InputError
from subcritical.watch.ask import ask

_DENIED = -32001
_UNREADABLE = -32700
_END_S = 5.0
_CALL = "tools/call"
Ask = Callable[[dict[str, Any]], tuple[bool, str, str]]


class Screen:
    """Lets messages of an agent through, or answers them itself."""

    def __init__(self, question: Ask) -> None:
        """`question` asks the gate: may it run, the decision's name, and why."""
        self._question = question

    def line(self, line: bytes) -> tuple[bytes | None, bytes | None]:
        """What goes on to the server, and what goes back to the agent, of one line of the agent.

        A line that cannot be read goes nowhere: what this reader takes for garbage, the server might take for a call.
        """
        try:
            message = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None, _line(_refusal(None, _UNREADABLE, "this line is no JSON"))
        if not isinstance(message, list):
            passed, refused = self._one(message)
            return (None if passed is None else _line(passed)), (None if refused is None else _line(refused))
        judged = [self._one(one) for one in message]
        passes = [one for one, _ in judged if one is not None]
        refusals = [one for _, one in judged if one is not None]
        return (_line(passes) if passes else None), (_line(refusals) if refusals else None)

    def _one(self, message: Any) -> tuple[Any, Any]:
        """Passed on as it was read, not as it was written: two readers of one text may differ, of one value not."""
        if not isinstance(message, dict):
            return None, _refusal(None, _UNREADABLE, "this message is no JSON object")
        if message.get("method") != _CALL:
            return message, None
        parameters = message.get("params")
        named = parameters if isinstance(parameters, dict) else {}
        may, verdict, reason = self._question(
            {
                "host": "mcp",
                "tool": str(named.get("name", "")),
                "input": named.get("arguments"),
                "call": str(message.get("id", "")),
            }
        )
        if may:
            return message, None
        if "id" not in message:  # a notification has no answer
            return None, None
        return None, _refusal(message["id"], _DENIED, f"subcritical: {verdict}: {reason}")


def proxy(command: Sequence[str], gate_socket: str, agent_in: BinaryIO, agent_out: BinaryIO) -> int:
    """Start the server and stand between it and the agent until either ends.

    Returns:
        The server's exit status.

    Raises:
        InputError: The server cannot be started.
    """
    try:
        server = subprocess.Popen(list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except OSError as error:
        raise InputError(
            f"{command[0]}: cannot be started: {error.strerror}; give the command that starts the server"
        ) from error
    write = _Writer(agent_out)
    screen = Screen(lambda question: ask(gate_socket, question))
    if server.stdin is None or server.stdout is None:
        raise InputError(f"{command[0]}: no pipes")
    inward = threading.Thread(target=_inward, args=(agent_in, server.stdin, screen, write), daemon=True)
    inward.start()
    for line in server.stdout:
        write(line)
    try:
        return server.wait(_END_S)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


class _Writer:
    """Two threads write whole lines to one stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, line: bytes) -> None:
        with self._lock:
            self._stream.write(line)
            self._stream.flush()


def _inward(agent: BinaryIO, server: Any, screen: Screen, back: Callable[[bytes], None]) -> None:
    try:
        for line in agent:
            if not line.strip():
                continue
            passed, refused = screen.line(line)
            if passed is not None:
                server.write(passed)
                server.flush()
            if refused is not None:
                back(refused)
    except BrokenPipeError:
        pass  # the server is gone; its output ends, and with it the proxy
    finally:
        server.close()


def _refusal(identity: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": message}}


def _line(message: Any) -> bytes:
    return msgspec.json.encode(message) + b"\n"
