"""The examination: read, understand, list the holes, propose a loop file. Nothing of the project runs."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from subcritical.loop.doctor._cast import Cast
from subcritical.loop.doctor._catalogue import Findings
from subcritical.loop.doctor._dice_rules import dice_holes
from subcritical.loop.doctor._facts import Spawn
from subcritical.loop.doctor._fresh_rules import fresh_holes
from subcritical.loop.doctor._loop_rules import evaluator_path, loop_holes
from subcritical.loop.doctor._process_rules import process_holes
from subcritical.loop.doctor._program import Program, inside
from subcritical.loop.doctor._proposal import propose
from subcritical.loop.doctor._prose import Prose, shell_facts
from subcritical.loop.doctor._reach_rules import reach_holes
from subcritical.loop.doctor._score_rules import contributing, score_holes
from subcritical.loop.doctor._shell_rules import shell_holes
from subcritical.loop.doctor._trust_rules import trust_holes
from subcritical.loop.doctor.reading import read_tree
from subcritical.loop.doctor.records import Access, Diagnosis, Hole, Place, Producer, Project, Role, RoleName, Unread
from subcritical.loop.loopfile import Loop, load_loop


def examine(what: Path | Loop) -> Diagnosis:
    """Examine a project's directory, or a loop file (given by path or loaded).

    Nothing of the project is imported, executed or rendered; the reading is bounded (see `reading`).

    Raises:
        InputError: The path is missing, or the loop file is wrong (`ConfigError` with its line).
    """
    if isinstance(what, Loop):
        return _examine_loop(what)
    if what.is_file():
        return _examine_loop(load_loop(what))
    return _examine_directory(what)


def _examine_directory(directory: Path) -> Diagnosis:
    tree = read_tree(directory)
    program = Program(tree)
    program.extend(shell_facts(program))
    prose = Prose(program)
    cast = Cast(program, prose)
    found = Findings()
    score_holes(program, cast, found)
    trust_holes(program, cast, found)
    process_holes(program, cast, found)
    reach_holes(program, cast, found)
    dice_holes(program, cast, found)
    fresh_holes(program, cast, found)
    shell_holes(program, cast, found)
    if cast.slicer.cut_off:
        why = f"{cast.slicer.cut_off} values depend on so much that following them was cut short: holes may be missing"
        program.unread.append(Unread(".", why))
    holes = found.holes()
    producers = _producers(program, cast, holes)
    roles = _roles(program, cast, producers)
    proposal = propose(program, cast, roles, directory.resolve().name)
    return Diagnosis(
        directory=str(directory),
        project=_project(program, cast, holes),
        roles=roles,
        producers=producers,
        holes=holes,
        loop_file=proposal.text,
        loop_file_notes=proposal.notes,
        unconfined=_unconfined(program, cast),
        workspace=proposal.workspace,
        files_read=len(tree.files),
        unread=tuple(sorted([*tree.unread, *program.unread])),
    )


def _examine_loop(loop: Loop) -> Diagnosis:
    workspace = loop.resolve(loop.settings.workspace)
    tree = read_tree(loop.directory)
    program = Program(tree)
    found = Findings()
    loop_holes(loop, program, found)
    return Diagnosis(
        directory=str(loop.directory),
        project="loop",
        roles=_loop_roles(loop),
        producers=_loop_producers(loop),
        holes=found.holes(),
        loop_file=_own_text(loop),
        loop_file_notes=(),
        unconfined="",
        workspace=os.path.relpath(workspace, loop.directory),
        files_read=len(tree.files),
        unread=tuple(sorted([*tree.unread, *program.unread])),
    )


def _loop_producers(loop: Loop) -> tuple[Producer, ...]:
    """What the harness makes the score from; the canary tries each of these paths."""
    evaluate = loop.settings.evaluate
    file = evaluator_path(loop) or evaluate.run
    shared = evaluate.isolation == "shared"
    access: Access = "runs_inside" if shared else "out_of_reach"
    where = "the candidate is imported into it" if shared else "its own sandbox, pristine files, a private descriptor"
    found = [
        Producer(kind="process", name="evaluator", file=file, line=1, guest=access, why=where),
        _kept(file, "the evaluator is read before the run; the guest's copy is a decoy"),
        _kept(evaluate.public, "public split, bound read-only into the evaluator's sandbox alone"),
    ]
    if evaluate.held_out is not None:
        found.append(_kept(evaluate.held_out, "held-out split, bound read-only into the evaluator's sandbox alone"))
    return tuple(found)


def _kept(path: str, why: str) -> Producer:
    return Producer(kind="path", name=path, file=path, line=1, guest="out_of_reach", why=why)


def _own_text(loop: Loop) -> str:
    try:
        return loop.path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _loop_roles(loop: Loop) -> tuple[Role, ...]:
    names: dict[str, RoleName] = {"evaluator": "evaluator", "policy": "guard", "limit": "guard", "monitor": "harness"}
    return tuple(
        Role(path=rule.path, role=names.get(rule.artifact, "candidate"), why=f"classed `{rule.artifact}`")
        for rule in loop.settings.artifacts
    )


def _project(program: Program, cast: Cast, holes: tuple[Hole, ...]) -> Project:
    """Which known pattern the project follows, by what it does: for people, no rule depends on it."""
    if any(h.id == "protected-by-prose" for h in holes) or (cast.prose.records and cast.prose.editable):
        return "autoresearch"
    outer = [v for v in cast.verdicts if v.scored.of("execute", "spawn")]
    writes_results = any(program.of("write", v.module.path) for v in outer)
    if outer and writes_results:
        return "shinka"
    return "openevolve" if outer else "generic"


def _producers(program: Program, cast: Cast, holes: tuple[Hole, ...]) -> tuple[Producer, ...]:
    found: dict[tuple[str, str], Producer] = {}
    for root in cast.roots:
        for path, places in contributing(program, root).items():
            place = places[0] if places else Place(path, root.line if path == root.module.path else 1)
            _producer(found, "path", path, place, _access(cast, path))
        for fact in root.scored.of("read", "unsafe_load"):
            for path in program.paths(fact)[:3]:
                if not path.startswith("<value"):
                    _producer(found, "path", path, Place(fact.module, fact.line), _access(cast, path))
        for fact in root.scored.of("spawn"):
            if isinstance(fact, Spawn):
                access: Access = "runs_inside" if cast.runs_guest(fact) else "unknown"
                name = " ".join(w for w in fact.words()[:8])[:200]
                _producer(
                    found, "process", name, Place(fact.module, fact.line), (access, "it is started for the score")
                )
    for hole in holes:
        if hole.id == "evaluator-writable":  # where the guest reports the score itself, no comparison leads there
            _producer(found, "path", hole.file, Place(hole.file, hole.line), _access(cast, hole.file))
    return tuple(found[key] for key in sorted(found))


def _producer(
    found: dict[tuple[str, str], Producer], kind: str, name: str, place: Place, access: tuple[Access, str]
) -> None:
    key = (kind, name)
    if key not in found:
        found[key] = Producer(
            kind="path" if kind == "path" else "process",
            name=name,
            file=place.file,
            line=place.line,
            guest=access[0],
            why=access[1],
        )


def _access(cast: Cast, path: str) -> tuple[Access, str]:
    if cast.is_guest(path):
        return "writes", "it is the guest's own"
    for certain in (cast.certain, cast.likely):
        for folder in certain:
            if inside(folder, path):
                return "can_write", f"lies in `{folder}`: {cast.areas[folder][0]}"
    return "unknown", "outside the folders the guest is started in; an unconfined process can write it all the same"


def _roles(program: Program, cast: Cast, producers: tuple[Producer, ...]) -> tuple[Role, ...]:
    scoring = {p.name for p in producers if p.kind == "path"}
    roles: list[Role] = []
    for path in sorted({*program.modules, *(f.module for f in program.spawns)}):
        if path in cast.agents:
            roles.append(Role(path=path, role="agent", why=cast.agents[path]))
        elif cast.is_candidate(path):
            place = cast.candidates.get(path) or next(iter(cast.candidates.values()))
            roles.append(Role(path=path, role="candidate", why=f"{place.note} ({place.file}:{place.line})"))
        elif path in cast.harness:
            roles.append(Role(path=path, role="harness", why="it compares scores"))
        elif path in scoring:
            roles.append(Role(path=path, role="evaluator", why="the score depends on its code"))
        elif path in cast.prose.files:
            roles.append(Role(path=path, role="instructions", why="it tells a model what to edit"))
        elif path in program.modules:
            roles.append(Role(path=path, role="support", why="nothing that was read gives it a part in the score"))
    named = {r.path for r in roles}
    data = [name for name in sorted(scoring - named) if name in program.tree.names]
    roles += [Role(path=name, role="data", why="the score depends on its content") for name in data]
    return tuple(roles)


def _unconfined(program: Program, cast: Cast) -> str:
    """What the project's own set-up allows, as one paragraph."""
    starts = [s for s in program.spawns if cast.runs_guest(s)]
    boxed = [
        s
        for s in starts
        if s.words() and posixpath.basename(s.words()[0]) in {"docker", "podman", "bwrap", "firejail", "nsjail"}
    ]
    if starts and len(boxed) == len(starts):
        return "Guest code is started in containers; what they mount writable is listed above."
    where = ", ".join(f"{s.module}:{s.line}" for s in starts[:4]) or "by whoever runs this project"
    return (
        f"Guest code is started as a plain process ({where}): it may write every file that you may write, read every "
        "file that you may read, reach the network, and go on running when the loop has ended."
    )
