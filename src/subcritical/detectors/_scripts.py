"""Acts that a reading of single commands leaves out: code given to an interpreter, and tools that take a script.

Hostile text: it is looked at by pattern and never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from subcritical.detectors._acts import NOT_JSON, TEXT_MAX, Act, acts_of
from subcritical.schema import Event, ToolCall

_INTERPRETER = re.compile(r"^(python[\d.]*|node|perl|ruby|osascript|powershell|pwsh)$")
_SHELL = re.compile(
    r"(?i)sh$|bash|shell|terminal|exec|command|cmd|run|python|jupyter|repl|notebook|code|edit|write|file|patch"
)
_LOOKS = frozenset({"ls", "cat", "grep", "rg", "git", "head", "tail", "find", "wc", "echo", "ps", "df", "pwd", "sed"})


def acts_and_code(event: Event) -> Iterator[Act]:
    """Acts of an event, code on an interpreter's input, and the call of a tool whose script is one argument."""
    acts = acts_of(event)
    yield from acts
    data = event.data
    if not isinstance(data, ToolCall):
        return
    if any(act.kind == "run" and _INTERPRETER.match(act.program) for act in acts):
        yield Act("run", text=_unescaped(data.arguments), program="code")
    elif acts and not any(act.kind in {"call", "write", "empty"} for act in acts) and not _SHELL.search(data.tool):
        yield Act("call", text=f"{data.tool} {_unescaped(data.arguments)}"[:TEXT_MAX], program=data.tool)


def does(act: Act) -> bool:
    """Whether an act changes or starts something, rather than looks."""
    return act.kind in {"write", "call"} or (act.kind == "run" and act.program not in _LOOKS)


def _unescaped(arguments: str) -> str:
    """Arguments of a tool as text: the values of its mapping, one a line."""
    try:
        values = msgspec.json.decode(arguments, type=dict[str, object])
    except NOT_JSON:
        return arguments[:TEXT_MAX]
    return "\n".join(f"{name}={value}" for name, value in values.items())[:TEXT_MAX]
