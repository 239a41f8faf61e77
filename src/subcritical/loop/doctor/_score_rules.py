"""Holes in what produces the score: who can rewrite it, whose process it is computed in, what is believed."""

from __future__ import annotations

import ast
import posixpath

from subcritical.loop.doctor._cast import Cast
from subcritical.loop.doctor._catalogue import Findings
from subcritical.loop.doctor._facts import Fact, Spawn
from subcritical.loop.doctor._index import Module
from subcritical.loop.doctor._program import Program, inside, may_be_same
from subcritical.loop.doctor._selection import Selection
from subcritical.loop.doctor._slices import Slice, outputs
from subcritical.loop.doctor.records import Place

_NO_PARSER = 9
_DATA = (".tsv", ".csv", ".json", ".jsonl", ".txt", ".yaml", ".log")


def score_holes(program: Program, cast: Cast, found: Findings) -> None:
    """All rules of this page."""
    for root in cast.roots:
        direct = direct_slice(cast, root)
        _evaluator_writable(program, cast, root, found)
        _directories(program, cast, root, found)
        _score_files(program, cast, root, direct, found)
        _printed(program, cast, root, direct, found)
        _shared_interpreter(program, cast, root, direct, found)
    for path in [*program.modules]:
        if cast.is_guest(path):
            _scorer_in_guest(program, cast, program.modules[path], found)
    _unread_scores(program, cast, found)
    _instructions(program, cast, found)


def direct_slice(cast: Cast, root: Selection) -> Slice:
    """What the operands of a selection are passed on from, unchanged in meaning."""
    merged = Slice()
    for value in root.values:
        part = cast.slicer.direct(value, root.module)
        for fact, channels in part.facts.items():
            merged.facts.setdefault(fact, set()).update(channels)
        merged.nodes |= part.nodes
        merged.through |= part.through
        merged.scopes |= part.scopes
    return merged


def _at(root: Selection, note: str = "the score is used here") -> Place:
    return Place(root.module.path, root.line, note)


def contributing(program: Program, root: Selection) -> dict[str, list[Place]]:
    """Files of the tree whose code the score depends on, with where they are brought in."""
    found: dict[str, list[Place]] = {}
    for path, _ in root.scored.scopes:
        found.setdefault(path, [])
    for fact in root.scored.of("spawn", "import", "execute"):
        targets = program.targets[fact] if isinstance(fact, Spawn) else program.paths(fact)
        for target in targets:
            if target in program.modules or target in program.tree.files:
                word = "started" if isinstance(fact, Spawn) else "imported"
                found.setdefault(target, []).append(Place(fact.module, fact.line, f"{word} here"))
    return found


def _evaluator_writable(program: Program, cast: Cast, root: Selection, found: Findings) -> None:
    for path, places in contributing(program, root).items():
        if cast.is_guest(path) or path == root.module.path:
            continue
        certain = cast.in_area(path)
        if not certain and not cast.in_area(path, certain=False):
            continue
        area = next((f for f in (cast.certain if certain else cast.likely) if inside(f, path)), ".")
        why = f"the score depends on this file, and the guest can write `{area}`: {cast.areas[area][0]}"
        found.add("evaluator-writable", path, _first_line(program, path, root), why, [*places, _at(root)])


def _first_line(program: Program, path: str, root: Selection) -> int:
    """Where the file's part in the score begins: the function that is entered, else what it prints."""
    entered = sorted(line for file, line in root.scored.through if file == path)
    if entered:
        return entered[0]
    module = program.modules.get(path)
    printed = [v.lineno for v in outputs(module, "")] if module else []
    written = [f.line for f in program.of("write", path)]
    return min([*printed, *written], default=1)


def _guest_reaches(program: Program, cast: Cast, paths: list[str], reader: str) -> tuple[str, list[Place]] | None:
    """Why guest code can write one of `paths`, and where it does."""
    for write in program.of("write"):
        same = any(may_be_same(a, b) for a in paths for b in program.paths(write))
        if same and write.module != reader and _in_guest_process(cast, write.module):
            return "guest code writes it", [Place(write.module, write.line, "written here by guest code")]
    for path in paths:
        if path.startswith("<value") or cast.is_candidate(path):
            continue
        area = next((f for f in cast.certain if inside(f, path)), None)
        if area is not None:
            return f"it lies in `{area}`, which the guest can write ({cast.areas[area][0]})", []
    for spawn in program.spawns:
        if cast.runs_guest(spawn) and (word := _passed(program, spawn, paths)):
            return f"the process that runs guest code is given `{word}`", [
                Place(spawn.module, spawn.line, "started here")
            ]
    return None


def _in_guest_process(cast: Cast, path: str) -> bool:
    return cast.is_guest(path) or bool(cast.executes_guest(path))


def _passed(program: Program, spawn: Spawn, paths: list[str]) -> str | None:
    """A path among the arguments of a process."""
    for texts in spawn.argv[1:]:
        for text in texts:
            where = program.locate(text.split("=", 1)[-1] if text.startswith("--") else text, spawn.module)
            if where in {".", "<none>"} or text.startswith("-") or where in program.modules:
                continue
            if any(may_be_same(where, path) or (inside(where, path) and "/" in path) for path in paths):
                return text
    return None


def _directories(program: Program, cast: Cast, root: Selection, found: Findings) -> None:
    for fact in root.scored.of("list"):
        if cast.is_guest(fact.module):
            continue
        paths = program.paths(fact)
        folders = [posixpath.dirname(p) if "*" in posixpath.basename(p) else p for p in paths]
        reached = _guest_reaches(
            program, cast, [f"{f}/*" for f in folders if f] + paths, fact.module
        ) or _guest_reaches(program, cast, [f for f in folders if f], fact.module)
        if reached is not None:
            found.add(
                "score-over-directory", fact.module, fact.line, f"every file of the listing counts, and {reached[0]}",
                [*reached[1], _at(root)],
            )  # fmt: skip


