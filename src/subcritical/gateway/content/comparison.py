"""Both sides of a proposal, and whether a changed file changes what decides about a limit."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from subcritical.gateway.content.names import RUNS_DATA, STARTS, LimitNames, Names, folded, words_of
from subcritical.gateway.content.python import Module, Statement, module_of
from subcritical.gateway.content.reach import Files, Reach
from subcritical.gateway.content.settings import deciding, is_settings, items_of, only_lowers
from subcritical.gateway.content.tightening import differing, pairs_lowered
from subcritical.schema import Artifact

USUAL = frozenset({Artifact.CODE, Artifact.TOOL, Artifact.ARCHITECTURE})
"""Classes of files in which names that are usual for limits are limits. In the others a number with such a name is
what the operator gave free; there only declared names count."""
PROSE = frozenset({Artifact.PROMPT, Artifact.MEMORY, Artifact.CONSTITUTION, Artifact.WEIGHTS})
_PROSE_ENDINGS = (".md", ".rst")
_PYTHON = (".py", ".pyi", ".pyw")
_SHELL = (".sh", ".bash", ".zsh", "makefile", ".mk", "justfile")
_SHELL_RUNS = re.compile(
    r"\b(?:eval|source|exec|declare|typeset|base64|xxd|envsubst)\b|^\s*\.\s|\$\{!|\b(?:python3?|perl|ruby|node)\s+-[ce]\b"
)
_INTERPRETED = re.compile(
    r"(?:\b(?:python[\d.]*|sh|bash|zsh|source|exec|perl|ruby|node)|(?:^|[;&|])\s*\.)\s[^\n;&|]*\0", re.MULTILINE
)
"""A script that hands a file, here a NUL, to something that runs it."""
_WRITE_MODES = frozenset(mode + more for mode in "wax" for more in ("", "b", "t", "+", "b+", "+b"))
_STDLIB = frozenset(folded(name) for name in sys.stdlib_module_names)
_NOTHING = Module(())
_LINE_MAX = 2000
_DECIDING_MAX = 2000
"""More statements of a file that decide about limits are not compared: it would take too long."""
_UNREAD = "it cannot be read as what its name says, or is too long to be read in time"


def is_prose(path: str, kind: Artifact) -> bool:
    """Whether a file is text for people or models: what it says about a limit is no limit."""
    return kind in PROSE or folded(path).endswith(_PROSE_ENDINGS)


class Side:
    """The files of a version that are not protected: path to bytes, read when they are looked at."""

    def __init__(
        self, entries: Mapping[str, str], get: Callable[[str], bytes], classes: Mapping[str, Artifact]
    ) -> None:
        """Bind to a tree: path to digest."""
        self.digests = {path: digest for path, digest in entries.items() if path in classes}
        self._get = get
        self._classes = classes

    def data(self, path: str) -> bytes:
        """Bytes of a file; none where there is no such file."""
        return self._get(self.digests[path]) if path in self.digests else b""

    def python(self) -> dict[str, Module]:
        """Every Python file that can be parsed."""
        parsed = {path: module_of(self.data(path)) for path in self.digests if self.is_python(path)}
        return {path: module for path, module in parsed.items() if module is not None}

    def is_python(self, path: str) -> bool:
        """Whether a file is Python by its name, or by its first line."""
        return folded(path).endswith(_PYTHON) or (
            self._classes[path] not in PROSE and re.match(rb"#![^\n]*python", self.data(path)[:200]) is not None
        )


class Comparison:
    """Finds which changed files decide about a limit.

    Args:
        old: The version in force.
        new: The proposed one.
        classes: Class of each path that is not protected.
        limits: Folded names of the limits in force.
        names: Which names are limits.
    """

    def __init__(self, old: Side, new: Side, classes: Mapping[str, Artifact], limits: Names, names: LimitNames) -> None:
        """Parse both sides and follow the limits through them."""
        self._old, self._new = old, new
        self._classes = classes
        self._limits = limits
        self._names = names
        self._before, self._after = old.python(), new.python()
        self._reach = Reach(limits, (self._before, self._after))
        files = [*self._before.items(), *self._after.items()]
        self._sources = [(path, _texts(self._reach.deciding(path, module))) for path, module in files]
        self._runners = [
            (path, _texts(module.statements), any(s.reflective & RUNS_DATA for s in module.statements))
            for path, module in files
            if (RUNS_DATA | STARTS) & module.by_word.keys()
        ]
        self._scripts = [(path, side.data(path)) for side in (old, new) for path in side.digests if _is_shell(path)]

    def why(self, path: str) -> str:
        """Why a changed file is a change of a limit, or nothing."""
        python = any(side.is_python(path) for side in (self._old, self._new) if path in side.digests)
        try:
            if python:
                return self._taken_from(path) or self._python(path)
            return self._taken_from(path) or self._run(path) or self._settings(path)
        except Exception:  # noqa: BLE001 - unknown is unsafe: hostile text found a way to break its reader
            return _UNREAD

    def _python(self, path: str) -> str:
        sides: tuple[tuple[Side, Files], ...] = ((self._old, self._before), (self._new, self._after))
        if any(path in side.digests and path not in read for side, read in sides):
            return _UNREAD
        before, after = self._before.get(path, _NOTHING), self._after.get(path, _NOTHING)
        return self._means(before, after) or self._changes(self._deciding(path, before), self._deciding(path, after))

    def _means(self, before: Module, after: Module) -> str:
        """Whether a file gets a means to reach what is not written in it."""
        reflective = _reflective(after.statements) - _reflective(before.statements)
        if reflective:
            words = ", ".join(sorted({word for _, word in reflective}))
            return f"it adds {words}: what that reaches cannot be told, and the files in force hold limits"
        unseen = self._unseen_import(after)
        return f"it imports `{unseen}`, which is no file of the proposal, and code in it writes files" if unseen else ""

    def _changes(self, old: list[Statement], new: list[Statement]) -> str:
        if max(len(old), len(new)) > _DECIDING_MAX:
            return _UNREAD
        gone, come = differing(old, new)
        if pairs_lowered(gone, come) and all(s.binds & self._limits for s in gone):
            return ""
        return "what decides about a limit is changed in it, and not only lowered"

    def _deciding(self, path: str, module: Module) -> list[Statement]:
        """Statements that decide about a limit, but for plain numbers that the operator gave free."""
        free = self._classes[path] not in USUAL
        return [s for s in self._reach.deciding(path, module) if not (free and self._is_free(s))]

    def _is_free(self, statement: Statement) -> bool:
        number = None if statement.scope else statement.number
        return number is not None and not self._names.among((number[0],), usual=False)

    def _unseen_import(self, after: Module) -> str:
        """A module that a file imports and nobody has seen, where code in the proposal could write it."""
        known = {name for module in self._before.values() for name in _imported(module)}
        known |= {part for path in self._new.digests for part in re.split(r"[/.]", folded(path))}
        new = _imported(after) - known - _STDLIB
        writes = any(_writes(module) for module in self._after.values())
        return min(new) if new and writes else ""

    def _settings(self, path: str) -> str:
        kind = self._classes[path]
        names = self._limits if kind in USUAL else self._names.among(self._limits, usual=False)
        if is_prose(path, kind) or not names:
            return ""
        before, after = self._items(self._old, path), self._items(self._new, path)
        if before is None or after is None:
            return _UNREAD
        if _is_shell(path):
            added = Counter(line for _, line in after if _SHELL_RUNS.search(line)) - Counter(line for _, line in before)
            if added:
                return "it adds a line that runs text: what that does cannot be told"
        old, new = deciding(before, names), deciding(after, names)
        if old == new or only_lowers(old, new):
            return ""
        return "what it says about a limit is changed, and not only lowered"

    def _taken_from(self, path: str) -> str:
        """Whether code takes a limit from this file, and what it takes is changed."""
        name = folded(path.rsplit("/", 1)[-1])
        for file, texts in self._sources:
            if not any(_names(text, name) for text in texts):
                continue
            keys = frozenset(word for text in texts if not _names(text, name) for word in words_of(text))
            keys = keys if is_settings(path) else frozenset()
            before, after = self._items(self._old, path), self._items(self._new, path)
            if keys and before is not None and after is not None:
                old, new = deciding(before, keys), deciding(after, keys)
                if old == new or only_lowers(old, new):
                    continue
            return f"a limit is taken from it ({file})"
        return ""

    def _run(self, path: str) -> str:
        """Whether code may run what is in this file: it names it, or none that it could mean."""
        name = folded(path.rsplit("/", 1)[-1])
        others = {folded(p.rsplit("/", 1)[-1]) for side in (self._old, self._new) for p in side.digests}
        for file, texts, runs in self._runners:
            unnamed = runs and not any(_names(text, other) for other in others for text in texts)
            if unnamed or any(_names(text, name) for text in texts):
                return f"{file} may run what is in it, and the files in force hold limits"
        for file, data in self._scripts:
            if max(map(len, data.splitlines()), default=0) > _LINE_MAX:
                return _UNREAD
            if _INTERPRETED.search(_file(name).sub("\0", folded(data.decode("utf-8", "replace")))):
                return f"{file} may run what is in it, and the files in force hold limits"
        return ""

    @staticmethod
    def _items(side: Side, path: str) -> tuple[tuple[str, str], ...] | None:
        return items_of(side.data(path), path) if path in side.digests else ()


def _names(text: str, name: str) -> bool:
    """Whether a text names a file: alone, at the end of a path, or as a word of a command."""
    return name in text and _file(name).search(text) is not None


def _file(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])")


def _is_shell(path: str) -> bool:
    return folded(path).endswith(_SHELL)


def _writes(module: Module) -> bool:
    """Whether code writes files under names that it gives."""
    if {"write_text", "write_bytes"} & module.by_word.keys():
        return True
    return any(_WRITE_MODES & module.statements[n].texts for n in module.by_word.get("open", ()))


def _imported(module: Module) -> set[str]:
    return {name.split(".")[0] for s in module.statements for name, _, _ in s.imported} - {""}


def _texts(statements: Iterable[Statement]) -> frozenset[str]:
    return frozenset(folded(text) for s in statements for text in s.texts)


def _reflective(statements: Iterable[Statement]) -> Counter[tuple[tuple[str, ...], str]]:
    return Counter((s.key, word) for s in statements if s.reflective for word in s.reflective)
