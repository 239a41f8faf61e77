"""Which files of a project a tool call would change, as far as its text says; strict where there is doubt."""

from __future__ import annotations

import fnmatch
import functools
import os
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from subcritical.detectors import Act
from subcritical.gateway import PathRule, classify, matches
from subcritical.schema import PROTECTED, Artifact
from subcritical.watch.words import Word, changed_by, moves_about

_ALWAYS = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/fd/*")
_UNKNOWN = re.compile(r"\$\{[^}]*\}|\$\([^)]*\)?|\$\w+|`[^`]*`?|\{[^}]*\}?|\$")
"""What a shell puts other text for: variables, substitutions, braces."""


class Touched(msgspec.Struct, frozen=True):
    """A path relative to the project with what it is, or an absolute one outside it."""

    path: str
    artifact: Artifact


class _Index:
    """Protected files by what words could call them, so that many files do not make each word dear."""

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self.names = {path: _folded(path) for path in paths}
        self._at_or_below: dict[str, list[str]] = {".": list(paths)}
        self._same: dict[tuple[int, int], list[str]] = {}
        for path, name in self.names.items():
            parts = name.split("/")
            for n in range(1, len(parts) + 1):
                self._at_or_below.setdefault("/".join(parts[:n]), []).append(path)
            identity = _identity(root / path)
            if identity:
                self._same.setdefault(identity, []).append(path)

    def at_or_below(self, folded: str) -> list[str]:
        """Files of this name, or in a folder of this name."""
        return self._at_or_below.get(folded, [])

    def same(self, place: Path) -> list[str]:
        """Other names of the file that lies here."""
        return self._same.get(_identity(place) or (-1, -1), [])


class Reach:
    """Classifies what acts change.

    Args:
        root: The project, resolved.
        rules: What each path is; the last one matches everything.
        elsewhere: Globs of absolute paths outside the project that are nobody's business.
    """

    def __init__(self, root: Path, rules: Sequence[PathRule], elsewhere: Sequence[str] = ()) -> None:
        """Bind."""
        self._root = root
        self._rules = tuple(rules)
        self._elsewhere = (*_ALWAYS, *elsewhere)
        self._bases = sorted({_base(rule.pattern) for rule in rules if rule.artifact in PROTECTED})

    def touched(self, acts: Sequence[Act], cwd: str, mentioned: Iterable[str] = ()) -> list[Touched]:
        """What `acts` would write, move or delete, and protected files that `mentioned` words name."""
        start = self._root / cwd
        astray = any(moves_about(act) for act in acts)
        found: dict[str, Touched] = {}
        protected = _Index(self._root, self.protected())
        for act in acts:
            if act.kind == "run":
                one = [t for word in changed_by(act, start) for t in self._alike(word, start, protected, astray=astray)]
            elif act.kind == "read" or not act.path:
                one = []
            elif act.kind == "write" and act.text.startswith("<copy of ") and (start / act.path).is_dir():
                one = []  # the command itself says which names come to lie there
            else:
                one = [
                    *self._as_written(act.path, start),
                    *self._alike(Word(act.path), start, protected, astray=astray),
                ]
            found.update({t.path: t for t in one})
        for text in mentioned:
            found.update({t.path: t for t in self._alike(Word(text, sure=False), start, protected, astray=astray)})
        return list(found.values())

    def protected(self) -> list[str]:
        """Protected files that there are now, relative to the project; links are not followed.

        Only folders that a rule names before its first wildcard are walked, so that a large project costs nothing.
        """
        found = {name for base in self._bases for name in self._below(base)}
        return sorted(name for name in found if classify(name, self._rules) in PROTECTED)

    def _below(self, base: str) -> Iterator[str]:
        place = self._root / base
        if place.is_symlink() or not place.is_dir():
            if os.path.lexists(place):
                yield base
            return
        for folder, folders, files in os.walk(place):
            for name in (*files, *(name for name in folders if (Path(folder) / name).is_symlink())):
                yield os.path.relpath(Path(folder) / name, self._root)

    def _as_written(self, word: str, start: Path) -> list[Touched]:
        """The path as it stands, and where its links lead."""
        place = _place(word, start)
        return [t for t in (self._at(place), self._at(_resolved(place))) if t is not None]

    def _at(self, place: Path) -> Touched | None:
        if place.is_relative_to(self._root):
            relative = place.relative_to(self._root).as_posix()
            return Touched(relative, classify(relative, self._rules))
        if any(matches(str(place), pattern) for pattern in self._elsewhere):
            return None
        return Touched(str(place), Artifact.UNLISTED)

    def _alike(self, word: Word, start: Path, protected: _Index, *, astray: bool) -> list[Touched]:
        """Protected files that a word could mean: other spellings, links, globs, variables, folders above them."""
        pattern = _UNKNOWN.sub("*", word.text)
        if not word.sure and not pattern.replace("*", "").replace("?", "").strip("./"):
            return []  # a program that may change nothing, given what could be anything
        place = _place(pattern, start)
        meant = {_folded(os.path.relpath(p, self._root)) for p in (place, _resolved(place))}
        hits = {*protected.same(place), *(path for one in meant for path in protected.at_or_below(one))}
        globs = {one for one in meant if _is_glob(one)}
        if astray:  # relative names may begin anywhere
            globs |= meant | {_folded(pattern)}
        if globs:
            hits |= {path for path, name in protected.names.items() if _any_covers(globs, name, astray=astray)}
        return [Touched(path, classify(path, self._rules)) for path in sorted(hits)]


def _any_covers(patterns: Iterable[str], name: str, *, astray: bool) -> bool:
    tails = [name, *(name.split("/", n)[-1] for n in range(1, name.count("/") + 1))] if astray else [name]
    return any(_covers(pattern, tail) for pattern in patterns for tail in tails)


def _is_glob(pattern: str) -> bool:
    return bool(set(pattern) & set("*?["))


def _base(pattern: str) -> str:
    """The part of a glob before its first wildcard, in whole folders."""
    plain = re.split(r"[*?]", pattern, maxsplit=1)[0]
    return plain if plain == pattern else plain.rpartition("/")[0] or "."


def _covers(pattern: str, name: str) -> bool:
    """Whether a folded path or glob could mean `name` or a folder above it."""
    if pattern in (".", name) or name.startswith(pattern + "/"):
        return True
    if not _is_glob(pattern):
        return False
    parts = name.split("/")
    return any(fnmatch.fnmatchcase("/".join(parts[:n]), pattern) for n in range(1, len(parts) + 1))


def _place(word: str, start: Path) -> Path:
    return Path(os.path.normpath(start / _at_home(word.replace("\0", "?"))))


def _at_home(word: str) -> Path:
    try:
        return Path(word).expanduser()
    except RuntimeError:  # a user who is not there
        return Path(word)


@functools.lru_cache(maxsize=1 << 16)
def _folded(path: str) -> str:
    """One form for all spellings that a file system or a reader may take for the same."""
    plain = "".join(c for c in unicodedata.normalize("NFKC", path) if unicodedata.category(c) != "Cf")
    return posixpath.normpath(plain).casefold()


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a loop of links
        return path


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, whatever its name: two hard links are one file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return None if path.is_dir() else (found.st_dev, found.st_ino)