def _score_files(program: Program, cast: Cast, root: Selection, direct: Slice, found: Findings) -> None:
    for fact in direct.of("read", "unsafe_load"):
        if cast.is_guest(fact.module):
            continue
        paths = program.paths(fact)
        if any("*" in p for p in paths) and found.has("score-over-directory", fact.module):
            continue
        reached = _guest_reaches(program, cast, paths, fact.module)
        if reached is not None:
            why = f"`{paths[0]}` is believed as it is, and {reached[0]}"
            found.add("score-file-by-guest", fact.module, fact.line, why, [*reached[1], _at(root)])


def _printed(program: Program, cast: Cast, root: Selection, direct: Slice, found: Findings) -> None:
    for fact in direct.of("spawn"):
        if not isinstance(fact, Spawn) or "stdout" not in direct.facts[fact] or not cast.runs_guest(fact):
            continue
        if cast.is_guest(fact.module):
            continue
        parsed = _parse_line(direct, program.modules[fact.module])
        why = f"guest code runs in the process started at line {fact.line}, and what it prints is taken as the score"
        found.add(
            "score-from-output", fact.module, parsed or fact.line, why,
            [Place(fact.module, fact.line, "started here"), _at(root)],
        )  # fmt: skip


def _parse_line(direct: Slice, module: Module) -> int | None:
    """The line that turns output into a number: a pattern before a parser before a conversion."""
    best: tuple[int, int] | None = None
    for node in direct.nodes:
        if isinstance(node, ast.Call) and node in module.parents:
            name = module.dotted(node.func)
            rank = (
                0 if name.startswith("re.") else 1 if "loads" in name else 2 if name in {"float", "int"} else _NO_PARSER
            )
            if rank < _NO_PARSER and (best is None or (rank, node.lineno) < best):
                best = (rank, node.lineno)
    return best[1] if best else None


def _shared_interpreter(program: Program, cast: Cast, root: Selection, direct: Slice, found: Findings) -> None:
    """Modules that load the candidate within a process whose word is the score."""
    processes = {root.module.path} | {
        path for path, _ in root.scored.scopes if path in program.index.closure(root.module.path)
    }
    for fact in direct.of("spawn"):
        if isinstance(fact, Spawn):
            processes |= program.process_modules(fact)
    for read in direct.of("read", "unsafe_load"):
        writers = [w.module for w in program.of("write") if _matches(program, read, w)]
        for spawn in program.spawns:
            if set(writers) & program.process_modules(spawn):
                processes |= program.process_modules(spawn)
    for path in sorted(processes):
        if cast.is_guest(path):
            continue
        for fact in cast.executes_guest(path):
            why = "the candidate can patch, exit, print and write in this process, and the score is computed in it too"
            found.add("candidate-in-evaluator", path, fact.line, why, [_at(root)])


def _matches(program: Program, read: Fact, write: Fact) -> bool:
    return any(may_be_same(a, b) for a in program.paths(read) for b in program.paths(write))


def _scorer_in_guest(program: Program, cast: Cast, guest: Module, found: Findings) -> None:
    results = [*outputs(guest, "stdout"), *(c for w in program.of("write", guest.path) for c in w.content)]
    consumed = any(
        guest.path in program.targets.get(f, [])
        for r in cast.roots
        for f in r.scored.of("spawn")
        if isinstance(f, Spawn)
    )
    for value in results:
        direct = cast.slicer.direct(value, guest)
        for path, line in sorted(direct.through):
            if path == guest.path or cast.is_guest(path):
                continue
            node = next((f for f in program.of("import", guest.path) if path in program.paths(f)), None)
            if node is None or (cast.roots and not consumed):
                continue
            why = f"`{guest.path}` calls `{path}` in its own process and reports the result itself"
            places = [Place(path, line, "the scorer"), Place(guest.path, value.lineno, "reported here by the guest")]
            found.add("scorer-in-guest-process", guest.path, node.line, why, places)
            if cast.in_area(path, certain=False):
                found.add(
                    "evaluator-writable",
                    path,
                    line,
                    "the guest's process imports it, and nothing keeps it from writing it",
                    places,
                )


def _unread_scores(program: Program, cast: Cast, found: Findings) -> None:
    """Nothing here compares: then a result file that the guest writes is what people will read."""
    if cast.roots:
        return
    for path in program.modules:
        if not cast.is_guest(path):
            continue
        for write in program.of("write", path):
            names = [p for p in program.paths(write) if p.endswith(_DATA)]
            if names:
                why = f"`{names[0]}` is written by guest code, and nothing in the tree computes the score independently"
                found.add("score-file-by-guest", path, write.line, why)


def _instructions(program: Program, cast: Cast, found: Findings) -> None:
    if not cast.candidates and not cast.agents:
        return
    for name, place in cast.prose.records.items():
        why = f"the instructions tell the guest to write `{name}` itself: \u201c{place.note}\u201d"
        found.add("score-file-by-guest", place.file, place.line, why)
    for path, place in cast.prose.forbidden.items():
        if path in program.modules and cast.in_area(path, certain=False):
            found.add(
                "protected-by-prose",
                place.file,
                place.line,
                f"`{path}`: \u201c{place.note}\u201d",
                [Place(path, 1, "the file")],
            )
