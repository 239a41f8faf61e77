"""Names of Python source: who defines what, who imports whom, who calls which function.

Nothing is imported or executed: the text is parsed to a syntax tree. The reading is insensitive to
flow (all assignments to a name count, whatever their order), which can only widen what is found.
"""

from __future__ import annotations

import ast
import posixpath
import warnings
from collections import defaultdict
from dataclasses import dataclass, field

MAX_NESTING = 150
_MUTATORS = frozenset(
    {
        "append",
        "add",
        "extend",
        "insert",
        "update",
        "setdefault",
        "put",
        "write",
        "appendleft",
        "writerow",
        "writerows",
        "writelines",
    }
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, eq=False)
class Definition:
    """One way a name gets its value. `kind`: assign, loop, with, parameter, import, mutation."""

    kind: str
    node: ast.AST
    value: ast.expr | None = None


@dataclass(eq=False)
class Module:
    """A parsed file and its indexes. `imports` maps local names to what they stand for, dotted."""

    path: str
    text: str
    tree: ast.Module
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    scopes: dict[ast.AST, Scope] = field(default_factory=dict)
    definitions: dict[tuple[Scope, str], list[Definition]] = field(default_factory=lambda: defaultdict(list))
    attributes: dict[str, list[Definition]] = field(default_factory=lambda: defaultdict(list))
    functions: dict[str, list[Function]] = field(default_factory=lambda: defaultdict(list))
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    import_nodes: list[ast.Import | ast.ImportFrom] = field(default_factory=list)
    calls: list[ast.Call] = field(default_factory=list)
    nodes: list[ast.AST] = field(default_factory=list)
    returned: dict[ast.AST, list[ast.expr]] = field(default_factory=lambda: defaultdict(list))

    def scope(self, node: ast.AST) -> Scope:
        """The innermost function or module around `node`."""
        return self.scopes.get(node, self.tree)

    def lookup(self, name: str, node: ast.AST) -> list[Definition]:
        """Definitions of `name` as seen from `node`: innermost scope that has any."""
        scope = node if isinstance(node, Scope) else self.scope(node)
        while True:
            found = self.definitions.get((scope, name))
            if found:
                return found
            if scope is self.tree:
                return []
            scope = self.scope(scope)

    def returns(self, function: ast.AST) -> list[ast.expr]:
        """Values that a function returns or yields; those of functions inside it are not its own."""
        return self.returned.get(function, [])

    def ancestors(self, node: ast.AST) -> list[ast.AST]:
        """Enclosing nodes, innermost first, up to and without the enclosing function or module."""
        found: list[ast.AST] = []
        here = self.parents.get(node)
        while here is not None and not isinstance(here, Scope):
            found.append(here)
            here = self.parents.get(here)
        return found

    def dotted(self, node: ast.expr) -> str:
        """`sp.run` -> `subprocess.run` through the imports; a method of something unknown -> `?.name`."""
        if isinstance(node, ast.Name):
            return self.imports.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            base = node.value
            if isinstance(base, ast.Name) and base.id in self.imports:
                return f"{self.imports[base.id]}.{node.attr}"
            if isinstance(base, ast.Attribute):
                left = self.dotted(base)
                return f"{left}.{node.attr}" if not left.startswith("?") else f"?.{node.attr}"
            return f"?.{node.attr}"
        return "?"


