"""Holes in what the guest can reach: guards, settings, the record, evaluation data, and the dice."""

from __future__ import annotations

import ast
import posixpath
import re

from subcritical.loop.doctor._cast import Cast
from subcritical.loop.doctor._catalogue import Findings
from subcritical.loop.doctor._facts import Fact
from subcritical.loop.doctor._index import Function, Module
from subcritical.loop.doctor._program import Program, inside, may_be_same
from subcritical.loop.doctor._score_rules import direct_slice
from subcritical.loop.doctor.records import Place

# Names below are interfaces of other people's programs, which find these files by name.
_STEERING = re.compile(
    r"(^|/)(\.claude/.+|\.cursor/.+|\.codex/.+|\.gemini/.+|\.github/workflows/.+|\.git/hooks/[^.]+|\.githooks/.+|\.husky/.+"
    r"|\.pre-commit-config\.yaml|\.mcp\.json|mcp\.json|hooks\.json|\.envrc|\.env|sitecustomize\.py|usercustomize\.py"
    r"|CLAUDE\.md|AGENTS\.md|GEMINI\.md|\.cursorrules|\.vscode/tasks\.json|\.devcontainer/.+)$|\.pth$|\.cedar$"
)
_HASHES = re.compile(r"^(hashlib\.|filecmp\.cmp|zlib\.crc32|hmac\.)")
_RESTORING_GIT = frozenset({"checkout", "restore", "reset", "diff", "status", "clean", "stash"})


def reach_holes(program: Program, cast: Cast, found: Findings) -> None:
    """All rules of this page."""
    _guards_used(program, cast, found)
    _guards_inside(program, cast, found)
    _harness_inside(cast, found)
    _steering_files(program, cast, found)
    for module in program.modules.values():
        if not cast.is_guest(module.path) and not _is_inside(cast, module.path):
            _settings_read(program, cast, module, found)
            _records(program, cast, module, found)
    _data(program, cast, found)


def _is_inside(cast: Cast, path: str) -> bool:
    return cast.in_area(path) and "." not in cast.certain


# guards -------------------------------------------------------------------------------------------


def _guards_used(program: Program, cast: Cast, found: Findings) -> None:
    """Trusted code calls a guarding function that is defined where the guest can write."""
    for module in program.modules.values():
        if cast.is_guest(module.path) or cast.in_area(module.path):
            continue
        for call in module.calls:
            for other, function in program.index.called(module, call):
                if cast.in_area(other.path) and not cast.is_candidate(other.path) and _guards(other, function):
                    why = "trusted code relies on this check, and the guest can rewrite it"
                    found.add(
                        "guard-in-workspace",
                        other.path,
                        function.lineno,
                        why,
                        [Place(module.path, call.lineno, "relied on here")],
                    )
    for spawn in program.spawns:
        if spawn.module in program.modules and not cast.is_guest(spawn.module) and not cast.in_area(spawn.module):
            for target in program.targets[spawn]:
                if cast.in_area(target) and not cast.is_guest(target):
                    _guard_script(program, target, Place(spawn.module, spawn.line, "started here"), found)


def _guard_script(program: Program, path: str, place: Place, found: Findings) -> None:
    line = _guard_line(program, path)
    if line is not None:
        why = "the parent starts this check, and the guest can rewrite it"
        found.add("guard-in-workspace", path, line, why, [place])


def _guards_inside(program: Program, cast: Cast, found: Findings) -> None:
    """Files that restore or compare, and that lie where the guest writes (whoever starts them)."""
    for path in [*program.modules, *sorted({f.module for f in program.spawns})]:
        if not cast.in_area(path) or cast.is_candidate(path) or path.endswith((".md", ".txt", ".rst")):
            continue
        line = _guard_line(program, path)
        if line is not None:
            area = next((f for f in cast.certain if inside(f, path)), ".")
            why = f"this check restores or compares files, and lies in `{area}`: {cast.areas.get(area, ('', False))[0]}"
            found.add("guard-in-workspace", path, line, why)


def _guard_line(program: Program, path: str) -> int | None:
    for spawn in program.spawns:
        words = spawn.words()
        if (
            spawn.module == path
            and words
            and posixpath.basename(words[0]) == "git"
            and _RESTORING_GIT & set(words[1:4])
        ):
            return spawn.line
    module = program.modules.get(path)
    if module is None:
        return None
    for name, functions in sorted(module.functions.items()):
        for function in functions:
            if name != "<lambda>" and _compares_hashes(module, function):
                return function.lineno
    return next(
        (
            c.lineno
            for c in module.calls
            if _HASHES.match(module.dotted(c.func)) and _compares_hashes(module, module.tree)
        ),
        None,
    )


def _compares_hashes(module: Module, function: ast.AST) -> bool:
    hashes = compares = False
    for node in ast.walk(function):
        hashes = hashes or (isinstance(node, ast.Call) and bool(_HASHES.match(module.dotted(node.func))))
        compares = compares or (
            isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn)
        )
    return hashes and compares


