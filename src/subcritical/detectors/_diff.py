"""Unified diffs as pairs of statements. The text is hostile: it is split and compared, never run.

Everything here only *grades* what an alarm found already. Text that cannot be read counts as a
change of what is computed, so that confusing this module never makes an alarm milder.
"""

from __future__ import annotations

import re
from collections import Counter

import msgspec

DIFF_CHARS_MAX = 200_000
STATEMENTS_MAX = 5000
LINE_CHARS_MAX = 2000

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_TOKEN = re.compile(
    r"""[A-Za-z]{0,2}"(?:[^"\\\n]|\\.)*"|[A-Za-z]{0,2}'(?:[^'\\\n]|\\.)*'"""
    r"""|\d[\d_]*\.?[\d_]*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|[^\W\d]\w*|[^\w\s]"""
)
_DEFINITION = re.compile(r"\s*(?:async\s+def|def|class)\b.*:\s*(?:#.*)?$")
_DOCSTRING = re.compile(r"""\s*[rR]?("{3}|'{3})(?=[A-Za-z])""")
_HASH_COMMENTS = (".py", ".pyi", ".sh", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".r", ".jl", ".rb", "makefile")
_SLASHES = re.compile(r"(?:^|\s)(?://+|/\*+)\s?(.*)")
_OPEN, _CLOSE = "([{", ")]}"

Tokens = tuple[str, ...]
Statement = tuple[int, Tokens]
"""Indentation and tokens."""


class Hunk(msgspec.Struct, frozen=True):
    """Both sides of one hunk with their context lines; `first` where it begins at line 1."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    first: bool


class Edit(msgspec.Struct, frozen=True):
    """One changed statement: `old` empty where it was added, `new` empty where it was removed."""

    old: Tokens
    new: Tokens


class Edits(msgspec.Struct, frozen=True):
    """What a diff changes beyond comments and layout.

    `readable` is False where the text was empty, too long or no diff: then `edits` says nothing.
    """

    readable: bool
    edits: tuple[Edit, ...]


class _HunkReader:
    """Collects hunks line by line, trusting a hunk's own line counts as long as they last."""

    def __init__(self) -> None:
        self.hunks: list[Hunk] = []
        self._old: list[str] = []
        self._new: list[str] = []
        self._left = [0, 0]
        self._first = False
        self._counted = False

    @property
    def missing(self) -> bool:
        """Whether the last hunk is shorter than its header says."""
        return max(self._left) > 0

    def flush(self) -> None:
        if self._old or self._new:
            self.hunks.append(Hunk(tuple(self._old), tuple(self._new), self._first))
        self._old, self._new = [], []

    def feed(self, line: str) -> None:
        inside = self._left[0] > 0 or self._left[1] > 0
        header = None if inside else _HUNK.match(line)
        if header:
            self.flush()
            self._left = [int(header[2] or 1), int(header[4] or 1)]
            self._first = header[1] in "01" and header[3] in "01"
            self._counted = True
        elif inside or (not self._counted and line[:3] not in ("---", "+++")):
            self._take(line)

    def _take(self, line: str) -> None:
        tag, text = line[:1], line[1:]
        if tag in ("-", " ", ""):
            self._left[0] -= 1
        if tag in ("+", " ", ""):
            self._left[1] -= 1
        if tag == "-" or (self._counted and tag in (" ", "")):
            self._old.append(text)
        if tag == "+" or (self._counted and tag in (" ", "")):
            self._new.append(text)


def hunks_of(diff: str) -> list[Hunk]:
    """Hunks of a unified diff of one file; lines outside hunks are dropped where hunks have headers."""
    reader = _HunkReader()
    for line in diff.split("\n"):
        reader.feed(line)
    reader.flush()
    return reader.hunks


def is_whole(diff: str) -> bool:
    """Whether no hunk is shorter than it says: a diff that was cut hides what follows."""
    reader = _HunkReader()
    for line in diff.split("\n"):
        reader.feed(line)
    return not reader.missing


