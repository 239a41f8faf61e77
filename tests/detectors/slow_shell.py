"""The reader of shell text as it was written first, character by character: what the fast one is compared with."""

from __future__ import annotations

from collections.abc import Iterator

from subcritical.detectors._shell import _Pending, _redirected

_OPERATORS = (";;", "&&", "||", "|&", ";", "|", "&", "\n", "(", ")")
_REDIRECTS = ("&>>", "&>", ">>", ">|", ">", "<<<", "<<-", "<<", "<")


class SlowReader:
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