def _guards(module: Module, function: Function) -> bool:
    """Whether a function checks: compares digests, restores files, refuses by raising or by an answer of yes or no."""
    if _compares_hashes(module, function):
        return True
    for node in ast.walk(function):
        if isinstance(node, ast.Raise | ast.Assert):
            return True
        if isinstance(node, ast.Return) and (
            isinstance(node.value, ast.Compare)
            or (isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool))
            or (isinstance(node.value, ast.Call) and module.dotted(node.value.func) in {"all", "any"})
            or isinstance(node.value, ast.BoolOp)
        ):
            return True
        if isinstance(node, ast.Call) and module.dotted(node.func) in {
            "shutil.copy",
            "shutil.copy2",
            "shutil.copyfile",
            "subprocess.run",
        }:
            return "git" in ast.unparse(node) or "copy" in module.dotted(node.func)
    return False


def _harness_inside(cast: Cast, found: Findings) -> None:
    """The comparing code itself lies in what the guest edits."""
    for root in cast.selections:
        path = root.module.path
        if cast.in_area(path) and not cast.is_guest(path):
            area = next((f for f in cast.certain if inside(f, path)), ".")
            why = f"the code that keeps or rejects lies in `{area}` itself: {cast.areas.get(area, ('', False))[0]}"
            found.add("guard-in-workspace", path, root.line, why)


# settings and records -----------------------------------------------------------------------------


def _steering_files(program: Program, cast: Cast, found: Findings) -> None:
    for path in sorted(program.tree.names):
        if _STEERING.search(path) and cast.in_area(path, certain=bool(cast.certain)) and not path.endswith(".sample"):
            area = next((f for f in (cast.certain or cast.likely) if inside(f, path)), ".")
            found.add(
                "settings-in-workspace", path, 1, f"other programs obey this file, and the guest can write `{area}`"
            )


def _settings_read(program: Program, cast: Cast, module: Module, found: Findings) -> None:
    """Trusted code decides by a file that the guest can write, and the file is no score."""
    scores = {r for root in cast.roots for r in root.scored.of("read", "unsafe_load")}
    reads = {r for r in program.of("read") if r not in scores and not cast.is_guest(r.module)}
    settings = {r for r in reads if _is_setting(program, cast, r)}
    if not settings:
        return
    for node in module.nodes:
        if not isinstance(node, ast.If | ast.IfExp | ast.Assert | ast.comprehension):
            continue
        tests = node.ifs if isinstance(node, ast.comprehension) else [node.test]
        for test in tests:
            for fact in cast.slicer.reach(test, module, across=False).of("read"):
                if fact not in settings:
                    continue
                why = f"`{program.paths(fact)[0]}` decides here, and the guest can write it"
                found.add(
                    "settings-in-workspace",
                    fact.module,
                    fact.line,
                    why,
                    [Place(module.path, test.lineno, "decides here")],
                )


def _is_setting(program: Program, cast: Cast, fact: Fact) -> bool:
    paths = program.paths(fact)
    if any(cast.is_candidate(p) or p.startswith("<") for p in paths):
        return False
    written = any(may_be_same(a, b) for w in program.of("write") for a in paths for b in program.paths(w))
    return not written and any(cast.in_area(p) and p in program.tree.names and not p.endswith(".py") for p in paths)


def _records(program: Program, cast: Cast, module: Module, found: Findings) -> None:
    """The harness keeps its record (what it appends, or what it writes of the scores) within the guest's reach."""
    scored = {f for root in cast.roots if root.module is module for f in root.scored.of("read", "spawn", "execute")}
    for write in program.of("write", module.path):
        if write.detail == "copy" or cast.executes_guest(module.path):
            continue
        where = [
            p
            for p in program.paths(write)
            if cast.in_area(p) and not cast.is_candidate(p) and not p.startswith("<value")
        ]
        if not where or where[0].endswith(".py"):
            continue
        kept = "a" in write.detail or any(
            scored & set(cast.slicer.reach(c, module, across=False).facts) for c in write.content
        )
        if kept and not _answer_to_guest(cast, write):
            why = f"`{where[0]}` is written here as a record, and the guest can rewrite or delete it"
            found.add("log-in-workspace", module.path, write.line, why)


def _answer_to_guest(cast: Cast, write: Fact) -> bool:
    """A file that guest code reads is an answer to it, not a record."""
    paths = cast.program.paths(write)
    return any(
        cast.is_guest(r.module) and any(may_be_same(a, b) for a in paths for b in cast.program.paths(r))
        for r in cast.program.of("read")
    )


def _data(program: Program, cast: Cast, found: Findings) -> None:
    """A data file that the scoring code reads, and that lies in the workspace or that guest code reads too."""
    for root in cast.roots:
        direct = set(direct_slice(cast, root).facts)
        for fact in root.scored.of("read"):
            paths = program.paths(fact)
            if fact in direct or cast.is_guest(fact.module) or any(cast.is_candidate(p) for p in paths):
                continue
            if any(p.endswith((".py", ".sh")) for p in paths) or any(
                may_be_same(a, b) for w in program.of("write") for a in paths for b in program.paths(w)
            ):
                continue
            readers = [
                r for r in program.of("read") if cast.is_guest(r.module)
                and any(may_be_same(a, b) for a in paths for b in program.paths(r))
            ]  # fmt: skip
            inside_area = any(cast.in_area(p) and p in program.tree.names for p in paths)
            if readers or inside_area:
                why = f"the score depends on `{paths[0]}`, and " + (
                    "guest code reads it" if readers else "it lies in the workspace"
                )
                places = [Place(r.module, r.line, "read here by guest code") for r in readers]
                found.add("evaluation-data-readable", fact.module, fact.line, why, places)
