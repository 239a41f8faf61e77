"""Holes in chance: who chooses the seed of what is scored, and whether the best of several tries counts."""

from __future__ import annotations

import ast

from subcritical.loop.doctor._cast import Cast
from subcritical.loop.doctor._catalogue import Findings
from subcritical.loop.doctor._facts import Spawn
from subcritical.loop.doctor._index import Module
from subcritical.loop.doctor._program import Program
from subcritical.loop.doctor._selection import Selection
from subcritical.loop.doctor._slices import Slice
from subcritical.loop.doctor.records import Place

_SEEDS = frozenset(
    [
        "random.seed",
        "random.Random",
        "numpy.random.seed",
        "numpy.random.default_rng",
        "numpy.random.RandomState",
        "torch.manual_seed",
        "torch.cuda.manual_seed",
        "torch.cuda.manual_seed_all",
        "transformers.set_seed",
        "lightning.seed_everything",
        "pytorch_lightning.seed_everything",
        "tensorflow.random.set_seed",
        "jax.random.PRNGKey",
        "jax.random.key",
    ]
)


def dice_holes(program: Program, cast: Cast, found: Findings) -> None:
    """All rules of this page."""
    for module in program.modules.values():
        _best_of(cast, module, found)
    for root in cast.roots:
        _seeds(program, cast, root, found)


def _seeds(program: Program, cast: Cast, root: Selection, found: Findings) -> None:
    """Guest code whose process makes the score fixes the seed, or trusted code takes the seed from it."""
    guests = {m for f in root.scored.of("spawn") if isinstance(f, Spawn) for m in program.process_modules(f)}
    guests |= {p for f in root.scored.of("import", "execute") for p in program.paths(f)}
    for path in sorted(guests):
        module = program.modules.get(path)
        if module is None or not cast.is_guest(path):
            continue
        for call in module.calls:
            arguments = [*call.args, *(k.value for k in call.keywords)]
            if module.dotted(call.func) in _SEEDS and arguments and _fixed(cast, arguments[0], module):
                why = "guest code fixes the seed of the run that is scored, so it can search for a lucky one"
                found.add(
                    "seed-in-guest",
                    path,
                    call.lineno,
                    why,
                    [Place(root.module.path, root.line, "the score is used here")],
                )
    for path, _ in sorted(root.scored.scopes, key=lambda s: s[0]):
        module = program.modules.get(path)
        if module is None or cast.is_guest(path):
            continue
        for call in module.calls:
            if module.dotted(call.func) in _SEEDS and call.args:
                sliced = cast.slicer.direct(call.args[0], module)
                if any(cast.is_guest(p) for f in sliced.of("import", "execute", "read") for p in program.paths(f)):
                    found.add("seed-in-guest", path, call.lineno, "the seed is taken from guest code")


def _fixed(cast: Cast, value: ast.expr, module: Module) -> bool:
    sliced = cast.slicer.reach(value, module, across=False)
    outside = any(
        isinstance(n, ast.Attribute) and module.dotted(n) in {"sys.argv", "os.environ", "sys.stdin"}
        for n in sliced.nodes
    )
    calls = [n for n in sliced.nodes if isinstance(n, ast.Call) and n is not value]
    return not outside and not sliced.facts and not sliced.unknown and not calls


def _best_of(cast: Cast, module: Module, found: Findings) -> None:
    """`max(run(c, seed) for seed in range(n))`: repeats of one thing, of which the best counts."""
    for call in module.calls:
        if (
            module.dotted(call.func) not in {"max", "min", "numpy.max", "numpy.min", "numpy.amax", "numpy.amin"}
            or len(call.args) != 1
        ):
            continue
        if any(k.arg == "key" for k in call.keywords) or isinstance(module.parents.get(call), ast.Compare):
            continue
        for comprehension in _comprehensions(call.args[0], module):
            if _repeats(cast, comprehension, module):
                why = "the same candidate is run several times, and only the best run counts"
                found.add("best-of-n", module.path, call.lineno, why)
        for line in _looped(cast, call.args[0], module):
            found.add(
                "best-of-n",
                module.path,
                call.lineno,
                f"values of repeated runs are collected at line {line}, and only the best counts",
            )


def _comprehensions(node: ast.expr, module: Module) -> list[ast.GeneratorExp | ast.ListComp | ast.SetComp]:
    if isinstance(node, ast.GeneratorExp | ast.ListComp | ast.SetComp):
        return [node]
    if isinstance(node, ast.Name):
        return [
            d.value
            for d in module.lookup(node.id, node)
            if isinstance(d.value, ast.GeneratorExp | ast.ListComp | ast.SetComp)
        ]
    return []


def _repeats(cast: Cast, node: ast.GeneratorExp | ast.ListComp | ast.SetComp, module: Module) -> bool:
    return _counting(node.generators[0].iter, module) and _evaluates(cast.slicer.reach(node.elt, module))


def _looped(cast: Cast, node: ast.expr, module: Module) -> list[int]:
    """`for seed in range(n): scores.append(run(seed))` before `max(scores)`."""
    found: list[int] = []
    if not isinstance(node, ast.Name):
        return found
    for definition in module.lookup(node.id, node):
        if definition.kind != "mutation" or definition.value is None:
            continue
        loops = [a for a in module.ancestors(definition.node) if isinstance(a, ast.For)]
        edits = loops and any(
            f.kind == "write" and f.node is not None and loops[0] in module.ancestors(f.node)
            for f in cast.program.of("write", module.path)
        )
        inner = loops and any(
            s.node is not None and loops[0] in module.ancestors(s.node)
            for s in cast.agent_spawns
            if s.module == module.path
        )
        if (
            loops
            and not edits
            and not inner
            and not _edits_below(cast, loops[0], module)
            and _counting(loops[0].iter, module)
            and _evaluates(cast.slicer.reach(definition.value, module))
        ):
            found.append(loops[0].lineno)
    return found


def _edits_below(cast: Cast, loop: ast.For, module: Module) -> bool:
    """Functions called in the loop start the agent or write program text: then it is the loop over generations."""
    acting = {s.node for s in cast.agent_spawns} | {
        f.node for f in cast.program.of("write") if any(cast.is_candidate(p) for p in cast.program.paths(f))
    }
    return any(
        inner in acting
        for call in ast.walk(loop)
        if isinstance(call, ast.Call)
        for _, function in cast.program.index.called(module, call)
        for inner in ast.walk(function)
    )


def _counting(node: ast.expr, module: Module) -> bool:
    if isinstance(node, ast.Call):
        return module.dotted(node.func) == "range"
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return all(isinstance(e, ast.Constant) and isinstance(e.value, int) for e in node.elts) and bool(node.elts)
    if isinstance(node, ast.Name):
        return any(
            d.value is not None and not isinstance(d.value, ast.Name) and _counting(d.value, module)
            for d in module.lookup(node.id, node)
        )
    return False


def _evaluates(sliced: Slice) -> bool:
    return bool(sliced.of("spawn", "execute", "import", "unsafe_load"))