def docstring_lines(lines: tuple[str, ...], *, first: bool) -> frozenset[int]:
    """Which lines are docstrings whose opening is visible right after a definition or at the file's start.

    A docstring that opened before the hunk is *not* recognised: from inside a diff it cannot be
    told from code.
    """
    inside: list[int] = []
    closing = ""
    may_open = first
    for number, line in enumerate(lines):
        if closing:
            inside.append(number)
            if closing in line:
                closing = ""
            continue
        opened = _DOCSTRING.match(line) if may_open else None
        if opened:
            rest = line[opened.end() :]
            closing = "" if opened[1] in rest else opened[1]
            if closing or not rest.split(opened[1], 1)[1].strip():
                inside.append(number)  # else there is code behind the closing quotes
            may_open = False
            continue
        if line.strip():
            may_open = bool(_DEFINITION.match(line))
    return frozenset(inside)


def _without_docstrings(lines: tuple[str, ...], *, first: bool) -> list[str]:
    inside = docstring_lines(lines, first=first)
    return [line for number, line in enumerate(lines) if number not in inside]


def comment_of(line: str, path: str) -> str:
    """What a line of code says to readers: from an unquoted `#` or `//` on, as the file's language has it."""
    if path.lower().endswith(_HASH_COMMENTS):
        return next((line[match.end() :] for match in _TOKEN.finditer(line) if match[0] == "#"), "")
    told = _SLASHES.search(line)
    return told[1] if told else ""


def _plain(token: str) -> str:
    """One spelling for a string that either quote could hold."""
    if token[-1:] == "'" and '"' not in token and "\\" not in token:
        return token.replace("'", '"')
    return token


def tokens_of(line: str, *, hash_comments: bool) -> Tokens:
    """Tokens of one line; from an unquoted `#` on it is a comment, where the file's language says so."""
    tokens: list[str] = []
    for match in _TOKEN.finditer(line):
        if match[0] == "#" and hash_comments:
            break
        tokens.append(_plain(match[0]))
    return tuple(tokens)


def _statements(lines: list[str], *, hash_comments: bool) -> list[Statement]:
    """Indentation and tokens of each statement; lines inside open brackets belong to one."""
    statements: list[Statement] = []
    pending: list[str] = []
    indent = depth = 0
    for line in lines:
        tokens = tokens_of(line, hash_comments=hash_comments)
        if not tokens:
            continue
        if not pending:
            indent = len(line) - len(line.lstrip())
        pending.extend(tokens)
        depth = max(0, depth + sum(t in _OPEN for t in tokens) - sum(t in _CLOSE for t in tokens))
        if depth == 0:
            statements.append((indent, tuple(pending)))
            pending = []
    if pending:
        statements.append((indent, tuple(pending)))
    return statements


def _shape(statement: Statement) -> Statement:
    """A statement with its numbers masked: two of one shape differ in numbers alone."""
    return statement[0], tuple("0" if is_number(t) else t for t in statement[1] if t != "-")


def _only_in(statements: list[Statement], other: list[Statement]) -> tuple[list[Statement], list[Statement]]:
    """Statements without a partner in `other`, and those with one, both in order."""
    left = Counter(other)
    alone: list[Statement] = []
    common: list[Statement] = []
    for statement in statements:
        if left[statement] > 0:
            left[statement] -= 1
            common.append(statement)
        else:
            alone.append(statement)
    return alone, common


