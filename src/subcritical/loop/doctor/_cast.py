"""Who is who, by what the code does: the candidate, the agent that edits it, where the guest can write, who selects.

No file is classed by its name. A candidate is a program text that something in the tree writes and
something runs, or a path that an outer caller supplies to be run, or what the instructions or
markers call editable. An agent is a process that writes candidates. The harness is the code that
compares scores.
"""

from __future__ import annotations

import ast
import posixpath
import re
from itertools import pairwise

from subcritical.loop.doctor._facts import Fact, Spawn
from subcritical.loop.doctor._index import Module
from subcritical.loop.doctor._program import TESTERS, Program, inside, may_be_same, normalise
from subcritical.loop.doctor._prose import AGENTS, Prose
from subcritical.loop.doctor._selection import Selection, compared, loaded_and_judged, outermost
from subcritical.loop.doctor._slices import Slice, Slicer
from subcritical.loop.doctor._spawns import CONTAINERS, mounts
from subcritical.loop.doctor.records import Place

_MARKER = re.compile(r"EVOLVE-BLOCK-START")
_EDITING_GIT = frozenset({"apply", "am", "commit", "reset", "stash", "checkout", "restore", "revert", "cherry-pick"})
_OPEN = ("<parameter", "<argument", "<option", "<environment", "<field", "<variable")


