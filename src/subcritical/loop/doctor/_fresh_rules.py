"""Holes in time: results that are older than the evaluation they are taken for."""

from __future__ import annotations

import ast
import posixpath

from subcritical.loop.doctor._cast import Cast
from subcritical.loop.doctor._catalogue import Findings
from subcritical.loop.doctor._facts import Fact, Spawn
from subcritical.loop.doctor._index import Module
from subcritical.loop.doctor._program import Program, inside, may_be_same
from subcritical.loop.doctor._score_rules import direct_slice
from subcritical.loop.doctor._selection import Selection
from subcritical.loop.doctor.records import Place

_FRESH = frozenset(
    {
        "os.path.getmtime",
        "uuid.uuid4",
        "secrets.token_hex",
        "secrets.token_bytes",
        "secrets.token_urlsafe",
        "hmac.compare_digest",
    }
)
_LEAVES = (ast.Continue, ast.Return, ast.Raise, ast.Break)


def fresh_holes(program: Program, cast: Cast, found: Findings) -> None:
    """All rules of this page."""
    for module in program.modules.values():
        if not cast.is_guest(module.path):
            _skips(program, cast, module, found)
    for root in cast.selections:
        _stale(program, cast, root, found)


def _stale(program: Program, cast: Cast, root: Selection, found: Findings) -> None:
    """A result file is read after a process ran, and nothing shows that this run wrote it."""
    for fact in root.scored.of("read", "unsafe_load"):
        module = program.modules.get(fact.module)
        if module is None or cast.is_guest(fact.module) or not _is_result(program, cast, fact):
            continue
        if _fresh(program, module, fact):
            continue
        why = f"`{program.paths(fact)[0]}` keeps its old content when the evaluation crashes or writes nothing"
        found.add(
            "stale-result", fact.module, fact.line, why, [Place(root.module.path, root.line, "the score is used here")]
        )


def _is_result(program: Program, cast: Cast, fact: Fact) -> bool:
    """Another process writes it, or it lies where the guest writes: it is no data file of the evaluator."""
    paths = program.paths(fact)
    if any(cast.is_candidate(p) for p in paths):
        return False
    written = [w for w in program.of("write") if any(may_be_same(a, b) for a in paths for b in program.paths(w))]
    started = {m for s in program.spawns for m in program.process_modules(s)}
    if any(w.module in started for w in written):
        return True
    return not written and any(cast.in_area(p) and p not in program.tree.names for p in paths)


def _fresh(program: Program, module: Module, fact: Fact) -> bool:
    paths = program.paths(fact)
    if any("<temporary" in p or "*" in p for p in paths) or _per_run(fact):
        return True
    text_scope = module.scope(fact.node) if fact.node is not None else module.tree
    for other in program.facts:
        clears = other.kind == "delete" or (other.kind == "write" and "w" in other.detail.split("_")[0])
        if other.module == fact.module and clears and any(_covers(a, b) for a in program.paths(other) for b in paths):
            return True
    return any(_asks_freshness(node, module) for node in module.nodes if module.scope(node) is text_scope)


def _covers(cleared: str, path: str) -> bool:
    return may_be_same(cleared, path) or (not cleared.startswith("<value") and cleared != "." and inside(cleared, path))


def _per_run(fact: Fact) -> bool:
    """The path contains a number of the loop or a fresh identity."""
    return any("<number>" in t or "uuid" in t or "token_" in t or "time" in t for t in fact.paths)


def _asks_freshness(node: ast.AST, module: Module) -> bool:
    if isinstance(node, ast.Attribute) and node.attr in {"st_mtime", "st_mtime_ns", "st_ctime"}:
        return True
    if isinstance(node, ast.Call):
        return module.dotted(node.func) in _FRESH
    return False


def _skips(program: Program, cast: Cast, module: Module, found: Findings) -> None:
    """`if result.exists(): continue` and `if id in done: continue` before the evaluation."""
    for node in module.nodes:
        if not isinstance(node, ast.If):
            continue
        sliced = cast.slicer.reach(node.test, module, across=False)
        seen = [f for f in sliced.of("exists", "read", "list") if f.kind != "read" or _in_test(node.test)]
        results = [f for f in seen if _result_path(program, cast, f)]
        if not results or not _avoids_evaluation(program, module, node):
            continue
        path = program.paths(results[0])[0]
        why = f"`{path}` is looked at first, and the evaluation is skipped when it says that there is a result"
        places = [Place(f.module, f.line, "looked at here") for f in results[:3]]
        found.add("stale-result", module.path, node.lineno, why, places)


def _in_test(test: ast.expr) -> bool:
    """Membership or a `None` check: the question whether there is a result, not how good it is."""
    return any(
        isinstance(n, ast.Compare) and isinstance(n.ops[0], ast.In | ast.NotIn | ast.Is | ast.IsNot)
        for n in ast.walk(test)
    ) or isinstance(test, ast.Name | ast.Call | ast.UnaryOp)


def _result_path(program: Program, cast: Cast, fact: Fact) -> bool:
    paths = program.paths(fact)
    if any(cast.is_candidate(p) for p in paths):
        return False
    reads = [r for root in cast.roots for r in direct_slice(cast, root).of("read", "unsafe_load")]
    if any(may_be_same(a, b) for a in paths for r in reads for b in program.paths(r)):
        return True
    results = {".json", ".jsonl", ".tsv", ".csv", ".txt"}
    if any(cast.in_area(p) and posixpath.splitext(p)[1] in results and p not in program.tree.names for p in paths):
        return True
    return any(
        cast.runs_guest(s)
        and any(may_be_same(program.locate(t, s.module), p) for texts in s.argv[1:] for t in texts for p in paths)
        for s in program.spawns
    )


def _avoids_evaluation(program: Program, module: Module, node: ast.If) -> bool:
    """The branch leaves, and an evaluation follows; or the other branch (or `not`) evaluates."""
    negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
    inner = node.body if negated else node.orelse
    if any(_evaluates(program, module, n) for statement in inner for n in ast.walk(statement)):
        return True
    last = node.body[-1]
    if negated or not isinstance(last, _LEAVES) or isinstance(last, ast.Raise):
        return False
    scope = module.scope(node)
    after = [
        n
        for n in module.nodes
        if module.scope(n) is scope and getattr(n, "lineno", 0) > (last.end_lineno or last.lineno)
    ]
    return any(_evaluates(program, module, n) for n in after)


def _evaluates(program: Program, module: Module, node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if isinstance(program.by_node.get(node), Spawn):
        return True
    return any(
        isinstance(program.by_node.get(inner), Spawn) or getattr(program.by_node.get(inner), "kind", "") == "execute"
        for _, function in program.index.called(module, node)
        for inner in ast.walk(function)
    )
