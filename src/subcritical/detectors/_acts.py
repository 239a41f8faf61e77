"""What a system did, out of the tool calls it made: commands, and files written, emptied, deleted or moved.

Hostile text, read as far as it can be read. Python code is looked at, by pattern, for the calls that delete, write,
move and start; a program that hides what it does from such a reading is not seen here, only in what it changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from typing import Any, Literal

import msgspec

from subcritical.detectors._once import once
from subcritical.detectors._shell import Command, commands
from subcritical.schema import ArtifactChange, Event, Proposal, ToolCall

Kind = Literal["run", "write", "empty", "delete", "move", "read", "call"]
TEXT_MAX = 20_000
ACTS_MAX = 500
NOT_JSON = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What reading hostile text as JSON may raise; a surrogate without its other half is the second."""
_DEPTH_MAX = 8
_COMMAND_KEYS = ("command", "cmd", "script", "commands", "code", "shell_command", "bash", "input", "keystrokes")
_PATH_KEYS = ("path", "file_path", "filename", "file", "notebook_path", "filepath", "target_file", "relative_path")
_NEW_KEYS = (
    "content", "new_string", "new_str", "replacement_text", "file_text", "insert_text", "text", "new_source",
    "contents", "replace", "body", "new_text",
)  # fmt: skip
_PATCH_KEYS = frozenset({"patch", "diff", "input"})
_OLD_KEYS = ("old_string", "old_str", "search", "old_text")
_PATCH_FILE = re.compile(r"(?m)^(?:\*\*\* (Add|Update|Delete) File: (.+)|diff --git a/.+ b/(.+))$")
_PATCH_MOVE = re.compile(r"(?m)^\*\*\* Move to: (.+)$")
_PYTHON = re.compile(
    r"(?:os\.(?P<gone>remove|unlink|rmdir)|shutil\.(?P<tree>rmtree)|os\.(?P<moved>rename|replace)|shutil\.(?P<moved2>move))"
    r"\(\s*[rf]?['\"](?P<path>[^'\"\n]{1,300})['\"](?:\s*,\s*[rf]?['\"](?P<to>[^'\"\n]{1,300})['\"])?"
    r"|open\(\s*[rf]?['\"](?P<opened>[^'\"\n]{1,300})['\"]\s*,\s*(?:mode\s*=\s*)?['\"](?P<mode>[wax+rbt]{1,4})['\"]"
    r"|Path\(\s*[rf]?['\"](?P<pathlib>[^'\"\n]{1,300})['\"]\s*\)\.(?P<does>unlink|write_text|write_bytes|rename|touch)"
    r"|(?:os\.system|os\.popen|subprocess\.\w+)\(\s*(?:\[(?P<list>[^\]]{1,500})\]|[rf]?(?P<quote>['\"])(?P<line>.{1,500}?)(?P=quote))"
)
_SUBSTITUTED = re.compile(
    r"(?:^|[;{\n/\d$,\s]) {0,8}s(?P<mark>[/|#,@!~:])(?P<was>(?:\\.|(?!(?P=mark))[^\\\n]){0,600})(?P=mark)"
    r"(?P<becomes>(?:\\.|(?!(?P=mark))[^\\]){0,600})(?:(?P=mark)|$)"
    r"|/(?P<gone>(?:\\.|[^\\/\n]){1,600})/(?:,[^;\n]{0,200}?)?[dc](?=\s*(?:$|[;}\n\\]))"
)
_QUOTED = re.compile(r"['\"]([^'\"]*)['\"]")
_NAMED_IN_PYTHON = ("os.", "open(", "Path(", "shutil.", "subprocess.")
"""One of these is in every text that `_PYTHON` finds something in."""
_PYTHON_TOOL = re.compile(r"(?i)python|jupyter|notebook|repl")
_DELETING_TOOL = re.compile(r"(?i)delete|remove|unlink")


class Act(msgspec.Struct, frozen=True):
    """One act.

    Attributes:
        kind: What was done; `call` is a call of a tool that neither runs a command nor touches a file.
        path: The file, where one is meant.
        text: What is written, or the whole command in one line.
        old: What the new text stands in place of, where the tool says so.
        program: For a command, the program's name without its folder.
        arguments: For a command, what follows the program, in one line.
        options: For a command, the words that begin with a hyphen.
        via: Wrappers in front of a command, such as `sudo`.
        appended: Whether the text is added to what is there.
    """

    kind: Kind
    path: str = ""
    text: str = ""
    old: str = ""
    program: str = ""
    arguments: str = ""
    options: tuple[str, ...] = ()
    via: tuple[str, ...] = ()
    appended: bool = False


def _weight(acts: list[Act]) -> int:
    return sum(200 + 4 * (len(act.text) + len(act.old) + len(act.arguments)) for act in acts)


@once(_weight)
def acts_of(event: Event) -> list[Act]:
    """What an event did: of a tool call what it asks for, of a proposal or a change what it writes."""
    return list(islice(_acts(event), ACTS_MAX))


