"""Asks a gate, with the standard library alone: `python -I -S ask.py SOCKET HOST` is what a hook runs.

Reads one hook event on stdin. Exit 0: the call may run. Exit 2 with the reason on stderr: it must not. Every other
outcome, a crash of this program included, is turned into exit 2 by the wrapper that starts it (`hooks.py`).
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

WAIT_S = 4.0
MUST_NOT = 2


def ask(path: str, question: dict[str, Any], wait_s: float = WAIT_S) -> tuple[bool, str, str]:
    """Ask the gate at `path`: may it run, the decision's name, and why; no answer, or a strange one: `unavailable`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gate:
            gate.settimeout(wait_s)
            gate.connect(path)
            gate.sendall(json.dumps(question).encode() + b"\n")
            answer = json.loads(_all(gate))
        verdict, reason = answer["decision"], str(answer.get("reason", ""))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return False, "unavailable", f"the gate gave no answer ({type(error).__name__})"
    if verdict not in ("approve", "reject", "pause", "terminate"):
        return False, "unavailable", "the gate gave a strange answer"
    return verdict == "approve", verdict, reason


def _all(gate: socket.socket) -> bytes:
    parts = []
    while part := gate.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def main(arguments: list[str]) -> int:
    """Judge the hook event on stdin."""
    path, host = arguments
    event = json.loads(sys.stdin.buffer.read())
    question = {
        "host": host,
        "tool": str(event["tool_name"]),
        "input": event.get("tool_input"),
        "session": str(event.get("session_id", "")),
        "call": str(event.get("tool_use_id", "")),
        "cwd": str(event.get("cwd", "")),
    }
    may, verdict, reason = ask(path, question)
    if may:
        return 0
    sys.stderr.write(f"subcritical: {verdict}: {reason or 'no reason is given'}\n")  # an empty text lets Codex run it
    return MUST_NOT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
