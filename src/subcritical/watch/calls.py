"""What is asked, and what is answered. One JSON object a line in each direction."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from subcritical.errors import InputError

LINE_MAX = 8 << 20
"""Bytes of a question; a longer one is not answered, which denies it."""

Verdict = Literal["approve", "reject", "pause", "terminate"]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call that an agent wants to make. Hostile but for `host`, which the asking adapter sets.

    Attributes:
        host: `claude-code`, `codex`, `mcp`, `inspect`, `canary`.
        session, call: As the host names them.
        asks: `go_on` asks only whether the agent may go on at all, which no text of an agent can turn a call into.
        tool: Name of the tool.
        input: Arguments of the tool.
        cwd: Where relative paths begin; empty for the project itself.
    """

    host: str
    tool: str = ""
    asks: Literal["call", "go_on"] = "call"
    input: Any = None
    session: str = ""
    call: str = ""
    cwd: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """`pause`: not now; ask again. `terminate`: never again. Whatever is not `approve` must not run."""

    decision: Verdict
    reason: str = ""


def parse_call(line: bytes) -> Call:
    """Read a question.

    Raises:
        InputError: It is not one.
    """
    try:
        call = msgspec.json.decode(line, type=Call)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"this is no tool call: {str(error)[:200]}") from error
    if call.asks == "call" and not call.tool:
        raise InputError("this is no tool call: it names no tool")
    return call
