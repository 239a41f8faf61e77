"""Comparisons and choices that depend on what was evaluated: where a score decides."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from subcritical.loop.doctor._facts import Fact
from subcritical.loop.doctor._index import Module
from subcritical.loop.doctor._program import Program
from subcritical.loop.doctor._slices import Slice, Slicer, outputs


@dataclass(frozen=True)
class Selection:
    """A comparison or choice that depends on what was evaluated. `values` are its operands."""

    module: Module
    node: ast.AST
    values: tuple[ast.expr, ...]
    line: int
    scored: Slice


def outermost(selections: list[Selection]) -> list[Selection]:
    """Without comparisons that are part of computing what another comparison compares."""
    kept = []
    for one in selections:
        here = (one.module.path, one.module.scope(one.node))
        within = [
            other for other in selections
            if here in other.scored.scopes and here != (other.module.path, other.module.scope(other.node))
            and not set(other.values) & one.scored.nodes
        ]  # fmt: skip
        if not within:
            kept.append(one)
    return kept


def compared(node: ast.AST, module: Module) -> tuple[ast.expr, ...]:
    if isinstance(node, ast.Compare) and any(isinstance(op, ast.Gt | ast.GtE | ast.Lt | ast.LtE) for op in node.ops):
        return tuple(v for v in (node.left, *node.comparators) if not isinstance(v, ast.Constant))
    if isinstance(node, ast.Call) and not isinstance(module.parents.get(node), ast.Compare):
        name = module.dotted(node.func)
        if (
            name in {"max", "min", "sorted", "heapq.nlargest", "heapq.nsmallest", "numpy.argmax", "numpy.argmin"}
            and node.args
        ):
            if any(isinstance(a, ast.Constant) for a in node.args):
                return ()  # a clamp
            keys = [k.value for k in node.keywords if k.arg == "key"]
            return (*node.args, *keys)
        if name == "?.sort" and isinstance(node.func, ast.Attribute):
            return (node.func.value, *(k.value for k in node.keywords if k.arg == "key"))
    return ()


def loaded_and_judged(program: Program, slicer: Slicer) -> list[tuple[str, Fact]]:
    """Modules that a script loads and whose results it prints or writes: the last guess at a candidate.

    Only for trees in which nothing is written, started or compared, so that nothing else tells who is judged.
    """
    imported = {path for fact in program.of("import") for path in program.paths(fact)}
    found: dict[str, Fact] = {}
    for module in program.modules.values():
        if module.path in imported:
            continue
        written = [content for write in program.of("write", module.path) for content in write.content]
        for value in [*outputs(module, "stdout"), *written]:
            for fact in slicer.reach(value, module, across=False).of("import"):
                for path in program.paths(fact):
                    found.setdefault(path, fact)
    return sorted(found.items())
