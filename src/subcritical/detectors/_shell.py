"""Shell text as simple commands. Hostile text: it is split, never run.

What stands in quotes is an argument, what stands behind `#` a comment, and neither is a command: a word that merely
occurs is not an act. Text that no shell would take is split as far as it goes.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

import msgspec

SCRIPT_CHARS_MAX = 100_000
COMMANDS_MAX = 1000
DEPTH_MAX = 4

_PREFIXES = frozenset(
    [
        "sudo",
        "doas",
        "env",
        "nohup",
        "setsid",
        "time",
        "nice",
        "ionice",
        "stdbuf",
        "command",
        "exec",
        "builtin",
        "xargs",
        "then",
        "do",
        "else",
        "if",
        "while",
        "until",
        "!",
        "{",
        "watch",
        "strace",
        "timeout",
    ]
)
_WITH_VALUE = frozenset(["-u", "-g", "-n", "-s", "-k", "-I", "-P", "-L", "-d", "-a", "-C"])
"""Options of those wrappers that take the next word."""
_SHELLS = frozenset(["bash", "sh", "zsh", "dash", "ksh", "ash"])
_OPERATORS = (";;", "&&", "||", "|&", ";", "|", "&", "\n", "(", ")")
_REDIRECTS = ("&>>", "&>", ">>", ">|", ">", "<<<", "<<-", "<<", "<")


class Command(msgspec.Struct, frozen=True):
    """One simple command.

    Attributes:
        words: Program and arguments, unquoted; wrappers like `sudo` are in `via` instead.
        writes: Files that its output goes to, with whether it is appended.
        reads: Files that its input comes from.
        body: Text of a here-document or here-string.
        via: Wrappers in front of it, outermost first.
        assigned: Variables set for it alone, `NAME=value`.
    """

    words: tuple[str, ...]
    writes: tuple[tuple[str, bool], ...] = ()
    reads: tuple[str, ...] = ()
    body: str = ""
    via: tuple[str, ...] = ()
    assigned: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """Name of the program without its folder; empty where only files are written."""
        return posixpath.basename(self.words[0]) if self.words else ""


class _Pending(msgspec.Struct):
    words: list[str] = []
    writes: list[tuple[str, bool]] = []
    reads: list[str] = []
    body: str = ""
    ends: list[str] = []


def commands(script: str) -> list[Command]:
    """Simple commands in order, those inside `$(…)`, `bash -c '…'` and `eval` included; at most 1,000."""
    found: list[Command] = []
    for command in _walk(script[:SCRIPT_CHARS_MAX], 0):
        found.append(command)
        if len(found) >= COMMANDS_MAX:
            break
    return found


def _walk(script: str, depth: int) -> Iterator[Command]:
    for pending, inner in _Reader(script).simple():
        command = _unwrapped(pending)
        if command is not None:
            yield command
        if depth < DEPTH_MAX:
            for text in [*inner, *_nested(command)]:
                yield from _walk(text, depth + 1)


def _nested(command: Command | None) -> list[str]:
    """Scripts that a command hands to another shell."""
    if command is None:
        return []
    words = command.words
    for position, word in enumerate(words[:-1]):
        if word in {"-c", "-lc", "-ic"} and any(posixpath.basename(before) in _SHELLS for before in words[:position]):
            return [words[position + 1]]
    if command.program == "ssh":
        return [word for word in words[2:] if " " in word]
    if command.program == "eval":
        return [" ".join(words[1:])]
    if command.program in _SHELLS and command.body:
        return [command.body]
    return []


def _unwrapped(pending: _Pending) -> Command | None:
    words, via, assigned = list(pending.words), [], []
    while words:
        name = posixpath.basename(words[0])
        if "=" in words[0] and words[0].split("=", 1)[0].isidentifier():
            assigned.append(words.pop(0))
        elif name in _PREFIXES:
            via.append(posixpath.basename(words.pop(0)))
            while words and words[0].startswith("-"):
                del words[: 2 if words[0] in _WITH_VALUE else 1]
            if name == "timeout":
                del words[:1]
        else:
            break
    if not words and not pending.writes and not assigned and not via:
        return None
    return Command(
        words=tuple(words),
        writes=tuple(pending.writes),
        reads=tuple(pending.reads),
        body=pending.body,
        via=tuple(via),
        assigned=tuple(assigned),
    )


class _Reader:
    """Reads a script once, from left to right."""

    def __init__(self, script: str) -> None:
        self._text = script.replace("\\\n", " ")
        self._at = 0

    def simple(self) -> Iterator[tuple[_Pending, list[str]]]:
        """Commands, each with the scripts of its substitutions."""
        pending, inner = _Pending(), list[str]()
        redirect = ""
        while self._at < len(self._text):
            operator = self._take(_OPERATORS)
            if operator:
                if operator == "\n" and pending.ends:
                    pending.body = self._here(pending.ends)
                if pending.words or pending.writes:
                    yield pending, inner
                pending, inner, redirect = _Pending(), [], ""
                continue
            if self._text[self._at].isspace():
                self._at += 1
                continue
            if self._text[self._at] == "#":
                self._at = self._end_of_line()
                continue
            took = self._redirect()
            if took is not None:
                redirect = took
                continue
            word, scripts = self._word()
            inner += scripts
            if redirect:
                _redirected(pending, redirect, word)
                redirect = ""
            else:
                pending.words.append(word)
        if pending.words or pending.writes:
            yield pending, inner

    def _take(self, operators: tuple[str, ...]) -> str:
        for operator in operators:
            if self._text.startswith(operator, self._at):
                if operator == "&" and self._text.startswith("&>", self._at):
                    return ""
                self._at += len(operator)
                return operator
        return ""

    def _redirect(self) -> str | None:
        """The redirection that begins here, empty where it only copies a descriptor, None where none begins."""
        start = self._at
        while self._at < len(self._text) and self._text[self._at].isdigit():
            self._at += 1
        took = self._take(_REDIRECTS)
        if not took:
            self._at = start
            return None
        if self._text.startswith("&", self._at):  # a copy of a descriptor, not a file
            self._at += 1
            self._word()
            return ""
        return took

    def _end_of_line(self) -> int:
        end = self._text.find("\n", self._at)
        return len(self._text) if end < 0 else end

    def _here(self, ends: list[str]) -> str:
        """The lines up to the first of the words that end a here-document; they are taken off the script."""
        stop, lines = ends.pop(0), list[str]()
        while self._at < len(self._text):
            end = self._end_of_line()
            line, self._at = self._text[self._at : end], end + 1
            if line.strip() == stop:
                break
            lines.append(line)
        return "\n".join(lines)

    def _word(self) -> tuple[str, list[str]]:
        parts, scripts = list[str](), list[str]()
        text = self._text
        while self._at < len(text):
            character = text[self._at]
            if character.isspace() or character in ";|&()<>":
                if character == "(" and parts and parts[-1] == "$":
                    script = self._balanced()
                    scripts.append(script)
                    parts.append(f"({script})")
                    continue
                break
            if character == "'":
                end = text.find("'", self._at + 1)
                end = len(text) if end < 0 else end
                parts.append(text[self._at + 1 : end])
                self._at = end + 1
            elif character == '"':
                parts.append(self._double(scripts))
            elif character == "`":
                end = text.find("`", self._at + 1)
                end = len(text) if end < 0 else end
                scripts.append(text[self._at + 1 : end])
                parts.append(text[self._at : end + 1])
                self._at = end + 1
            elif character == "\\" and self._at + 1 < len(text):
                parts.append(text[self._at + 1])
                self._at += 2
            else:
                parts.append(character)
                self._at += 1
        if not parts and self._at < len(text) and text[self._at] in "<>()":
            self._at += 1  # nothing a word could begin with: passed over, so that reading goes on
        return "".join(parts), scripts

    def _double(self, scripts: list[str]) -> str:
        parts = list[str]()
        self._at += 1
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == '"':
                self._at += 1
                break
            if character == "\\" and self._at + 1 < len(self._text):
                parts.append(self._text[self._at + 1])
                self._at += 2
            elif character == "(" and parts and parts[-1] == "$":
                script = self._balanced()
                scripts.append(script)
                parts.append(f"({script})")
            else:
                parts.append(character)
                self._at += 1
        return "".join(parts)

    def _balanced(self) -> str:
        depth, start = 0, self._at + 1
        while self._at < len(self._text):
            depth += {"(": 1, ")": -1}.get(self._text[self._at], 0)
            self._at += 1
            if depth == 0:
                return self._text[start : self._at - 1]
        return self._text[start:]


def _redirected(pending: _Pending, redirect: str, word: str) -> None:
    if redirect in {"<<", "<<-"}:
        pending.ends.append(word)
    elif redirect == "<<<":
        pending.body = word
    elif redirect == "<":
        pending.reads.append(word)
    else:
        pending.writes.append((word, redirect in {">>", "&>>"}))
