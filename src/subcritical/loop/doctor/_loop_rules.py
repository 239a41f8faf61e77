"""Holes in a loop file: rules that open what the harness would keep closed, with the line of the file.

The evaluator's code is read as well: it calls the candidate over a pipe, and may still believe what
the candidate says about itself, unpickle its bytes, or import it.
"""

from __future__ import annotations

import ast
import fnmatch
import os
from pathlib import Path

from subcritical.gateway import matches
from subcritical.loop.doctor._catalogue import Findings
from subcritical.loop.doctor._facts import SECRET
from subcritical.loop.doctor._index import Module
from subcritical.loop.doctor._program import Program
from subcritical.loop.doctor._slices import Slicer
from subcritical.loop.doctor.records import Place
from subcritical.loop.loopfile import Loop, SocketOnly
from subcritical.schema import PROTECTED, Artifact, Order, Severity
from subcritical.yaml_source import Key, Source, read

_ACTING = frozenset({Order.PAUSE, Order.STOP, Order.QUARANTINE})
_EVERYTHING = frozenset({"*", "**", "**/*"})
_FIRST_AND_DATA = 2


def loop_holes(loop: Loop, program: Program, found: Findings) -> None:
    """All rules about a loop file, and about the evaluator's code under it."""
    page = _Page(loop, read(loop.path), found)
    page.artifacts(program)
    page.evaluation()
    page.reach()
    page.oversight()
    module = program.modules.get(evaluator_path(loop) or "")
    if module is not None:
        _candidate_bytes(program, module, found)
        _candidate_import(module, loop.settings.evaluate.module, found)
        _candidate_word(program, module, found)


def evaluator_path(loop: Loop) -> str | None:
    """The evaluator's file relative to the loop file's directory, or None where it lies elsewhere."""
    path = loop.resolve(loop.settings.evaluate.run)
    if not path.is_file():
        path = loop.resolve(loop.settings.workspace) / loop.settings.evaluate.run
    return path.relative_to(loop.directory).as_posix() if path.is_relative_to(loop.directory) else None


class _Page:
    """One loop file under examination."""

    def __init__(self, loop: Loop, source: Source, found: Findings) -> None:
        self.loop, self.source, self.found = loop, source, found
        self.settings = loop.settings
        self.workspace = loop.resolve(self.settings.workspace)

    def add(
        self, kind: str, key: Key, why: str, severity: Severity | None = None, places: list[Place] | None = None
    ) -> None:
        """Report a hole at the line of `key`."""
        self.found.add(kind, self.loop.path.name, self.source.line(key) or 1, why, places, severity)

    def artifacts(self, program: Program) -> None:
        """The class that the first matching rule gives to what scores, tests or steers."""
        for path in self._judging(program):
            index = next((i for i, rule in enumerate(self.settings.artifacts) if matches(path, rule.path)), None)
            if index is None or self.settings.artifacts[index].artifact in PROTECTED:
                continue
            kind = self.settings.artifacts[index].artifact
            why = f"the first rule that matches `{path}` calls it `{kind}`, so the guest's changes to it are accepted"
            self.add(
                "artifact-rule", ("artifacts", index, "path"), why, places=[Place(self._shown(path), 1, "this file")]
            )
        for index, rule in enumerate(self.settings.artifacts):
            if rule.path in _EVERYTHING and rule.artifact not in PROTECTED | {Artifact.UNLISTED}:
                why = f"`{rule.path}` makes changeable what no earlier rule names, also files that do not exist yet"
                self.add("artifact-rule", ("artifacts", index, "path"), why, Severity.HIGH)
        for index, pattern in enumerate(self.settings.scratch):
            if any(matches(path, pattern) for path in self._judging(program)):
                self.add(
                    "artifact-rule", ("scratch", index), f"`{pattern}` makes a file that judges scratch", Severity.HIGH
                )

    def _judging(self, program: Program) -> list[str]:
        """Files of the workspace that score (the evaluator and what it imports), relative to the workspace."""
        evaluator = self.loop.resolve(self.settings.evaluate.run)
        found: list[str] = []
        if not evaluator.is_file() or evaluator.is_relative_to(self.workspace):
            inner = evaluator if evaluator.is_file() else self.workspace / self.settings.evaluate.run
            found.append(os.path.relpath(inner, self.workspace))
        elif (self.workspace / self.settings.evaluate.run).is_file():
            found.append(self.settings.evaluate.run)
        prefix = os.path.relpath(self.workspace, self.loop.directory)
        for path in sorted(program.index.closure(evaluator_path(self.loop) or "")):
            inner_path = os.path.relpath(path, prefix)
            if not inner_path.startswith("..") and Path(path).stem != self.settings.evaluate.module:
                found.append(inner_path)
        return list(dict.fromkeys(found))

    def _shown(self, path: str) -> str:
        return os.path.relpath(self.workspace / path, self.loop.directory)

    def evaluation(self) -> None:
        """Isolation, splits, bounds."""
        evaluate = self.settings.evaluate
        if evaluate.isolation == "shared":
            why = "a candidate in the evaluator's interpreter can patch it and lie; a fresh sandbox does not help"
            self.add("shared-isolation", ("evaluate", "isolation"), why)
        if evaluate.held_out is None:
            why = "the gap between what selection saw and the truth cannot be measured"
            self.add("no-held-out", ("evaluate",), why, Severity.MEDIUM)
        if not evaluate.bounds:
            why = "no `bounds` are given: NaN is refused, yet a finite and absurd value is accepted"
            self.add("metric-unchecked", ("evaluate",), why, Severity.LOW)

    def reach(self) -> None:
        """Environment, network, rung."""
        for name in self.settings.guest.env:
            if SECRET.search(name):
                self.add("keys-passed", ("guest", "env", name), f"`{name}` is put into the guest's environment")
        if isinstance(self.settings.limits.network, SocketOnly):
            why = "the guest reaches whatever listens there; each connection is recorded"
            self.add("network-open", ("limits", "network"), why, Severity.INFO)
        if self.settings.containment.minimum == "R3":
            why = (
                "R3 has no mount and no process namespace; `subcritical sandbox probe` says what it does not guarantee"
            )
            self.add("weak-containment", ("containment", "minimum"), why)

    def oversight(self) -> None:
        """Whether anything stops the run."""
        if not any(tripwire.action in _ACTING for tripwire in self.settings.tripwires):
            self.add("no-tripwire", ("tripwires",), "whatever is found, the run goes on", Severity.MEDIUM)


