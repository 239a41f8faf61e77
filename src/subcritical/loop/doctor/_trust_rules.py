"""Holes in what is believed: exit codes, old results, numbers without bounds, and data that can run code."""

from __future__ import annotations

import ast

from subcritical.loop.doctor._cast import Cast
from subcritical.loop.doctor._catalogue import Findings
from subcritical.loop.doctor._facts import Fact, Spawn
from subcritical.loop.doctor._index import Module, Scope
from subcritical.loop.doctor._program import Program, inside, may_be_same
from subcritical.loop.doctor._selection import Selection
from subcritical.loop.doctor._spawns import result_channel
from subcritical.loop.doctor.records import Place

_FINITE = frozenset(
    [
        "math.isfinite",
        "math.isnan",
        "numpy.isfinite",
        "numpy.isnan",
        "numpy.nan_to_num",
        "torch.isfinite",
        "torch.isnan",
        "cmath.isfinite",
    ]
)


def trust_holes(program: Program, cast: Cast, found: Findings) -> None:
    """All rules of this page."""
    for module in program.modules.values():
        if not cast.is_guest(module.path):
            _exit_codes(program, cast, module, found)
            _unsafe_loads(program, cast, module, found)
    for root in cast.roots:
        _unchecked(program, cast, root, found)


# exit codes ---------------------------------------------------------------------------------------


def _exit_codes(program: Program, cast: Cast, module: Module, found: Findings) -> None:
    for spawn in program.spawns:
        if spawn.module != module.path or not isinstance(spawn.node, ast.Call) or not cast.runs_guest(spawn):
            continue
        if spawn in cast.agent_spawns and not cast.is_test_run(spawn):
            continue
        if _has_other_evidence(program, cast, module, spawn):
            continue
        for line in _code_uses(cast, module, spawn):
            why = f"the process started at line {spawn.line} runs guest code, and only its exit code says how it went"
            found.add("exit-code-evidence", module.path, line, why, [Place(module.path, spawn.line, "started here")])


def _code_uses(cast: Cast, module: Module, spawn: Spawn) -> list[int]:
    """Lines where the exit code of `spawn` decides something."""
    lines: set[int] = set()
    for node in module.nodes:
        tested: ast.AST | None = None
        if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
            tested = node.test
        elif isinstance(node, ast.Return | ast.Assign) and isinstance(node.value, ast.Compare | ast.UnaryOp | ast.Call):
            tested = node.value
        if tested is None or not any(isinstance(n, ast.Name | ast.Call) for n in ast.walk(tested)):
            continue
        if isinstance(node, ast.Assign) and tested is spawn.node:
            continue
        sliced = cast.slicer.reach(tested, module, across=False)
        if "returncode" in sliced.facts.get(spawn, set()) and _names_code(tested, module, spawn):
            lines.add(getattr(node, "lineno", spawn.line))
    if spawn.checked or result_channel(spawn.detail) == "":
        lines |= _try_lines(module, spawn)
    return sorted(lines)[:3]


def _names_code(tested: ast.AST, module: Module, spawn: Spawn) -> bool:
    """The test itself looks at an exit code, rather than at something computed from it far away."""
    for node in ast.walk(tested):
        if isinstance(node, ast.Attribute) and node.attr in {"returncode", "wait", "poll"}:
            return True
        if node is spawn.node:
            return True
        if isinstance(node, ast.Name):
            for definition in module.lookup(node.id, node):
                value = definition.value
                if value is spawn.node and result_channel(spawn.detail) == "returncode":
                    return True
                if value is not None and any(
                    isinstance(n, ast.Attribute) and n.attr in {"returncode", "wait", "poll"} for n in ast.walk(value)
                ):
                    return True
    return False


def _try_lines(module: Module, spawn: Spawn) -> set[int]:
    """`try: run(check=True); ok = True / except: ok = False`."""
    if not spawn.checked or spawn.node is None:
        return set()
    for above in module.ancestors(spawn.node):
        if isinstance(above, ast.Try) and above.handlers:
            values = [
                n
                for n in ast.walk(above)
                if isinstance(n, ast.Assign | ast.Return) and isinstance(n.value, ast.Constant)
            ]
            if len(values) > 1:
                return {spawn.line}
    return set()


def _has_other_evidence(program: Program, cast: Cast, module: Module, spawn: Spawn) -> bool:
    """The output of the same process, or a result that somebody wrote, is looked at in the same function."""
    scope = module.scope(spawn.node) if spawn.node is not None else module.tree
    for node in module.nodes:
        if module.scope(node) is not scope:
            continue
        if isinstance(node, ast.Attribute) and node.attr in {"stdout", "communicate"} and node is not spawn.node:
            sliced = cast.slicer.reach(node, module, across=False)
            if spawn in sliced.facts and not _only_shown(node, module):
                return True
        fact = program.by_node.get(node)
        if fact is not None and fact.kind in {"read", "unsafe_load"} and fact.line > spawn.line:
            return True
        if isinstance(fact, Spawn) and fact is not spawn and fact.line > spawn.line and fact not in cast.agent_spawns:
            return True
    return False


def _only_shown(node: ast.AST, module: Module) -> bool:
    """The output is printed or logged, not evaluated."""
    for above in module.ancestors(node):
        if isinstance(above, ast.Call):
            name = module.dotted(above.func)
            return name == "print" or name.split(".")[-1] in {"info", "debug", "warning", "error", "exception", "write"}
    return False


# loading ------------------------------------------------------------------------------------------