def parse(path: str, text: str) -> Module:
    """Parse and index one file.

    Raises:
        ValueError: With the reason, for anything that is not readable Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"not valid Python at line {error.lineno}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"not readable as Python ({type(error).__name__})") from error
    module = Module(path=path, text=text, tree=tree)
    _index(module)
    return module


def _index(module: Module) -> None:
    pending: list[tuple[ast.AST, int, Scope]] = [(module.tree, 0, module.tree)]
    while pending:
        node, depth, scope = pending.pop()
        if depth > MAX_NESTING:
            raise ValueError(f"nested more than {MAX_NESTING} levels")
        module.nodes.append(node)
        module.scopes[node] = scope
        inner = node if isinstance(node, Scope) else scope
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.expr_context | ast.operator | ast.cmpop | ast.unaryop | ast.boolop):
                module.parents[child] = node
                pending.append((child, depth + 1, inner))
    module.nodes.sort(key=lambda n: (getattr(n, "lineno", 0), getattr(n, "col_offset", 0)))
    for node in module.nodes:
        _note_imports(module, node)
    for node in module.nodes:
        _note(module, node)


def _note_imports(module: Module, node: ast.AST) -> None:
    if isinstance(node, ast.Import):
        module.import_nodes.append(node)
        for alias in node.names:
            module.imports[alias.asname or alias.name.split(".")[0]] = (
                alias.name if alias.asname else alias.name.split(".")[0]
            )
    elif isinstance(node, ast.ImportFrom):
        module.import_nodes.append(node)
        base = "." * node.level + (node.module or "")
        for alias in node.names:
            module.imports[alias.asname or alias.name] = (
                f"{base}.{alias.name}" if base.strip(".") else base + alias.name
            )


def _note(module: Module, node: ast.AST) -> None:
    for target, value, kind in _bindings(node):
        _bind(module, target, value, node, kind)
    if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) and node.value is not None:
        module.returned[module.scope(node)].append(node.value)
    if isinstance(node, Function | ast.Lambda):
        _parameters(module, node)
    if isinstance(node, Function):
        module.functions[node.name].append(node)
    elif isinstance(node, ast.ClassDef):
        module.classes[node.name] = node
    elif isinstance(node, ast.Call):
        module.calls.append(node)
        _mutation(module, node)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            name = alias.asname or alias.name.split(".")[0]
            module.definitions[module.scope(node), name].append(Definition("import", node))


def _bindings(node: ast.AST) -> list[tuple[ast.expr, ast.expr, str]]:
    """(target, value, kind) of everything that a statement or clause binds."""
    if isinstance(node, ast.Assign):
        return [(target, node.value, "assign") for target in node.targets]
    if isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
        return [] if node.value is None else [(node.target, node.value, "assign")]
    if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        return [(node.target, node.iter, "loop")]
    if isinstance(node, ast.withitem) and node.optional_vars is not None:
        return [(node.optional_vars, node.context_expr, "with")]
    return []


def _bind(module: Module, target: ast.expr, value: ast.expr, node: ast.AST, kind: str) -> None:
    if isinstance(target, ast.Name):
        module.definitions[module.scope(node), target.id].append(Definition(kind, node, value))
        if isinstance(module.parents.get(node), ast.ClassDef):
            module.attributes[target.id].append(Definition(kind, node, value))
    elif isinstance(target, ast.Attribute):
        module.attributes[target.attr].append(Definition(kind, node, value))
    elif isinstance(target, ast.Subscript):
        _bind(module, target.value, value, node, "mutation")
    elif isinstance(target, ast.Starred):
        _bind(module, target.value, value, node, kind)
    elif isinstance(target, ast.Tuple | ast.List):
        matched = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
        for index, element in enumerate(target.elts):
            part = value.elts[index] if matched and isinstance(value, ast.Tuple | ast.List) else value
            _bind(module, element, part, node, kind)


def _parameters(module: Module, node: Function | ast.Lambda) -> None:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: dict[str, ast.expr | None] = {}
    for argument, default in zip(reversed(positional), reversed(arguments.defaults), strict=False):
        defaults[argument.arg] = default
    for argument, maybe in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        defaults[argument.arg] = maybe
    extra = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    for argument in [*positional, *arguments.kwonlyargs, *extra]:
        module.definitions[node, argument.arg].append(Definition("parameter", node, defaults.get(argument.arg)))


def _mutation(module: Module, node: ast.Call) -> None:
    function = node.func
    if not isinstance(function, ast.Attribute) or function.attr not in _MUTATORS | {"read"}:
        return
    if function.attr == "read":  # what a parser read is its content from then on
        if node.args and isinstance(function.value, ast.Name):
            module.definitions[module.scope(node), function.value.id].append(Definition("mutation", node, node))
        return
    for value in [*node.args, *(k.value for k in node.keywords)]:
        if isinstance(function.value, ast.Name):
            module.definitions[module.scope(node), function.value.id].append(Definition("mutation", node, value))
        elif isinstance(function.value, ast.Attribute):
            module.attributes[function.value.attr].append(Definition("mutation", node, value))


class Index:
    """All modules of a project, with imports and calls resolved between them."""

    def __init__(self, modules: dict[str, Module]) -> None:
        """Resolve what can be resolved within `modules` (path -> module)."""
        self.modules = modules
        self.callers: dict[ast.AST, list[tuple[Module, ast.Call]]] = defaultdict(list)
        self._called: dict[ast.Call, list[tuple[Module, Function]]] = {}
        self._near: dict[str, list[Module]] = {}
        self._closures: dict[str, set[str]] = {}
        self._resolved: dict[tuple[str, str], str | None] = {}
        for module in modules.values():
            for call in module.calls:
                for _, function in self.called(module, call):
                    self.callers[function].append((module, call))

    def find(self, module: Module, dotted: str) -> str | None:
        """Path of the module that `dotted` names when imported from `module`, or None."""
        key = (module.path, dotted)
        if key not in self._resolved:
            self._resolved[key] = self._find(module, dotted)
        return self._resolved[key]

    def _find(self, module: Module, dotted: str) -> str | None:
        level = len(dotted) - len(dotted.lstrip("."))
        folder = posixpath.dirname(module.path)
        name = dotted.lstrip(".").replace(".", "/")
        if not name and level == 0:
            return None
        bases = [folder]
        if level:
            for _ in range(level - 1):
                folder = posixpath.dirname(folder)
            bases = [folder]
        else:
            while folder:
                folder = posixpath.dirname(folder)
                bases.append(folder)
        for base in bases:
            stem = posixpath.join(base, name) if name else base
            for path in (f"{stem}.py", posixpath.join(stem, "__init__.py")):
                if path in self.modules:
                    return path
        ending = [p for p in self.modules if p.endswith((f"/{name}.py", f"/{name}/__init__.py"))]
        return ending[0] if len(ending) == 1 and level == 0 else None

    def split(self, module: Module, dotted: str) -> tuple[str, str] | None:
        """`package.module.name` -> (path of the module, `name`), where the module is of this project."""
        path = self.find(module, dotted)
        if path is not None:
            return path, ""
        base, _, name = dotted.rpartition(".")
        if dotted.startswith(".") and not base.strip("."):
            base = dotted[: len(dotted) - len(name)]
        path = self.find(module, base) if base else None
        return (path, name) if path is not None else None

    def imported(self, module: Module, node: ast.Import | ast.ImportFrom) -> list[str]:
        """Paths of the project's modules that an import statement loads."""
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            base = "." * node.level + (node.module or "")
            names = [f"{base}.{alias.name}" if base.strip(".") else base + alias.name for alias in node.names]
        found = (self.split(module, name) for name in names)
        return sorted({place[0] for place in found if place is not None and place[0] != module.path})

    def called(self, module: Module, call: ast.Call) -> list[tuple[Module, Function]]:
        """Functions of the project that `call` may enter; constructors lead to `__init__`."""
        if call not in self._called:
            self._called[call] = self._enter(module, call)
        return self._called[call]

    def _enter(self, module: Module, call: ast.Call) -> list[tuple[Module, Function]]:
        function = call.func
        if isinstance(function, ast.Name):
            return self._named(
                module, module.imports.get(function.id, function.id), local=function.id not in module.imports
            )
        if isinstance(function, ast.Attribute):
            dotted = module.dotted(function)
            if not dotted.startswith("?") and (found := self._named(module, dotted, local=False)):
                return found
            return self._methods(module, function.attr)
        return []

    def _named(self, module: Module, dotted: str, *, local: bool) -> list[tuple[Module, Function]]:
        target, name = module, dotted
        if not local:
            place = self.split(module, dotted)
            if place is None:
                return []
            target, name = self.modules[place[0]], place[1]
        if name in target.classes:
            return [
                (target, f)
                for f in target.functions.get("__init__", [])
                if target.parents.get(f) is target.classes[name]
            ]
        return [
            (target, f) for f in target.functions.get(name, []) if not isinstance(target.parents.get(f), ast.ClassDef)
        ]

    def _methods(self, module: Module, name: str) -> list[tuple[Module, Function]]:
        if module.path not in self._near:
            imported = sorted({p for n in module.import_nodes for p in self.imported(module, n)})
            self._near[module.path] = [module, *(self.modules[p] for p in imported)]
        near = self._near[module.path]
        found = [(m, f) for m in near for f in m.functions.get(name, []) if isinstance(m.parents.get(f), ast.ClassDef)]
        return found[:4]

    def closure(self, path: str) -> set[str]:
        """The module and everything of the project that it imports, directly or not."""
        if path in self._closures:
            return self._closures[path]
        seen: set[str] = set()
        pending = [path]
        while pending:
            here = pending.pop()
            if here in seen or here not in self.modules:
                continue
            seen.add(here)
            module = self.modules[here]
            pending.extend(p for node in module.import_nodes for p in self.imported(module, node))
        self._closures[path] = seen
        return seen