def _candidate_names(module: Module) -> set[str]:
    """First parameters of functions that take a candidate and data."""
    functions = [f for named in module.functions.values() for f in named]
    return {f.args.args[0].arg for f in functions if len(f.args.args) >= _FIRST_AND_DATA}


def _is_candidate_call(node: ast.AST, names: set[str], methods: frozenset[str]) -> bool:
    """`candidate.read(...)` or `candidate.call(...)`."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in methods
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in names
    )


def _candidate_bytes(program: Program, module: Module, found: Findings) -> None:
    """Bytes of a candidate (`candidate.read(...)`) that are unpickled or executed."""
    slicer, names = Slicer(program), _candidate_names(module)
    for fact in [*program.of("unsafe_load", module.path), *program.of("execute", module.path)]:
        if not isinstance(fact.node, ast.Call):
            continue
        nodes = {n for part in fact.node.args for n in slicer.reach(part, module, across=False).nodes}
        if any(_is_candidate_call(n, names, frozenset({"read", "call"})) for n in nodes):
            kind = "unsafe-load" if fact.kind == "unsafe_load" else "candidate-in-evaluator"
            why = f"`{fact.detail}` runs what the candidate's bytes say, inside the evaluator"
            found.add(kind, module.path, fact.line, why)


def _candidate_import(module: Module, candidate: str, found: Findings) -> None:
    for node in module.import_nodes:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if any(fnmatch.fnmatchcase(name, candidate) for name in names):
            why = f"the evaluator imports `{candidate}` into its own interpreter instead of calling it over the pipe"
            found.add("candidate-in-evaluator", module.path, node.lineno, why)


def _candidate_word(program: Program, module: Module, found: Findings) -> None:
    """A metric that is what the candidate says: read from its file, or returned by its function, and passed on."""
    slicer, names = Slicer(program), _candidate_names(module)
    for functions in module.functions.values():
        for function in functions:
            for value in module.returns(function):
                for node in slicer.direct(value, module).nodes:
                    if _is_candidate_call(node, names, frozenset({"read"})):
                        why = "the metric is what a file of the candidate says"
                        found.add("score-file-by-guest", module.path, getattr(node, "lineno", 1), why)
                    elif _is_candidate_call(node, names, frozenset({"call"})):
                        why = "the metric is what the candidate's own function returns, with nothing computed from it"
                        found.add("score-from-output", module.path, getattr(node, "lineno", 1), why)
