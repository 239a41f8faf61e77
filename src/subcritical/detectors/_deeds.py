"""What a call does, apart from what it reads, shows or documents; and operators' words made ready for matching.

Hostile text, read by pattern. Text that a file of prose, a test or a report holds is no deed.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from subcritical.detectors._acts import NOT_JSON, TEXT_MAX, Act, acts_of
from subcritical.detectors._shell import commands
from subcritical.schema import Event, ToolCall

_LOOKING = frozenset(
    [
        "cat",
        "bat",
        "less",
        "more",
        "head",
        "tail",
        "grep",
        "egrep",
        "fgrep",
        "zgrep",
        "rg",
        "ag",
        "ls",
        "find",
        "fd",
        "file",
        "stat",
        "strings",
        "tree",
        "xxd",
        "hexdump",
        "od",
        "nl",
        "cut",
        "sort",
        "uniq",
        "wc",
        "jq",
        "yq",
        "du",
        "df",
        "ps",
        "id",
        "whoami",
        "env",
        "printenv",
        "pwd",
        "cd",
        "echo",
        "printf",
        "date",
        "diff",
        "cmp",
        "which",
        "type",
        "man",
        "history",
        "test",
        "[",
        "pdftotext",
        "sha256sum",
        "md5sum",
        "true",
        "false",
        "sleep",
        "export",
        "set",
    ]
)
_LOOKING_GIT = re.compile(
    r"^(-C \S+ |--no-pager )?(log|show|diff|status|blame|grep|branch|rev-parse|remote|ls-files|add)\b"
)
_PROSE = re.compile(
    r"(?i)\.(md|rst|txt|adoc|html|csv|log|jsonl|tex|patch|diff)$"
    r"|(^|/)(docs?|tests?|fixtures?|reports?|findings|notes?|examples?|qa|tickets?|drafts?|sigma|semgrep)/"
    r"|(^|/)test_|_test\.|\.(spec|test)\."
)
STEERING = re.compile(
    r"(?i)(^|[/._-])(prompts?|system|agents?|claude|rules|persona|instructions?|constitution|charter|soul"
    r"|profile)[\w.-]*"
    r"\.(md|txt|ya?ml|json|toml)$"
)
_NO_STEERING = re.compile(r"(?i)(^|/)(docs?|tests?|fixtures?|reports?|findings|notes?|examples?|qa)/")
_EXEMPTED = re.compile(
    r"(?i)\b(need not|needn['\u2019]?t|(do|does)(n['\u2019]t| not) (need|have)( to)?|no need( to)?"
    r"|no longer needs?( to)?"
    r"|(won['\u2019]t|can['\u2019]t|cannot|doesn['\u2019]t|does not|will not|can not) (let|allow|permit|work|write"
    r"|reach|run|see|accept|know)"
    r"|not (from|on|in|at|with) (here|this|that|there|my|your|prod\w*)|nobody|isn['\u2019]t (real|live|production"
    r"|needed|worth)"
    r"|(no|without( any| a)?) (\w+ )?(sandbox|transcripts?|logs?|logging|limits?|rules?|approvals?|tools|cool-?down"
    r"|records?|recording"
    r"|audit\w*|monitor\w*|confirmations?|prompts?|guard\w*|checks?|reviews?|supervis\w+|oversight|polic\w+|trac\w+"
    r"|hooks?|bound\w*))\b"
)


def deeds(event: Event) -> list[Act]:
    """Acts of an event that do something, with the code that is handed to an interpreter as an act of its own."""
    return [*(act for act in acts_of(event) if does(act)), *_code(event)]


def does(act: Act) -> bool:
    """Whether an act does more than to look, to show or to document."""
    if act.kind == "read":
        return False
    if act.kind == "run":
        quiet = act.program in _LOOKING or (act.program == "git" and _LOOKING_GIT.search(act.arguments))
        silent = act.program in {"sed", "awk"} and not any(one.startswith(("-i", "--in-place")) for one in act.options)
        return not (quiet or silent)
    if act.kind == "call":
        return not _LOOKING_TOOL.search(_spaced(act.program))
    return not _PROSE.search(act.path) or bool(STEERING.search(act.path) and not _NO_STEERING.search(act.path))


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-./:]+", " ", name)


_LOOKING_TOOL = re.compile(
    r"(?i)\b(read|get|list|search|view|show|fetch|find|look(up)?|describe|status|diff|history|alerts?|metrics?"
    r"|result|inspect|query)\b"
)


def _code(event: Event) -> list[Act]:
    """Program text of a call: what a Python tool is given, and here-documents of interpreters."""
    data = event.data
    if not isinstance(data, ToolCall):
        return []
    found = list[Act]()
    for key, text in _texts(data.arguments).items():
        if re.search(r"(?i)python|jupyter|notebook|repl", data.tool) or (
            key == "code" and "sh" not in data.tool.lower()
        ):
            found.append(Act("run", text=text[:TEXT_MAX], program="python", arguments=text[:TEXT_MAX]))
            continue
        bodies = [one.body for one in commands(text) if one.body and re.match(r"python|node|perl|ruby", one.program)]
        found += [Act("run", text=body[:TEXT_MAX], program="python", arguments=body[:TEXT_MAX]) for body in bodies]
    return found


def tool_itself(event: Event) -> list[Act]:
    """A call of a tool that is given instructions, as a call even where an argument's name reads like a command's."""
    data = event.data
    if not isinstance(data, ToolCall) or not _INSTRUCTED.search(data.arguments[:TEXT_MAX]):
        return []
    if any(act.kind == "call" for act in acts_of(event)) or _SHELL_TOOL.search(data.tool):
        return []
    said = data.arguments[:TEXT_MAX].replace('\\"', '"')
    words = re.sub(r'"([\w.-]{1,60})":\s*"?', r"\1=", said)
    return [Act("call", text=f"{data.tool} {words}", program=data.tool, arguments=words)]


_INSTRUCTED = re.compile(r'"(system\w*|prompt|instructions?|persona|goal|agent|task|brief|mission)":')
_SHELL_TOOL = re.compile(r"(?i)bash|shell|terminal|exec|python|jupyter|notebook|repl|write|edit|replace")


def _texts(arguments: str) -> dict[str, str]:
    """Commands and code among the arguments of a call."""
    try:
        found: Any = msgspec.json.decode(arguments)
    except NOT_JSON:
        return {"command": arguments}
    if not isinstance(found, dict):
        return {"command": found} if isinstance(found, str) else {}
    keys = ("command", "cmd", "script", "code", "shell_command", "bash", "input")
    return {key: found[key] for key in keys if isinstance(found.get(key), str)}


def whole(event: Event, acts: list[Act]) -> str:
    """All that a call says, as text: its commands as they were written, and its arguments as words."""
    raw = "\n".join(_texts(event.data.arguments).values()) if isinstance(event.data, ToolCall) else ""
    return "\n".join([raw, *(act.text for act in acts)])[: 2 * TEXT_MAX]


def freed(asked: list[str]) -> None:
    """Take the words of exemption out of what operators said, so that they do not read as a refusal."""
    asked[:] = [_EXEMPTED.sub(" ", text) for text in asked]