def _compare(old: list[Statement], new: list[Statement]) -> list[Edit]:
    """Pair what differs, in time linear in the text: an alignment would be quadratic on hostile input."""
    removed, old_common = _only_in(old, new)
    added, new_common = _only_in(new, old)
    edits: list[Edit] = []
    by_shape: dict[Statement, list[Statement]] = {}
    for statement in reversed(added):
        by_shape.setdefault(_shape(statement), []).append(statement)
    unpaired: list[Statement] = []
    for statement in removed:
        partners = by_shape.get(_shape(statement))
        if partners:
            edits.append(Edit(statement[1], partners.pop()[1]))
        else:
            unpaired.append(statement)
    left = Counter(s for partners in by_shape.values() for s in partners)
    rest = [s for s in added if left[s] > 0]
    if len(unpaired) == len(rest):
        edits.extend(Edit(b[1], a[1]) for b, a in zip(unpaired, rest, strict=True))
    else:
        edits.extend(Edit(b[1], ()) for b in unpaired)
        edits.extend(Edit((), a[1]) for a in rest)
    if old_common != new_common:  # the same statements in another order compute something else
        edits.append(Edit(("reordered",), ("reordered",)))
    return edits


def edits_of(diff: str, path: str) -> Edits:
    """What a unified diff of one file changes beyond comments, docstrings, blank lines and line breaks.

    Args:
        diff: Hostile text, any length; beyond 200,000 characters, or with a line beyond 2,000, it is not read.
        path: Only its ending is used, to know what a comment looks like.

    Returns:
        The edits; none at all means documentation or layout only.
    """
    if not diff.strip() or len(diff) > DIFF_CHARS_MAX:
        return Edits(readable=False, edits=())
    if any(len(line) > LINE_CHARS_MAX for line in diff.split("\n")):
        return Edits(readable=False, edits=())  # cutting such a line could hide the edit behind the cut
    edits: list[Edit] = []
    hunks = hunks_of(diff)
    for hunk in hunks:
        found = edits_in(hunk, path)
        if found is None:
            return Edits(readable=False, edits=())
        edits.extend(found)
    return Edits(readable=bool(hunks), edits=tuple(edits))


def edits_in(hunk: Hunk, path: str) -> tuple[Edit, ...] | None:
    """The edits of one hunk, None where it has too many statements."""
    python = path.lower().endswith((".py", ".pyi"))
    sides = []
    for lines in (hunk.old, hunk.new):
        kept = _without_docstrings(lines, first=hunk.first) if python else list(lines)
        sides.append(_statements(kept, hash_comments=path.lower().endswith(_HASH_COMMENTS)))
    if max(len(sides[0]), len(sides[1])) > STATEMENTS_MAX:
        return None
    return tuple(_compare(sides[0], sides[1]))


def is_number(token: str) -> bool:
    """Whether a token is a number literal."""
    return token[:1].isdigit() or (token[:1] == "." and token[1:2].isdigit())


def number(token: str) -> float | None:
    """Value of a number literal, None where it is none or too long to matter."""
    if not is_number(token) or len(token) > 40:  # noqa: PLR2004
        return None
    try:
        return float(token.replace("_", ""))
    except ValueError:
        return None


_TYPE_WORDS = frozenset({"int", "float", "str", "bool", "Final", "Optional", "None", "ClassVar", "const", "let", "var"})


def name_before(tokens: Tokens, index: int) -> str:
    """The nearest name or quoted key before a token: what a literal belongs to."""
    for token in reversed(tokens[:index]):
        word = token.strip("\"'")
        if (token[:1].isalpha() or token[:1] in "_\"'") and word not in _TYPE_WORDS:
            return word
    return ""


class NumberChange(msgspec.Struct, frozen=True):
    """A literal that changed inside an otherwise equal statement, and the name before it."""

    name: str
    old: float
    new: float


def number_changes(edit: Edit) -> list[NumberChange] | None:
    """The changed literals of a statement that is otherwise equal (signs aside), else None."""
    old = [t for t in edit.old if t != "-"]
    new = [t for t in edit.new if t != "-"]
    if len(old) != len(new) or edit.old == edit.new:
        return None
    changes: list[NumberChange] = []
    for index, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        b, a = number(before), number(after)
        if b is None or a is None:
            return None
        changes.append(NumberChange(name_before(tuple(new), index), b, a))
    return changes or None
