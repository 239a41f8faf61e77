"""Shell scripts and Makefiles that compare scores: a modest reading by lines and variables."""

from __future__ import annotations

import posixpath
import re

from subcritical.loop.doctor._cast import Cast
from subcritical.loop.doctor._catalogue import Findings
from subcritical.loop.doctor._facts import Fact, Spawn
from subcritical.loop.doctor._program import Program, may_be_same
from subcritical.loop.doctor.records import Place

_ASSIGNED = re.compile(r"\b([A-Za-z_]\w*)=[\"']?(?:\$\(|`)")
_COMPARED = re.compile(r"\s-(gt|ge|lt|le|eq)\s|\(\(.*[<>].*\)\)|\bbc\b|\bawk\b.*[<>]|\[\[.*[<>].*\]\]")
_DECIDED = re.compile(r"^\s*(if|while|until)\s+(?!\[|\(\()(.+?)(;|$)|(?<![&|])&&(?![&|])")


def shell_holes(program: Program, cast: Cast, found: Findings) -> None:
    """Scores that a script takes from what guest code printed or wrote, and exit codes that it goes by."""
    for path in sorted({f.module for f in program.facts if f.module not in program.modules}):
        text = program.tree.files.get(path, "")
        if path.endswith((".md", ".txt", ".rst", ".mdc")):
            continue
        facts = [f for f in program.facts if f.module == path]
        lines = text.split("\n")
        used = _used(lines)
        for fact in facts:
            if fact.line in used:
                _believed(program, cast, fact, facts, used[fact.line], found)
        _exit_codes(cast, facts, lines, found)


def _used(lines: list[str]) -> dict[int, int]:
    """Line where a variable is taken -> line where it is compared."""
    found: dict[int, int] = {}
    for number, line in enumerate(lines, start=1):
        for name in _ASSIGNED.findall(line):
            for later, other in enumerate(lines, start=1):
                if re.search(rf"\$\{{?{name}\b", other) and _COMPARED.search(other):
                    found[number] = later
                    break
    return found


def _believed(program: Program, cast: Cast, fact: Fact, facts: list[Fact], used: int, found: Findings) -> None:
    places = [Place(fact.module, used, "compared here")]
    if isinstance(fact, Spawn):
        if cast.runs_guest(fact):
            found.add(
                "score-from-output",
                fact.module,
                fact.line,
                "guest code runs here, and what it prints is the score",
                places,
            )
        return
    if fact.kind != "read":
        return
    paths = program.paths(fact)
    writers = [w for w in program.of("write") if any(may_be_same(a, b) for a in paths for b in program.paths(w))]
    for write in writers:
        if cast.is_guest(write.module) or (write.module in program.modules and cast.executes_guest(write.module)):
            places.append(Place(write.module, write.line, "written here by guest code"))
            found.add("score-file-by-guest", fact.module, fact.line, f"`{paths[0]}` is written by guest code", places)
            return
        started = [s for s in facts if isinstance(s, Spawn) and s.line == write.line and cast.runs_guest(s)]
        if started and write.detail == "redirect":
            places.append(Place(write.module, write.line, "started here, and its output is kept"))
            found.add("score-from-output", fact.module, fact.line, f"`{paths[0]}` is what guest code printed", places)
            return


def _exit_codes(cast: Cast, facts: list[Fact], lines: list[str], found: Findings) -> None:
    for fact in facts:
        if not isinstance(fact, Spawn) or not cast.runs_guest(fact) or fact.line > len(lines):
            continue
        words = fact.words()
        if words and posixpath.basename(words[0]) in {"git", "docker", "podman"}:
            continue
        line = lines[fact.line - 1]
        following = lines[fact.line] if fact.line < len(lines) else ""
        if (_DECIDED.search(line) and "$(" not in line) or re.search(r"\$\?", following):
            found.add("exit-code-evidence", fact.module, fact.line, "the script goes by the exit code of guest code")
