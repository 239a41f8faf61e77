"""Edits of texts, out of tool calls: what stood there, what stands there now, and whether more than its form changed.

Beyond the acts of `_acts` this reads what an in-place edit says of both sides (`sed`, `perl`, `.replace(…)`), patches
without a file header, versions taken over by git, links, and changes of stores that are no files. Hostile text: it is
split and matched, never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, Literal

import msgspec

from subcritical.detectors._acts import NOT_JSON, TEXT_MAX, Act, acts_of, sides
from subcritical.detectors._shell import Command, commands
from subcritical.schema import Event, ToolCall

Kind = Literal["write", "empty", "delete", "move", "link", "store"]
_EDITS_MAX = 200
_PAIRS_MAX = 50
_PATH_MAX = 1000
_TYPO_LENGTH = 5
_TYPO_RATIO = 0.8
_WORD_MAX = 30
_TYPOS_MAX = 40
_SCRIPT_KEYS = ("command", "cmd", "script", "code", "shell_command", "bash", "input", "keystrokes")
_PATH_KEYS = ("path", "file_path", "filename", "file", "target_file")
_OLD = ("old", "find", "from", "before", "search", "old_value")
_NEW = ("new", "replace", "to", "after", "replacement", "new_value", "with")
_SECTION = re.compile(r"(?m)^(?:\*\*\* (?:Add|Update) File: (.+)|\+\+\+ (?:b/)?(\S.*))$")
_DIFF = re.compile(r"(?m)^[-+][^-+\n]")
_SUBSTITUTION = re.compile(r"(?:^|[;\s/\d$!{}])(?:s|y)([/|#,@!:%~])")
_DELETION = re.compile(r"(?:/((?:[^/\\\n]|\\.){1,300})/|[\d,$ ]{1,20})d\s*(?:$|[;}])")
_ESCAPE = re.compile(r"\\[a-zA-Z]")
_PUT = re.compile(r"(?:/(?:[^/\\\n]|\\.){1,300}/|[\d,$]{1,20})\s*[aci](?:\\\n?|\s)\s*(.{1,2000})")
_REPLACED = re.compile(
    r"(?:\.replace\(|re\.subn?\()\s*[rfb]{0,2}(['\"])((?:(?!\1)[^\\\n]|\\.){1,2000})\1\s*,"
    r"\s*[rfb]{0,2}(['\"])((?:(?!\3)[^\\\n]|\\.){0,2000})\3"
)
_NAMED = re.compile(r"['\"]([\w~./*-]{1,200}\.\w{1,8})['\"]")
_WRITES = re.compile(r"write_text\(|\.write\(|open\([^()\n]{1,200},\s*['\"][wa+]|inplace\s*=\s*True")
_STORES = re.compile(
    r"(?i)^(?:kubectl|oc|curl|http|https|wget|aws|gcloud|az|redis-cli|vault|consul|etcdctl|psql|mysql|sqlite3|mongosh"
    r"|gh (?:api|variable|secret)|glab api|fly|heroku|git config|doctl|openai|claude|ollama|\S*ctl|\S*cli)\b.{0,300}?"
    r"(?:\b(?:patch|put|post|set|hset|update|edit|apply|replace|create|put-\w+|update-\w+|insert|delete|write)\b"
    r"|\s-d\b"
    r"|--data)"
)
_NUMBERED = re.compile(r"(?m)^[ \t]{0,20}(?:\d{1,3}|[ivxIVX]{1,5})[.)]\s")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>")
_SPEAKS = re.compile(
    r"(?i)comment|issue|ticket|slack|message|mail|notif|ask|chat|pull_?request|reply|discuss|post_|_post|tweet|send"
    r"|search"
    r"|read|list|query|report"
)
_WORD = re.compile(r"[^\W_]+")
_YEAR = re.compile(r"(?:19|20)\d\d")


class Edit(msgspec.Struct, frozen=True):
    """One edit of a text.

    Attributes:
        kind: What was done; `store` changes something that is no file, `link` puts another file in its place.
        path: The file; empty for a store.
        old: What stood there, as far as the call says so.
        new: What stands there now.
        around: The whole of what the call says, unchanged lines of a patch included.
        whole: Whether the new text stands in place of the whole file.
    """

    kind: Kind
    path: str = ""
    old: str = ""
    new: str = ""
    around: str = ""
    whole: bool = False


def edits_of(event: Event) -> list[Edit]:
    """Edits that a tool call asks for, in no order that matters."""
    if not isinstance(event.data, ToolCall):
        return []
    found = list[Edit]()
    arguments = _arguments(event.data)
    for edit in (*_patched(arguments), *_scripted(arguments), *_swapped(event.data.tool, arguments)):
        found.append(_short(edit))
        if len(found) >= _EDITS_MAX:
            return found
    read = {edit.path for edit in found}
    appends = "append" in event.data.tool.lower() or "insert" in str(arguments.get("command", ""))[:20]
    kept = (act for act in acts_of(event) if act.path not in read)
    found += [_short(edit) for act in kept for edit in _acted(act, appends=appends)]
    return found[:_EDITS_MAX]


def _short(edit: Edit) -> Edit:
    """The end of an overlong path is enough to tell what it names."""
    return edit if len(edit.path) <= _PATH_MAX else msgspec.structs.replace(edit, path=edit.path[-_PATH_MAX:])


def _arguments(call: ToolCall) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(call.arguments)
    except NOT_JSON:
        return {"command": call.arguments}
    return decoded if isinstance(decoded, dict) else {"command": str(decoded)}


def _acted(act: Act, *, appends: bool) -> Iterator[Edit]:
    if act.kind == "call" and not _SPEAKS.search(act.program):
        yield Edit("store", new=act.arguments, around=act.text)
    elif act.kind == "write":
        whole = not act.old and not act.appended and not appends
        yield Edit("write", act.path, act.old, act.text, f"{act.old}\n{act.text}", whole)
    elif act.kind in {"empty", "delete", "move"}:
        yield Edit(act.kind, act.path, new="" if act.kind != "move" else act.text)


def _swapped(tool: str, arguments: dict[str, Any]) -> Iterator[Edit]:
    """What a tool of any name says it puts in place of what."""
    old, new = (next((v for k in keys if isinstance(v := arguments.get(k), str)), None) for keys in (_OLD, _NEW))
    if old is None or new is None:
        return
    path = next((v for k in _PATH_KEYS if isinstance(v := arguments.get(k), str)), "")
    around = f"{tool} " + " ".join(f"{key}={value}" for key, value in arguments.items() if isinstance(value, str))
    yield Edit("write" if path else "store", path, old[:TEXT_MAX], new[:TEXT_MAX], around[:TEXT_MAX])


def _patched(arguments: dict[str, Any]) -> Iterator[Edit]:
    for key in ("patch", "diff", "input", "patch_text"):
        text = arguments.get(key)
        if not isinstance(text, str) or not _DIFF.search(text[:TEXT_MAX]):
            continue
        named = next((v for k in _PATH_KEYS if isinstance(v := arguments.get(k), str)), "")
        yield from _sections(text[: 4 * TEXT_MAX], named)


def _sections(text: str, named: str = "") -> Iterator[Edit]:
    starts = list(_SECTION.finditer(text))
    if not starts and named:
        new, old = sides(text)
        yield Edit("write", named, old, new, text[:TEXT_MAX])
    for start, after in pairwise([*starts, None]):
        part = text[start.end() : after.start() if after else None]  # type: ignore[union-attr]
        path = (start[1] or start[2]).strip()  # type: ignore[index]
        new, old = sides(part)
        yield Edit("delete" if path == "/dev/null" else "write", path, old, new, part[:TEXT_MAX])


def _scripted(arguments: dict[str, Any]) -> Iterator[Edit]:
    for key in _SCRIPT_KEYS:
        value = arguments.get(key)
        text = " ".join(str(word) for word in value) if isinstance(value, list) else value
        if not isinstance(text, str):
            continue
        if key == "code":
            yield from _programmed(text)
            continue
        before = ""
        for command in commands(text):
            yield from _commanded(command, before)
            before = " ".join(command.words)[:TEXT_MAX]


def _commanded(command: Command, before: str) -> Iterator[Edit]:
    words, program = command.words, command.program
    operands = [word for word in words[1:] if not word.startswith("-")]
    line = " ".join(words)[:TEXT_MAX]
    if program in {"sed", "gsed", "perl"}:
        yield from _in_place(words)
    elif program == "sponge":
        yield from (Edit("write", path, new=before, around=before) for path in operands)
    elif program in {"yq", "jq", "dasel"} and operands and re.search(r"\s(-\w*i\w*|--inplace|--in-place|put)\b", line):
        yield Edit("write", operands[-1], new=" ".join(operands[:-1]), around=line)
    elif program == "git":
        yield from _versioned(operands, words)
    elif program == "ln" and len(operands) > 1:
        yield Edit("link", operands[-1], new=operands[0], around=line)
    elif program == "patch" and command.body:
        yield from _sections(command.body[: 4 * TEXT_MAX])
    elif program.startswith("python"):
        yield from _programmed(command.body or next((b for a, b in pairwise(words) if a == "-c"), ""))
    elif _STORES.search(line[:2000]):
        yield Edit("store", new=line, around=line)


def _versioned(operands: list[str], words: tuple[str, ...]) -> Iterator[Edit]:
    """What git puts in place of a file: another side of a conflict, another version, another name."""
    action, rest = (operands or [""])[0], operands[1:]
    if action == "mv":
        yield from (Edit("move", path, new=rest[-1]) for path in rest[:-1])
    elif action in {"checkout", "restore"}:
        side = any(word in {"--ours", "--theirs"} or word.startswith("--source") for word in words)
        other = "--" in words and bool(rest) and words.index(rest[0]) < words.index("--") and rest[0] != "HEAD"
        if side or other:
            yield from (Edit("link", path, new=f"<{' '.join(words)}>", around=" ".join(words)) for path in rest[other:])


def _in_place(words: tuple[str, ...]) -> Iterator[Edit]:
    scripts, paths, inside, given = list[str](), list[str](), False, False
    for word in words[1:]:
        if given:
            scripts.append(word)
            given = False
        elif word.startswith("-"):
            inside = inside or bool(re.match(r"-[\w.]{0,6}i|--in-place", word))
            given = bool(re.fullmatch(r"-[\w.]{0,6}e|--expression", word))
        elif word:
            paths.append(word)
    if not inside:
        return
    if not scripts:
        scripts, paths = paths[:1], paths[1:]
    for script in scripts:
        for old, new in _said_by(script):
            yield from (Edit("write", path, old, new, script) for path in paths)


def _said_by(script: str) -> Iterator[tuple[str, str]]:
    """Pairs of what a script of sed takes away and what it puts there."""
    script = script[:TEXT_MAX]
    for match in list(_SUBSTITUTION.finditer(script))[:_PAIRS_MAX]:
        parts = re.split(rf"(?<!\\){re.escape(match[1])}", script[match.end() :], maxsplit=2)
        if len(parts) > 1:
            yield _ESCAPE.sub(" ", parts[0]), parts[1]
    for match in list(_DELETION.finditer(script))[:_PAIRS_MAX]:
        named = match[1] if match[1] and re.search(r"[^\W\d_]", match[1]) else "(a line)"
        yield named, ""
    for match in list(_PUT.finditer(script))[:_PAIRS_MAX]:
        yield "", match[1]


def _programmed(code: str) -> Iterator[Edit]:
    """What Python code replaces in the files that it names, where it writes at all."""
    code = code[:TEXT_MAX]
    if not _WRITES.search(code):
        return
    pairs = [(match[2], match[4]) for match in list(_REPLACED.finditer(code))[:_PAIRS_MAX]]
    paths = dict.fromkeys(_NAMED.findall(code))
    for path in list(paths)[:_PAIRS_MAX]:
        yield from (Edit("write", path, old, new, code) for old, new in pairs)


def same_words(old: str, new: str) -> bool:
    """Whether two texts say the same: the same words in the same order, but for spelling, blanks, numbers of a list
    and years.
    """  # noqa: D205 - one sentence
    before, after = _words(old), _words(new)
    if before == after or "".join(before) == "".join(after):
        return True
    if len(before) != len(after):
        return False
    differing = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    return len(differing) <= _TYPOS_MAX and all(_alike(a, b) for a, b in differing)


def kept_words(new: str, shown: str) -> bool:
    """Whether a text holds what was shown of it before, line by line, and nothing else."""
    lines = [line for line in new.splitlines() if _words(line)]
    before = [line for line in shown.splitlines() if _words(line)]
    if not lines or len(lines) > _EDITS_MAX or len(before) > _EDITS_MAX:
        return False
    at = next((number for number, line in enumerate(before) if same_words(line, lines[0])), None)
    if at is None:
        return False
    rest = before[at : at + len(lines)]
    return len(rest) == len(lines) == len(before[at:]) and all(map(same_words, rest, lines))


def _words(text: str) -> list[str]:
    return [
        word
        for word in _WORD.findall(_TAG.sub(" ", _NUMBERED.sub(" ", text[:TEXT_MAX])).lower())
        if not word.isdigit() or _counts(word)
    ]


def _counts(word: str) -> bool:
    return not _YEAR.fullmatch(word)


def _alike(one: str, other: str) -> bool:
    """Whether two words are one word spelt in two ways; a prefix such as `un` makes another word."""
    if one == other:
        return True
    shorter, longer = sorted((len(one), len(other)))
    if shorter < _TYPO_LENGTH or longer > _WORD_MAX or one.endswith(other) or other.endswith(one):
        return False
    return SequenceMatcher(None, one, other, autojunk=False).ratio() > _TYPO_RATIO
