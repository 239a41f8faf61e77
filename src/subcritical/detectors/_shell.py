"""Shell text as simple commands. Hostile text: it is split, never run.

What stands in quotes is an argument, what stands behind `#` a comment, and neither is a command: a word that merely
occurs is not an act. Text that no shell would take is split as far as it goes.
"""

from __future__ import annotations

import re
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
_HANDS = frozenset({"-c", "-lc", "-ic"})
_SHELLS = frozenset(["bash", "sh", "zsh", "dash", "ksh", "ash"])
_OPERATOR = re.compile(r";;|&&|\|\||\|&|;|\||&(?!>)|\n|\(|\)")
_REDIRECT = re.compile(r"&>>|&>|>>|>\||>|<<<|<<-|<<|<")
_SPACE = re.compile(r"[^\S\n]+|#[^\n]*")
"""What stands between words; a comment begins only where a word could."""
_PLAIN = re.compile(r"""[^\s;|&()<>'"`\\]+""")
_WHOLE = re.compile(r"""[^\s;|&()<>'"`\\]++(?=[\s;|&<>)]|$)""")
"""A word in which nothing is quoted, escaped or substituted."""
_IN_QUOTES = re.compile(r'[^"\\(]+')
_BRACKET = re.compile(r"[()]")
_NONE: list[str] = []
"""No script; nobody adds to it."""


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
        return _basename(self.words[0]) if self.words else ""


def _basename(path: str) -> str:
    return path[path.rfind("/") + 1 :]


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
            for text in inner:
                yield from _walk(text, depth + 1)
            for text in _nested(command):
                yield from _walk(text, depth + 1)


def _nested(command: Command | None) -> list[str]:
    """Scripts that a command hands to another shell."""
    if command is None:
        return _NONE
    words, program = command.words, command.program
    if not _HANDS.isdisjoint(words):
        for position, word in enumerate(words[:-1]):
            if word in _HANDS and any(_basename(before) in _SHELLS for before in words[:position]):
                return [words[position + 1]]
    if program == "ssh":
        return [word for word in words[2:] if " " in word]
    if program == "eval":
        return [" ".join(words[1:])]
    if command.body and program in _SHELLS:
        return [command.body]
    return _NONE