def _unsafe_loads(program: Program, cast: Cast, module: Module, found: Findings) -> None:
    for fact in program.of("unsafe_load", module.path):
        if not isinstance(fact.node, ast.Call):
            continue
        why = _from_guest(program, cast, module, fact)
        if why:
            found.add(
                "unsafe-load", module.path, fact.line, f"`{fact.detail}` runs what the data tells it to, and {why}"
            )
    for fact in program.of("execute", module.path):
        if fact.detail == "eval" and isinstance(fact.node, ast.Call):
            why = _from_guest(program, cast, module, fact)
            if why:
                found.add("unsafe-load", module.path, fact.line, f"`eval` runs the text it is given, and {why}")


def _from_guest(program: Program, cast: Cast, module: Module, fact: Fact) -> str:
    """Why the loaded bytes may come from guest code; empty where they do not."""
    if not isinstance(fact.node, ast.Call):
        return ""
    parts = [*fact.node.args, *(k.value for k in fact.node.keywords)]
    origin = [cast.slicer.reach(part, module, across=False) for part in parts]
    paths = program.paths(fact) + [p for o in origin for r in o.of("read") for p in program.paths(r)]
    for part in origin:
        for spawn in part.of("spawn"):
            if isinstance(spawn, Spawn) and cast.runs_guest(spawn):
                return f"it comes from the process started at line {spawn.line}, which runs guest code"
    for path in paths:
        if not path.startswith("<value") and cast.in_area(path):
            return f"`{path}` lies where the guest can write"
    return _from_guest_file(program, cast, paths)


def _from_guest_file(program: Program, cast: Cast, paths: list[str]) -> str:
    for write in program.of("write"):
        guest = cast.is_guest(write.module) or cast.executes_guest(write.module)
        if guest and any(may_be_same(a, b) for a in paths for b in program.paths(write)):
            return f"guest code writes it ({write.module}:{write.line})"
    for spawn in program.spawns:
        if not cast.runs_guest(spawn):
            continue
        words = [text for texts in spawn.argv[1:] for text in texts if not text.startswith("-")]
        given = [g for g in (program.locate(w, spawn.module) for w in words) if g not in {".", "<none>"}]
        if any(may_be_same(g, p) or ("/" in p and inside(g, p)) for g in given for p in paths):
            return f"the process started at {spawn.module}:{spawn.line} is given that path"
    return ""


# bounds -------------------------------------------------------------------------------------------


def _unchecked(program: Program, cast: Cast, root: Selection, found: Findings) -> None:
    flow = {f for v in root.values for f in cast.slicer.flow(v, root.module).facts}
    kinds = ("spawn", "read", "execute", "import", "unsafe_load")
    sources = [f for f in root.scored.of(*kinds) if f in flow and _guest_made(program, cast, f)]
    if not sources:
        return
    scopes = set(root.scored.scopes) | {(root.module.path, root.module.scope(root.node))}
    if any(_checks(program, cast, path, scope) for path, scope in scopes):
        return
    if not any(isinstance(n, ast.expr) for n in root.values) or _counts_only(root):
        return
    places = [Place(f.module, f.line, "comes from here") for f in sources[:4]]
    why = "the value can be NaN, infinite or beyond any bound, and nothing on its way asks"
    found.add("metric-unchecked", root.module.path, root.line, why, places)


def _guest_made(program: Program, cast: Cast, fact: Fact) -> bool:
    if isinstance(fact, Spawn):
        return cast.runs_guest(fact)
    if fact.kind in {"execute", "import"}:
        return fact in cast.executes_guest(fact.module)
    paths = program.paths(fact)
    if any(cast.in_area(p) and not cast.is_candidate(p) for p in paths):
        return True
    return any(
        (cast.is_guest(w.module) or cast.executes_guest(w.module))
        and any(may_be_same(a, b) for a in paths for b in program.paths(w))
        for w in program.of("write")
    )


def _checks(program: Program, cast: Cast, path: str, scope: Scope) -> bool:
    """Whether a function on the way asks for finite values, or for both bounds."""
    module = program.modules.get(path)
    if module is None or cast.is_guest(path):
        return False
    for node in module.nodes:
        if module.scope(node) is not scope:
            continue
        if isinstance(node, ast.Call):
            if module.dotted(node.func) in _FINITE:
                return True
            if any(_checks_direct(other, function) for other, function in program.index.called(module, node)):
                return True
        if isinstance(node, ast.expr) and _both_bounds(node):
            return True
    return False


def _checks_direct(module: Module, function: ast.AST) -> bool:
    return any(
        (isinstance(n, ast.Call) and module.dotted(n.func) in _FINITE) or (isinstance(n, ast.expr) and _both_bounds(n))
        for n in ast.walk(function)
    )


def _both_bounds(node: ast.expr) -> bool:
    """`low <= x <= high`, `x < low or x > high`, `x != x`, or a clamp `min(max(...))`."""
    if isinstance(node, ast.Compare):
        if len(node.ops) > 1 and all(isinstance(o, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for o in node.ops):
            return True
        return isinstance(node.ops[0], ast.NotEq) and ast.dump(node.left) == ast.dump(node.comparators[0])
    if isinstance(node, ast.BoolOp):
        sides = [
            ast.dump(v.left) for v in node.values if isinstance(v, ast.Compare) and not isinstance(v.left, ast.Constant)
        ]
        return len(sides) > len(set(sides)) and any(
            isinstance(v, ast.Compare) and isinstance(v.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE)
            for v in node.values
        )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"min", "max"}:
        return any(
            isinstance(a, ast.Call) and isinstance(a.func, ast.Name) and a.func.id in {"min", "max"} for a in node.args
        )
    return False


def _counts_only(root: Selection) -> bool:
    """Integers that we count ourselves (`len`, sums of comparisons) are finite and bounded by construction."""
    return all(isinstance(v, ast.Call) and isinstance(v.func, ast.Name) and v.func.id == "len" for v in root.values)