def _acts(event: Event) -> Iterator[Act]:
    data = event.data
    if isinstance(data, ToolCall):
        yield from _call(data)
    elif isinstance(data, ArtifactChange):
        yield _changed(data.path, data.after, data.diff)
    elif isinstance(data, Proposal):
        for change in data.changes:
            yield _changed(change.path, change.after, change.diff)


def _changed(path: str, after: str | None, diff: str) -> Act:
    if after is None:
        return Act("delete", path=path)
    new, old = sides(diff)
    return Act("write", path=path, text=new, old=old)


def sides(diff: str) -> tuple[str, str]:
    """Added and removed text of a unified diff."""
    new: list[str] = []
    old: list[str] = []
    for line in diff[: 4 * TEXT_MAX].splitlines():
        if line.startswith("+") and not line.startswith("+++"):
            new.append(line[1:])
        elif line.startswith("-") and not line.startswith("---"):
            old.append(line[1:])
    return "\n".join(new)[:TEXT_MAX], "\n".join(old)[:TEXT_MAX]


def _call(call: ToolCall) -> Iterator[Act]:
    arguments = _decoded(call.arguments)
    if not isinstance(arguments, dict):
        yield from _script(_joined(arguments))
        return
    patch = _patch(arguments)
    if patch is not None:
        yield from _patched(patch)
        return
    known = list(_filed(call.tool, arguments))
    yield from known
    texts = {key: text for key in _COMMAND_KEYS if key in arguments and (text := _joined(arguments[key]))}
    for key, text in texts.items():
        yield from _cells(text) if _is_python(call.tool, key) else _script(text)
    if not known and not texts:
        said = " ".join(_flat(arguments))[:TEXT_MAX]
        yield Act("call", text=f"{call.tool} {said}"[:TEXT_MAX], program=call.tool, arguments=said)