def _unwrapped(pending: _Pending) -> Command | None:
    words = pending.words
    via: list[str] = []
    assigned: list[str] = []
    while words:
        name = _basename(words[0])
        if "=" in words[0] and words[0].split("=", 1)[0].isidentifier():
            assigned.append(words.pop(0))
        elif name in _PREFIXES:
            via.append(_basename(words.pop(0)))
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
        pending, inner, redirect = _Pending(), _NONE, ""
        text = self._text
        while self._at < len(text):
            space = _SPACE.match(text, self._at)
            if space is not None:
                self._at = space.end()
                continue
            operator = _OPERATOR.match(text, self._at)
            if operator is not None:
                self._at = operator.end()
                if pending.ends and operator[0] == "\n":
                    pending.body = self._here(pending.ends)
                if pending.words or pending.writes:
                    yield pending, inner
                pending, inner, redirect = _Pending(), _NONE, ""
                continue
            character = text[self._at]
            took = self._redirect() if character in "<>&" or character.isdigit() else None
            if took is not None:
                redirect = took
                continue
            word, scripts = self._word()
            if scripts:
                inner = [*inner, *scripts]
            if redirect:
                _redirected(pending, redirect, word)
                redirect = ""
            else:
                pending.words.append(word)
        if pending.words or pending.writes:
            yield pending, inner

    def _redirect(self) -> str | None:
        """The redirection that begins here, empty where it only copies a descriptor, None where none begins."""
        end = self._at
        while end < len(self._text) and self._text[end].isdigit():
            end += 1
        took = _REDIRECT.match(self._text, end)
        if took is None:
            return None
        self._at = took.end()
        if self._text.startswith("&", self._at):  # a copy of a descriptor, not a file
            self._at += 1
            self._word()
            return ""
        return took[0]

    def _end_of_line(self) -> int:
        end = self._text.find("\n", self._at)
        return len(self._text) if end < 0 else end

    def _here(self, ends: list[str]) -> str:
        """The lines up to the first of the words that end a here-document; they are taken off the script."""
        stop, start, text = ends.pop(0), self._at, self._text
        while self._at < len(text):
            # Only a line that holds the word can be the one; the others are passed over together.
            found = text.find(stop, self._at)
            if found < 0:
                self._at = len(text)
                return text[start:].removesuffix("\n")
            begin = text.rfind("\n", self._at, found) + 1 or self._at
            self._at = found
            end = self._end_of_line()
            self._at = end + 1
            if text[begin:end].strip() == stop:
                return text[start : max(begin - 1, start)]
        return text[start:].removesuffix("\n")

    def _word(self) -> tuple[str, list[str]]:
        text = self._text
        whole = _WHOLE.match(text, self._at)
        if whole is not None:
            self._at = whole.end()
            return whole[0], _NONE
        parts: list[str] = []
        scripts: list[str] = []
        while self._at < len(text):
            plain = _PLAIN.match(text, self._at)
            if plain is not None:
                parts += _dollar_apart(plain[0])
                self._at = plain.end()
                continue
            character = text[self._at]
            if character in "'`":
                end = text.find(character, self._at + 1)
                end = len(text) if end < 0 else end
                inside = text[self._at + 1 : end]
                if character == "`":
                    scripts.append(inside)
                    inside = text[self._at : end + 1]
                parts.append(inside)
                self._at = end + 1
            elif character == '"':
                parts.append(self._double(scripts))
            elif character == "\\":
                parts.append(text[self._at + 1 : self._at + 2] or "\\")
                self._at += 2
            elif character == "(" and parts and parts[-1] == "$":
                parts.append(self._substituted(scripts))
            else:
                break
        if not parts and self._at < len(text) and text[self._at] in "<>()":
            self._at += 1  # nothing a word could begin with: passed over, so that reading goes on
        return "".join(parts), scripts

    def _double(self, scripts: list[str]) -> str:
        parts: list[str] = []
        text = self._text
        self._at += 1
        while self._at < len(text):
            plain = _IN_QUOTES.match(text, self._at)
            if plain is not None:
                parts += _dollar_apart(plain[0])
                self._at = plain.end()
                continue
            character = text[self._at]
            if character == '"':
                self._at += 1
                break
            if character == "(" and parts and parts[-1] == "$":
                parts.append(self._substituted(scripts))
            elif character == "\\" and self._at + 1 < len(text):
                parts.append(text[self._at + 1])
                self._at += 2
            else:
                parts.append(character)
                self._at += 1
        return "".join(parts)

    def _substituted(self, scripts: list[str]) -> str:
        script = self._balanced()
        scripts.append(script)
        return f"({script})"

    def _balanced(self) -> str:
        depth, start = 0, self._at + 1
        for bracket in _BRACKET.finditer(self._text, self._at):
            depth += 1 if bracket[0] == "(" else -1
            if depth == 0:
                self._at = bracket.end()
                return self._text[start : bracket.start()]
        self._at = len(self._text)
        return self._text[start:]


def _dollar_apart(plain: str) -> list[str]:
    """A plain stretch, with a dollar at its end as a part of its own: before a bracket it begins a substitution."""
    return [plain[:-1], "$"] if plain[-1] == "$" else [plain]


def _redirected(pending: _Pending, redirect: str, word: str) -> None:
    if redirect in {"<<", "<<-"}:
        pending.ends.append(word)
    elif redirect == "<<<":
        pending.body = word
    elif redirect == "<":
        pending.reads.append(word)
    else:
        pending.writes.append((word, redirect in {">>", "&>>"}))