class Cast:
    """Roles of one program.

    Attributes:
        candidates: Located path texts of program text under selection -> why.
        agents: Modules that run as the process which edits candidates -> why.
        agent_spawns: Where such a process is started.
        areas: Folders the guest can write -> (why, certain).
        selections: Where scores are compared.
        verdicts: Values that an evaluator hands to an outer caller, as selections without comparison.
    """

    def __init__(self, program: Program, prose: Prose) -> None:
        """Work the roles out."""
        self.program, self.prose = program, prose
        self._settled = False  # roles are still being worked out: nothing about them may be remembered
        self._executes: dict[str, list[Fact]] = {}
        self._runs: dict[Spawn, bool] = {}
        self._candidate: dict[str, bool] = {}
        self.slicer = Slicer(program)
        self.candidates: dict[str, Place] = {}
        self.agents: dict[str, str] = {}
        self.agent_spawns: list[Spawn] = []
        self.areas: dict[str, tuple[str, bool]] = {}
        self._declared()
        self._written()
        self._supplied()
        raw = self._comparisons()
        self._agents(raw)
        self._fallback(raw)
        self._areas()
        self._run_from_area(raw)
        self.selections = outermost([s for s in raw if not self.is_guest(s.module.path) and self._depends(s.scored)])
        self.harness = {s.module.path for s in self.selections}
        self.verdicts = self._verdicts()
        self._settled = True

    # candidates --------------------------------------------------------------------------------

    def _declared(self) -> None:
        for path, text in self.program.tree.files.items():
            match = _MARKER.search(text)
            if (
                match
                and path.endswith((".py", ".pyw", ".sh"))
                and text[: match.start()].rpartition("\n")[2].lstrip()[:1] in "#/"
            ):
                self.candidates[path] = Place(
                    path, text.count("\n", 0, match.start()) + 1, "marked as the block that evolves"
                )
        for path, place in self.prose.editable.items():
            if path.endswith((".py", ".sh")) and path not in self.prose.forbidden:
                self.candidates.setdefault(path, Place(place.file, place.line, "the instructions call it editable"))

    def _run_texts(self) -> list[str]:
        """Path texts that something runs: scripts, dynamic and static imports."""
        found = [text for spawn in self.program.spawns for text in self.program.scripts[spawn]]
        for fact in self.program.of("execute"):
            found.extend(self.program.paths(fact))
            if fact.detail in {"exec", "eval"} and fact.node is not None:
                sliced = self.slicer.reach(fact.node, self.program.modules[fact.module], across=False)
                found.extend(p for read in sliced.of("read") for p in self.program.paths(read))
        found.extend(p for fact in self.program.of("import") for p in self.program.paths(fact))
        return found

    def _written(self) -> None:
        run = self._run_texts()
        copies: list[Fact] = []
        for fact in self.program.of("write"):
            if fact.detail == "copy":
                copies.append(fact)
            elif fact.module in self.program.modules and self._varies(fact):
                for path in self.program.paths(fact):
                    if self._is_program(path, run):
                        self.candidates.setdefault(path, Place(fact.module, fact.line, "its text is written here"))
        for _ in range(3):
            for fact in copies:
                self._copied(fact)

    def _copied(self, fact: Fact) -> None:
        module = self.program.modules.get(fact.module)
        if module is None or not fact.content:
            return
        sources = [self.program.locate(t, fact.module) for t in self.program.values.texts(fact.content[0], module)]
        if any(self.is_candidate(source) for source in sources):
            for path in self.program.paths(fact):
                if path not in self.program.tree.folders and not path.startswith("<value"):
                    self.candidates.setdefault(path, Place(fact.module, fact.line, "a candidate is copied here"))

    def _is_program(self, path: str, run: list[str]) -> bool:
        if path in self.program.modules:
            return True
        return not path.startswith("<value") and any(may_be_same(path, text) for text in run)

    def _varies(self, fact: Fact) -> bool:
        module = self.program.modules[fact.module]
        for content in fact.content:
            if any("<" in text for text in self.program.values.texts(content, module)):
                return True
        return not fact.content

    def _supplied(self) -> None:
        """A path that an outer caller supplies and that is run here: the caller's candidate."""
        texts: list[tuple[str, Fact]] = [(p, f) for f in self.program.of("execute") for p in self.program.paths(f)]
        texts += [
            (t, s) for s in self.program.spawns for t in self.program.scripts[s] if s.module in self.program.modules
        ]
        for text, fact in texts:
            opaque = text.startswith("<value") and fact.kind == "execute"
            if (opaque or text.startswith(_OPEN)) and ("/" not in text or text.endswith(".py")):
                self.candidates.setdefault(text, Place(fact.module, fact.line, "supplied from outside and run here"))
        for fact in self.program.of("execute"):
            if fact.detail in {"exec", "eval"} and fact.node is not None:
                module = self.program.modules[fact.module]
                sliced = self.slicer.reach(fact.content[0], module, across=False)
                for read in sliced.of("read"):
                    for path in self.program.paths(read):
                        if path.startswith(_OPEN) or self.is_candidate(path):
                            self.candidates.setdefault(path, Place(fact.module, fact.line, "read and executed here"))

    def is_candidate(self, path: str) -> bool:
        """Whether a located path is program text under selection."""
        return path in self.candidates or any(
            may_be_same(path, c) for c in self.candidates if not c.startswith("<value")
        )

    # agents ------------------------------------------------------------------------------------

    def _agents(self, raw: list[Selection]) -> None:
        selecting = {s.module.path for s in raw if s.scored.of("spawn", "read", "execute", "unsafe_load")}
        writers = {place.file for place in self.candidates.values() if place.file in self.program.modules}
        used = {f for s in raw for f in s.scored.of("spawn")}
        for spawn in self.program.spawns:
            processes = self.program.process_modules(spawn)
            words = spawn.command()
            if words and words[0] in AGENTS:
                self._agent(spawn, f"`{words[0]}` is an agent's command line")
            elif (editors := processes & writers - selecting - {spawn.module}) and not self._is_copy_only(editors):
                self._agent(spawn, f"its process writes program text ({', '.join(sorted(editors))})")
            elif is_box(spawn) and spawn not in used and not processes - writers:
                self._agent(spawn, "untrusted code is started in a container, and its result is not the score")
            elif words and words[0].startswith(_OPEN) and spawn not in used:
                self._agent(spawn, "a command from outside, whose result nobody reads")

    def _is_copy_only(self, editors: set[str]) -> bool:
        notes = {p.note for p in self.candidates.values() if p.file in editors}
        return notes <= {"a candidate is copied here", "supplied from outside and run here", "read and executed here"}

    def _agent(self, spawn: Spawn, why: str) -> None:
        self.agent_spawns.append(spawn)
        for target in self.program.targets[spawn]:
            if target not in self.candidates:
                self.agents[target] = why

    def _fallback(self, raw: list[Selection]) -> None:
        """Nothing is written and run: then the program under selection is what the selecting code starts or loads."""
        if self.candidates or self.agent_spawns:
            return
        used = {f for s in raw for f in s.scored.of("spawn", "execute")}
        spawns = [s for s in self.program.spawns if s not in used and s.module in self.program.modules]
        loose = [s for s in spawns if self.program.targets[s]]
        for spawn in loose:
            self._agent(spawn, "it is started beside the scoring, and nobody reads its result")
        if self.agent_spawns:
            return
        for fact in sorted(used, key=lambda f: (f.module, f.line)):
            for path in self.program.targets.get(fact, []) if isinstance(fact, Spawn) else self.program.paths(fact):
                self.candidates.setdefault(path, Place(fact.module, fact.line, "the program whose result is compared"))
        for path, fact in loaded_and_judged(self.program, self.slicer) if not self.candidates else ():
            self.candidates.setdefault(path, Place(fact.module, fact.line, "loaded here, and its results are reported"))

    # where the guest can write ------------------------------------------------------------------

    def _areas(self) -> None:
        for spawn in self.program.spawns:
            if spawn in self.agent_spawns or self.runs_guest(spawn):
                self._area_of(spawn)
            self._git(spawn)
        for path in list(self.candidates):
            if path.startswith("<") and "/" not in path:
                continue
            folder = posixpath.dirname(path) or "."
            certain = folder != "." and self.candidates[path].file in {*self.agents, path}
            self.areas.setdefault(folder, (f"`{path}` lies there and is rewritten", certain))
        for path, why in self.agents.items():
            for write in self.program.of("write", path):
                for target in self.program.paths(write):
                    if target.startswith("<value") or "/" not in target:
                        continue
                    self.areas.setdefault(posixpath.dirname(target), (f"the agent writes `{target}` ({why})", True))

    def _area_of(self, spawn: Spawn) -> None:
        mounts = writable_mounts(spawn)
        if mounts is not None:
            for mount in mounts:
                self.areas[self.program.locate(mount, spawn.module, ".")] = (
                    "mounted writable into the container",
                    True,
                )
            return
        for cwd in self.program.cwd(spawn):
            if not cwd.startswith("<value"):
                self.areas[cwd] = (f"working directory of the process started at {spawn.module}:{spawn.line}", True)
        if not spawn.cwd and spawn in self.agent_spawns and not self.program.targets[spawn]:
            self.areas.setdefault(".", ("the agent is started in the project's directory", True))

    def _git(self, spawn: Spawn) -> None:
        words = spawn.words()
        if not words or posixpath.basename(words[0]) not in {"git", "patch"}:
            return
        verbs = [w for w in words[1:] if not w.startswith("-")]
        if posixpath.basename(words[0]) == "patch" or (verbs and _EDITING_GIT & set(verbs[:3])):
            where = self.program.cwd(spawn) or [words[words.index("-C") + 1] if "-C" in words[:-1] else "."]
            for folder in where:
                text = normalise(folder)
                self.areas.setdefault(
                    text, (f"edits are applied to it by git at {spawn.module}:{spawn.line}", bool(spawn.cwd))
                )

    def _run_from_area(self, raw: list[Selection]) -> None:
        """A script in the guest's folder whose output is worked on, not believed: a candidate that an agent edits."""
        self.certain = sorted(folder for folder, (_, certain) in self.areas.items() if certain)
        self.likely = sorted(self.areas)
        direct = {f for s in raw for v in s.values for f in self.slicer.direct(v, s.module, across=True).facts}
        used = {f for s in raw for f in s.scored.facts}
        for spawn in self.program.spawns:
            worked = (spawn in used and spawn not in direct) or self._writes_for(spawn, used - direct)
            for target in self.program.targets[spawn] if worked and not self._writes_for(spawn, direct) else ():
                if target not in self.agents and self.in_area(target) and "." not in self.certain:
                    place = Place(spawn.module, spawn.line, "it lies where the guest writes, and its output is graded")
                    self.candidates.setdefault(target, place)

    def _writes_for(self, spawn: Spawn, reads: set[Fact]) -> bool:
        """Whether the process writes what one of these reads reads."""
        modules = self.program.process_modules(spawn)
        return any(
            write.module in modules
            and any(may_be_same(a, b) for a in self.program.paths(r) for b in self.program.paths(write))
            for r in reads
            if r.kind in {"read", "unsafe_load"}
            for write in self.program.of("write")
        )

    def in_area(self, path: str, *, certain: bool = True) -> bool:
        """Whether the guest can write `path`."""
        return self.is_candidate(path) or any(inside(f, path) for f in (self.certain if certain else self.likely))

    def is_guest(self, path: str) -> bool:
        """Whether a module is the candidate or the agent."""
        return path in self.agents or self.is_candidate(path)

    def executes_guest(self, path: str) -> list[Fact]:
        """Where a module loads or runs guest code inside its own process."""
        if path in self._executes:
            return self._executes[path]
        found = []
        for fact in [*self.program.of("execute", path), *self.program.of("import", path)]:
            texts = self.program.paths(fact)
            if fact.detail in {"exec", "eval"} and fact.node is not None:
                sliced = self.slicer.reach(fact.content[0], self.program.modules[path], across=False)
                texts = [*texts, *(p for r in sliced.of("read") for p in self.program.paths(r))]
            if any(self.is_candidate(t) or t in self.agents for t in texts):
                found.append(fact)
        if self._settled:
            self._executes[path] = found
        return found

    def runs_guest(self, spawn: Spawn) -> bool:
        """Whether guest code runs in the process that `spawn` starts."""
        if spawn not in self._runs:
            answer = self._runs_guest(spawn)
            if not self._settled:
                return answer
            self._runs[spawn] = answer
        return self._runs[spawn]

    def _runs_guest(self, spawn: Spawn) -> bool:
        if spawn in self.agent_spawns or any(self.is_candidate(t) for t in self.program.scripts[spawn]):
            return True
        if is_box(spawn) and not self.program.targets[spawn]:
            return True
        modules = self.program.process_modules(spawn)
        if any(self.is_guest(m) or self.executes_guest(m) for m in modules):
            return True
        return self.is_test_run(spawn)

    def is_test_run(self, spawn: Spawn) -> bool:
        """A test runner: it imports the code under test into its own process."""
        words = [posixpath.basename(w) for w in spawn.command()]
        return bool(set(words[:1]) & TESTERS) or any(a == "-m" and b in TESTERS for a, b in pairwise(words))

    # selection ---------------------------------------------------------------------------------

    def _comparisons(self) -> list[Selection]:
        found = []
        for module in self.program.modules.values():
            for node in module.nodes:
                values = compared(node, module)
                if values:
                    found.append(self._selection(module, node, values))
        return [s for s in found if s.scored.facts or s.scored.unknown]

    def _selection(self, module: Module, node: ast.AST, values: tuple[ast.expr, ...]) -> Selection:
        merged = Slice()
        for value in values:
            part = self.slicer.reach(value, module)
            for fact, channels in part.facts.items():
                merged.facts.setdefault(fact, set()).update(channels)
            merged.scopes |= part.scopes
            merged.through |= part.through
            merged.unknown |= part.unknown
            merged.nodes |= part.nodes
        return Selection(module=module, node=node, values=values, line=getattr(node, "lineno", 1), scored=merged)

    def _depends(self, scored: Slice) -> bool:
        if scored.of("read", "spawn", "execute", "unsafe_load"):
            return True
        return any(
            self.in_area(p) or self.executes_guest(p) for f in scored.of("import") for p in self.program.paths(f)
        )

    def _verdicts(self) -> list[Selection]:
        """Results of functions that run the candidate for an outer caller, or of scripts that nobody here starts."""
        started = {t for spawn in self.program.spawns for t in self.program.targets[spawn]}
        found = []
        for module in self.program.modules.values():
            if self.is_guest(module.path) or module.path in self.harness:
                continue
            runs = self.executes_guest(module.path) or [
                s
                for s in self.program.spawns
                if s.module == module.path and self.runs_guest(s) and s not in self.agent_spawns
            ]
            if not runs:
                continue
            values = [v for v in self._results(module) if self._depends(self.slicer.reach(v, module))]
            if values and (module.path not in started):
                found.append(self._selection(module, values[0], tuple(values)))
        return found

    def _results(self, module: Module) -> list[ast.expr]:
        from_functions: list[ast.expr] = []
        for functions in module.functions.values():
            for function in functions:
                if function not in self.program.index.callers:
                    from_functions.extend(
                        n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value is not None
                    )
        written = [c for w in self.program.of("write", module.path) for c in w.content]
        printed = [a for c in module.calls if module.dotted(c.func) == "print" for a in c.args]
        return [*from_functions, *written, *printed]

    @property
    def roots(self) -> list[Selection]:
        """Everything that decides or reports a score."""
        return [*self.selections, *self.verdicts]


def is_box(spawn: Spawn) -> bool:
    """A container: people start there what they do not trust."""
    words = spawn.command()
    return bool(words) and words[0] in CONTAINERS and ("run" in words[:4] or words[0] == "bwrap")


def writable_mounts(spawn: Spawn) -> list[str] | None:
    """Host folders that a container gets writable, or None where the spawn is no container."""
    found = mounts(spawn)
    return None if found is None else [source for source, _, writable in found if writable]
