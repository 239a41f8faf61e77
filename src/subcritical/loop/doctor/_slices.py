"""Where a value comes from: backward slices through assignments, calls, files and processes.

Two kinds. `reach` follows everything a value may depend on. `direct` follows only what passes a
value on unchanged in meaning (conversion, parsing, indexing, averaging): a number that a guest
printed and we parsed is direct; an accuracy that we computed from a guest's predictions is not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from subcritical.loop.doctor._facts import Fact, Spawn
from subcritical.loop.doctor._index import Definition, Module, Scope
from subcritical.loop.doctor._program import Program, may_be_same
from subcritical.loop.doctor._spawns import result_channel
from subcritical.loop.doctor._texts import argument_for, properties

MAX_STEPS = 6_000
MAX_STEPS_IN_ALL = 3_000_000
CHANNELS = {
    "stdout": "stdout", "stderr": "stdout", "communicate": "stdout", "read": "stdout", "output": "stdout",
    "readline": "stdout", "readlines": "stdout", "returncode": "returncode", "wait": "returncode", "poll": "returncode",
}  # fmt: skip
PASSING = frozenset(
    [
        "float",
        "int",
        "str",
        "abs",
        "round",
        "bool",
        "sum",
        "min",
        "max",
        "len",
        "sorted",
        "list",
        "tuple",
        "dict",
        "set",
        "any",
        "all",
        "next",
        "iter",
        "reversed",
        "zip",
        "enumerate",
        "json.load",
        "json.loads",
        "statistics.mean",
        "statistics.median",
        "statistics.fmean",
        "numpy.mean",
        "numpy.median",
        "numpy.max",
        "numpy.min",
        "numpy.sum",
        "numpy.average",
        "numpy.nanmean",
        "re.search",
        "re.match",
        "re.findall",
        "re.fullmatch",
        "re.finditer",
        "ast.literal_eval",
        "decimal.Decimal",
        "yaml.safe_load",
        "tomllib.load",
        "tomllib.loads",
        "csv.DictReader",
        "csv.reader",
        "math.fsum",
        "map",
        "filter",
        "numpy.float64",
        "numpy.asarray",
        "numpy.array",
        "orjson.loads",
        "msgspec.json.decode",
    ]
)

_SETTINGS = frozenset({"timeout", "env", "cwd", "check", "encoding", "preexec_fn", "mode"})

Step = tuple[ast.AST, Module, str]


@dataclass
class Slice:
    """What a value depends on.

    Attributes:
        facts: Acts met, with the channels by which their result was used ("stdout", "returncode" or "").
        scopes: Functions and modules visited, as (path, scope).
        through: Functions of the project that were entered: (path, line).
        unknown: Parameters that nobody in the tree supplies: (path, function, name, line).
    """

    facts: dict[Fact, set[str]] = field(default_factory=dict)
    scopes: set[tuple[str, Scope]] = field(default_factory=set)
    through: set[tuple[str, int]] = field(default_factory=set)
    unknown: set[tuple[str, str, int]] = field(default_factory=set)
    nodes: set[ast.AST] = field(default_factory=set)

    def of(self, *kinds: str) -> list[Fact]:
        """The facts of these kinds, in the order of the source."""
        return sorted((f for f in self.facts if f.kind in kinds), key=lambda f: (f.module, f.line))


class Slicer:
    """Slices of one program, bounded each and in all; `cut_off` counts those that met a bound."""

    def __init__(self, program: Program) -> None:
        """Slices are cached by node."""
        self.program = program
        self._known: dict[tuple[ast.AST, bool, bool, bool], Slice] = {}
        self.steps_left = MAX_STEPS_IN_ALL
        self.cut_off = 0
        self._computed = True
        self._across = True
        self._conditional = True

    def reach(self, node: ast.AST, module: Module, *, across: bool = True) -> Slice:
        """Everything that `node` may depend on; `across`: also through files and processes."""
        return self._slice(node, module, computed=True, across=across, conditional=True)

    def flow(self, node: ast.AST, module: Module) -> Slice:
        """What the value is computed from, without the conditions under which it is assigned."""
        return self._slice(node, module, computed=True, across=True, conditional=False)

    def direct(self, node: ast.AST, module: Module, *, across: bool = False) -> Slice:
        """Only what is passed on as it is."""
        return self._slice(node, module, computed=False, across=across, conditional=False)

    def _slice(self, node: ast.AST, module: Module, *, computed: bool, across: bool, conditional: bool) -> Slice:
        key = (node, computed, across, conditional)
        if key in self._known:
            return self._known[key]
        found = Slice()
        seen: set[tuple[ast.AST, str]] = set()
        pending: list[Step] = [(node, module, "")]
        self._computed, self._across, self._conditional = computed, across, conditional
        steps = 0
        while pending:
            steps += 1
            if steps > min(MAX_STEPS, self.steps_left):
                self.cut_off += 1
                break
            here, where, channel = pending.pop()
            if (here, channel) in seen:
                continue
            seen.add((here, channel))
            found.nodes.add(here)
            found.scopes.add((where.path, where.scope(here)))
            pending.extend(self._step(here, where, channel, found))
        self.steps_left -= steps
        self._known[key] = found
        return found

    def _step(self, node: ast.AST, module: Module, channel: str, found: Slice) -> Iterator[Step]:
        if isinstance(node, ast.Name):
            yield from self._name(node, module, channel, found)
        elif isinstance(node, ast.Call):
            yield from self._call(node, module, channel, found)
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node, module, channel, found)
        elif isinstance(node, ast.BinOp):
            yield from self._binary(node, module, channel)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            yield from self._comprehension(node, module)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            for part in self._parts(node):
                yield part, module, channel

    def _parts(self, node: ast.AST) -> list[ast.AST]:
        """Operands that the value comes from; `direct` leaves out what only steers it."""
        if isinstance(node, ast.Subscript) and not self._computed:
            return [node.value]
        if isinstance(node, ast.IfExp) and not self._computed:
            return [node.body, node.orelse]
        if isinstance(node, ast.Compare) and not self._computed:
            return []
        return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr | ast.keyword)]

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, module: Module
    ) -> Iterator[Step]:
        for part in [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]:
            yield part, module, ""
        for generator in node.generators if self._computed else ():
            yield generator.iter, module, ""
            for test in generator.ifs:
                yield test, module, ""

    def _name(self, node: ast.Name, module: Module, channel: str, found: Slice) -> Iterator[Step]:
        for definition in module.lookup(node.id, node):
            if definition.kind == "parameter":
                yield from self._parameter(definition, node, module, channel, found)
            elif definition.kind == "import":
                yield from self._imported(definition, node.id, module, channel, found)
            elif definition.value is not None:
                yield definition.value, module, channel
            if self._conditional and definition.kind in {"assign", "mutation"}:
                yield from self._conditions(definition.node, module)

    def _conditions(self, node: ast.AST, module: Module) -> Iterator[Step]:
        """Tests around an assignment: the value depends on them too."""
        for above in module.ancestors(node):
            if isinstance(above, ast.If | ast.While):
                yield above.test, module, ""
            elif isinstance(above, ast.Try):
                for statement in above.body[:20]:
                    if isinstance(statement, ast.Expr | ast.Assign):
                        yield statement.value, module, "returncode"

    def _parameter(
        self, definition: Definition, node: ast.Name, module: Module, channel: str, found: Slice
    ) -> Iterator[Step]:
        supplied = False
        for caller, call in self.program.index.callers.get(definition.node, [])[:12]:
            argument = argument_for(definition.node, node.id, call)
            if argument is not None:
                supplied = True
                yield argument, caller, channel
        if definition.value is not None:
            yield definition.value, module, ""
        elif not supplied:
            found.unknown.add((module.path, node.id, getattr(definition.node, "lineno", 1)))

    def _imported(
        self, definition: Definition, name: str, module: Module, channel: str, found: Slice
    ) -> Iterator[Step]:
        fact = self.program.by_node.get(definition.node)
        place = self.program.index.split(module, module.imports.get(name, name))
        if fact is not None and place is not None:
            found.facts.setdefault(fact, set()).add(channel)
        if place is not None and place[1]:
            other = self.program.modules[place[0]]
            for inner in other.definitions.get((other.tree, place[1]), []):
                if inner.value is not None:
                    yield inner.value, other, channel

    def _attribute(self, node: ast.Attribute, module: Module, channel: str, found: Slice) -> Iterator[Step]:
        yield node.value, module, CHANNELS.get(node.attr, channel)
        dotted = module.dotted(node)
        if not dotted.startswith("?"):
            place = self.program.index.split(module, dotted)
            if place is not None and place[1]:
                other = self.program.modules[place[0]]
                yield from _values(other.definitions.get((other.tree, place[1]), []), other, channel)
        elif fields := properties(node.attr, module):
            for function in fields:
                found.scopes.add((module.path, function))
                found.through.add((module.path, function.lineno))
                for value in module.returns(function):
                    yield value, module, channel
        elif isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
            yield from _values(module.attributes.get(node.attr, []), module, channel)

    def _binary(self, node: ast.BinOp, module: Module, channel: str) -> Iterator[Step]:
        fixed = [p for p in (node.left, node.right) if isinstance(p, ast.Constant)]
        plain = not isinstance(node.op, ast.Pow | ast.MatMult | ast.FloorDiv)
        passes = plain and (isinstance(node.op, ast.Add | ast.Mod) or fixed or _is_len(node.right))
        if self._computed or passes:
            yield node.left, module, channel
            if self._computed or not _is_len(node.right):
                yield node.right, module, channel

    def _call(self, node: ast.Call, module: Module, channel: str, found: Slice) -> Iterator[Step]:
        name = module.dotted(node.func)
        fact = self.program.by_node.get(node)
        if fact is not None:
            used = channel or (result_channel(name) if isinstance(fact, Spawn) else "")
            found.facts.setdefault(fact, set()).add(used)
            if self._across:
                yield from self._beyond(fact, used)
        entered = self.program.index.called(module, node)
        for other, function in entered[:3]:
            found.through.add((other.path, function.lineno))
            found.scopes.add((other.path, function))
            for value in other.returns(function):
                yield value, other, channel
                if self._conditional:
                    yield from self._conditions(value, other)
        yield from self._arguments(node, name, module, channel, entered=bool(entered), is_fact=fact is not None)

    def _arguments(
        self, node: ast.Call, name: str, module: Module, channel: str, *, entered: bool, is_fact: bool
    ) -> Iterator[Step]:
        function = node.func
        method = function.attr if isinstance(function, ast.Attribute) else ""
        imported = isinstance(function, ast.Name) or not name.startswith("?")
        if method and not (is_fact and not self._computed):
            yield function, module, CHANNELS.get(method, channel)
        elif isinstance(function, ast.Name) and (not entered or function.id in module.imports):
            yield function, module, channel
        # How a process is bounded does not make its result.
        arguments = [*node.args, *(k.value for k in node.keywords if not is_fact or k.arg not in _SETTINGS)]
        varying = [a for a in arguments if not isinstance(a, ast.Constant)]
        whole = self._computed and (self._conditional or not entered)
        passes = whole or (not entered and not is_fact and (name in PASSING or (imported and len(varying) <= 1)))
        for argument in varying if passes else ():
            yield argument, module, "" if isinstance(argument, ast.Lambda) else channel

    def _beyond(self, fact: Fact, channel: str) -> Iterator[Step]:
        """From a read to what was written there, from a process to what it printed or how it exited."""
        if fact.kind in {"read", "unsafe_load"}:
            for write in self.writes(fact):
                for content in write.content:
                    yield content, self.program.modules[write.module], ""
        elif isinstance(fact, Spawn):
            for target in self.program.targets[fact]:
                module = self.program.modules.get(target)
                if module is not None:
                    for value in outputs(module, channel):
                        yield value, module, ""

    def writes(self, read: Fact) -> list[Fact]:
        """Writes that may produce what `read` reads."""
        wanted = self.program.paths(read)
        return [
            w
            for w in self.program.of("write")
            if w.module in self.program.modules
            and any(may_be_same(a, b) for a in wanted for b in self.program.paths(w))
            and w is not read
        ]


def outputs(module: Module, channel: str) -> list[ast.expr]:
    """What a script prints (`stdout`) or exits with (`returncode`)."""
    found: list[ast.expr] = []
    for call in module.calls:
        name = module.dotted(call.func)
        printed = name == "print" or name in {"sys.stdout.write", "sys.stdout.buffer.write", "os.write"}
        exits = name in {"sys.exit", "exit", "quit", "os._exit", "SystemExit"}
        if (printed and channel != "returncode") or (exits and channel != "stdout"):
            found.extend(call.args)
    return found


def _is_len(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"


def _values(definitions: list[Definition], module: Module, channel: str) -> Iterator[Step]:
    for definition in definitions:
        if definition.value is not None:
            yield definition.value, module, channel