def _flat(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """Arguments of a tool as `name=value` words, the names of inner ones joined with dots."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _flat(inner, name, depth + 1)
    else:
        yield f"{name}={str(value).lower() if isinstance(value, bool) else value}"


def _filed(tool: str, arguments: dict[str, Any]) -> Iterator[Act]:
    """What a tool for files does, by the names of its arguments."""
    path = _first(arguments, _PATH_KEYS)
    if not path:
        return
    new, old = _first(arguments, _NEW_KEYS), _first(arguments, _OLD_KEYS)
    edits = [edit for edit in arguments.get("edits") or () if isinstance(edit, dict)]
    for edit in edits:
        text, before = _first(edit, _NEW_KEYS) or "", _first(edit, _OLD_KEYS) or ""
        yield Act("write", path=path, text=text[:TEXT_MAX], old=before[:TEXT_MAX])
    if new is not None:
        yield Act(
            "write" if new.strip() or old else "empty", path=path, text=new[:TEXT_MAX], old=(old or "")[:TEXT_MAX]
        )
    elif not edits:
        yield Act("delete" if _DELETING_TOOL.search(tool) else "read", path=path)


def _is_python(tool: str, key: str) -> bool:
    """Whether a text is Python rather than shell, by the tool's name and the argument's."""
    return bool(_PYTHON_TOOL.search(tool)) or (key == "code" and "sh" not in tool.lower())


def _cells(code: str) -> Iterator[Act]:
    """Python, with the lines that a notebook hands to a shell."""
    yield from python_acts(code)
    for line in code.splitlines():
        if line.lstrip().startswith("!"):
            yield from _script(line.lstrip()[1:])


def _first(record: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = record.get(key)
        if isinstance(value, str):
            return value
    return None


def _decoded(text: str) -> Any:
    if text[:1] not in '[{"':
        return text
    try:
        return msgspec.json.decode(text)
    except NOT_JSON:
        return text


def _joined(value: Any) -> str:
    """A command as text: a list is an argument vector, or lines of a script."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        if len(value) > 2 and value[1] in {"-c", "-lc"}:  # noqa: PLR2004
            return str(value[2])
        return " ".join(word if re.fullmatch(r"[\w./:=@%+,-]+", word) else f"'{word}'" for word in value)
    return ""


def _patch(arguments: dict[str, Any]) -> str | None:
    for key, value in arguments.items():
        if key in _PATCH_KEYS and _is_patch(value):
            return str(value)
    for key, value in arguments.items():
        if key in _COMMAND_KEYS and _begins_patch(value):
            return str(value)
    return None


def _is_patch(value: object) -> bool:
    return isinstance(value, str) and bool(_PATCH_FILE.search(value[:TEXT_MAX]))


def _begins_patch(value: object) -> bool:
    """Whether a command is a patch, as Codex hands it to its hooks."""
    return isinstance(value, str) and value.lstrip().startswith("*** Begin Patch")


def _patched(patch: str) -> Iterator[Act]:
    starts = list(_PATCH_FILE.finditer(patch))
    for number, match in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(patch)
        path = (match[2] or match[3]).strip()
        part = patch[match.end() : end]
        if match[1] == "Delete" or "\ndeleted file mode" in part[:200]:
            yield Act("delete", path=path)
        else:
            new, old = sides(part)
            yield Act("write", path=path, text=new, old=old)
            yield from (Act("move", path=path, text=to.strip()) for to in _PATCH_MOVE.findall(part))
            yield from (Act("write", path=to.strip(), text=new) for to in _PATCH_MOVE.findall(part))


def _script(text: str) -> Iterator[Act]:
    for command in commands(text):
        yield from _command(command)


def _command(command: Command) -> Iterator[Act]:
    words, program = command.words, command.program
    operands = [word for word in words[1:] if not word.startswith("-")]
    line = " ".join([*command.assigned, *words])[:TEXT_MAX]
    yield Act(
        "run",
        text=line,
        program=program,
        arguments=" ".join(words[1:])[:TEXT_MAX],
        options=tuple(word for word in words[1:] if word.startswith("-") and " " not in word),
        via=command.via,
        path=" ".join(operands[:1]),
    )
    for path, appended in command.writes:
        said = command.body or (_echoed(program, words) if program in {"echo", "printf"} else "")
        nothing = program in {":", "true", ""} or (program == "cat" and not command.body and operands == ["/dev/null"])
        yield Act("empty" if nothing and not appended else "write", path=path, text=said[:TEXT_MAX], appended=appended)
    yield from _files(command, operands)
    if program in {"apply_patch", "applypatch"}:
        yield from _patched(command.body or " ".join(words[1:]))
    if program.startswith("python") or program in {"node", "perl", "ruby"}:
        code = command.body or next((b for a, b in pairwise(words) if a in {"-c", "-e"}), "")
        yield from python_acts(code)


def _echoed(program: str, words: tuple[str, ...]) -> str:
    """What echo or printf writes: the escapes of line ends are line ends."""
    said = " ".join(words[1:])
    return said.replace("\\n", "\n") if program == "printf" or "-e" in words else said


def _files(command: Command, operands: list[str]) -> Iterator[Act]:
    """Files that a command names and changes or reads."""
    words, program = command.words, command.program
    if program in {"rm", "unlink", "shred", "rmdir"} or (program == "git" and operands[:1] == ["rm"]):
        yield from (Act("delete", path=path) for path in operands[program == "git" :])
    elif program == "truncate":
        yield from (Act("empty", path=path) for path in operands if not path.isdigit())
    elif program == "mv" and len(operands) > 1:
        yield from (Act("move", path=path, text=operands[-1]) for path in operands[:-1])
        yield Act("write", path=operands[-1])
    elif program in {"cp", "install", "ln"} and len(operands) > 1:
        yield Act("write", path=operands[-1], text=f"<copy of {operands[0]}>")
    elif program == "tee":
        appended = "-a" in words
        yield from (Act("write", path=path, text=command.body, appended=appended) for path in operands)
    elif program == "git" and operands[:1] == ["mv"] and len(operands) > 2:  # noqa: PLR2004
        yield from (Act("move", path=path, text=operands[-1]) for path in operands[1:-1])
    elif program == "git" and operands[:2] == ["stash", "push"]:
        yield from (Act("move", path=path) for path in operands[2:])
    elif program in {"sed", "perl"} and any(word.startswith(("-i", "-pi", "--in-place")) for word in words):
        new, old = replaced(operands[0]) if operands else ("", "")
        yield from (Act("write", path=path, text=new, old=old) for path in operands[1:])
    elif program in {"cat", "less", "head", "tail", "grep", "strings", "xxd", "base64"}:
        yield from (Act("read", path=path) for path in (*operands, *command.reads))


def replaced(script: str) -> tuple[str, str]:
    """New and old text of a script of sed: what its `s` puts in and takes out, what its `d` takes out.

    A script that holds neither is its own new text: what it does is not known.
    """
    new, old = list[str](), list[str]()
    for match in _SUBSTITUTED.finditer(script[:TEXT_MAX]):
        old.append(match["was"] or match["gone"] or "")
        if match["mark"]:
            new.append(match["becomes"])
    if not old:
        return script[:TEXT_MAX], ""
    return "\n".join(new), "\n".join(old)


def python_acts(code: str) -> Iterator[Act]:
    """Acts that Python text names with literal paths."""
    code = code[: 4 * TEXT_MAX]
    if not any(name in code for name in _NAMED_IN_PYTHON):
        return
    for match in _PYTHON.finditer(code):
        if match["gone"] or match["tree"]:
            yield Act("delete", path=match["path"])
        elif match["moved"] or match["moved2"]:
            yield Act("move", path=match["path"], text=match["to"] or "")
        elif match["opened"]:
            if set(match["mode"]) & set("wax+"):
                yield Act("write", path=match["opened"], text=code[:TEXT_MAX], appended="a" in match["mode"])
            else:
                yield Act("read", path=match["opened"])
        elif match["pathlib"]:
            kind: Kind = "delete" if match["does"] == "unlink" else "move" if match["does"] == "rename" else "write"
            yield Act(kind, path=match["pathlib"], text=code[:TEXT_MAX] if kind == "write" else "")
        elif match["list"]:
            words = _QUOTED.findall(match["list"])
            yield from _started(" ".join(words))
        elif match["line"]:
            yield from _started(match["line"])


def _started(line: str) -> Iterable[Act]:
    for command in commands(line):
        yield from (act for act in _command(command))
