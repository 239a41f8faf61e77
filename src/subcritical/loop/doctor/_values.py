"""Which paths and words an expression may stand for, without running it.

A value is a text with holes: `<name:...>` stands for something only known at run time. The same
unknown always gives the same token, so two paths below one unknown directory are seen to be
siblings. A leading `@/` marks a path that starts at the examined directory whatever the process's
working directory is (`Path(__file__).parent`).
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Callable
from typing import Any

from subcritical.loop.doctor._index import Definition, Index, Module
from subcritical.loop.doctor._texts import (
    MAX_VALUES,
    argument_for,
    fill,
    join,
    parent,
    positionals,
    properties,
    token,
    up,
    value_token,
)

MAX_DEPTH = 40
MAX_TEXT = 2_000

_SAME = frozenset(
    {
        "str", "os.fspath", "os.path.abspath", "os.path.realpath", "os.path.normpath", "os.path.expanduser",
        "os.path.expandvars", "shlex.quote", "repr", "list", "sorted", "tuple", "reversed", "iter", "set", "enumerate",
    }
)  # fmt: skip
_HERE = frozenset({"os.getcwd", "pathlib.Path.cwd"})
_SAME_METHODS = frozenset(
    {
        "resolve",
        "absolute",
        "as_posix",
        "expanduser",
        "strip",
        "rstrip",
        "lstrip",
        "encode",
        "decode",
        "copy",
        "keys",
        "items",
    }
)
_PATHS = frozenset({"pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "pathlib.PurePosixPath"})
_TEMPORARY = frozenset(
    {
        "tempfile.mkdtemp",
        "tempfile.TemporaryDirectory",
        "tempfile.mkstemp",
        "tempfile.NamedTemporaryFile",
        "tempfile.mktemp",
    }
)


class Values:
    """Evaluates expressions of one project to texts. `arguments` maps a script to the argv it is started with."""

    def __init__(self, index: Index) -> None:
        """Start without knowledge of how scripts are started."""
        self.index = index
        self.arguments: dict[str, list[list[tuple[str, ...]]]] = {}
        self._active: set[ast.AST] = set()
        self._known: dict[ast.AST, tuple[str, ...]] = {}

    def learn(self, arguments: dict[str, list[list[tuple[str, ...]]]]) -> None:
        """Take over how scripts are started; what was worked out without it is forgotten."""
        self.arguments = arguments
        self._known.clear()

    def texts(self, node: ast.expr | None, module: Module, depth: int = 0) -> tuple[str, ...]:
        """At most six texts that `node` may stand for; never empty. Each node is evaluated once."""
        if node is None:
            return ("<none>",)
        if node in self._known:
            return self._known[node]
        if depth > MAX_DEPTH or node in self._active:
            return (value_token(node, module),)
        self._active.add(node)
        try:
            found = self._texts(node, module, depth + 1)
        finally:
            self._active.discard(node)
        self._known[node] = tuple(dict.fromkeys(t[:MAX_TEXT] for t in found))[:MAX_VALUES] or (
            value_token(node, module),
        )
        return self._known[node]

    def _texts(self, node: ast.expr, module: Module, depth: int) -> list[str]:
        if isinstance(node, ast.Constant):
            return [node.value if isinstance(node.value, str) else repr(node.value)[:100]]
        reader = _READERS.get(type(node))
        return reader(self, node, module, depth) if reader else [value_token(node, module)]

    def name(self, node: ast.Name, module: Module, depth: int) -> list[str]:
        """Values of a variable: all its definitions."""
        if node.id == "__file__":
            return [f"@/{module.path}"]
        definitions = [d for d in module.lookup(node.id, node) if d.kind != "mutation"]
        found: list[str] = []
        for definition in definitions[:MAX_VALUES]:
            found.extend(self._definition(definition, node.id, module, depth))
        return found or [value_token(node, module)]

    def _definition(self, definition: Definition, name: str, module: Module, depth: int) -> list[str]:
        if definition.kind == "parameter":
            return self._parameter(definition, name, module, depth)
        if definition.kind == "import":
            return self._imported(module.imports.get(name, name), module, depth)
        if definition.value is None:
            return []
        if isinstance(definition.node, ast.AugAssign):
            return []
        if definition.kind == "loop":
            return self._items(definition.value, module, depth)
        return list(self.texts(definition.value, module, depth))

    def _parameter(self, definition: Definition, name: str, module: Module, depth: int) -> list[str]:
        found: list[str] = []
        for caller, call in self.index.callers.get(definition.node, [])[:MAX_VALUES]:
            argument = argument_for(definition.node, name, call)
            if argument is not None:
                found.extend(self.texts(argument, caller, depth + 1))
        if not found and definition.value is not None:
            found.extend(self.texts(definition.value, module, depth + 1))
        owner = getattr(definition.node, "name", "lambda")
        return found or [token("parameter", module, f"{owner}:{name}")]

    def _imported(self, dotted: str, module: Module, depth: int) -> list[str]:
        place = self.index.split(module, dotted)
        if place is None or not place[1]:
            return []
        other = self.index.modules[place[0]]
        found: list[str] = []
        for definition in other.definitions.get((other.tree, place[1]), [])[:MAX_VALUES]:
            found.extend(self._definition(definition, place[1], other, depth + 1))
        return found

    def _items(self, node: ast.expr, module: Module, depth: int) -> list[str]:
        """Values of the loop variable of `for x in node`."""
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return [t for e in node.elts[:MAX_VALUES] for t in self.texts(e, module, depth)]
        if isinstance(node, ast.Name):
            for definition in module.lookup(node.id, node):
                if isinstance(definition.value, ast.List | ast.Tuple | ast.Set):
                    return self._items(definition.value, module, depth)
        if isinstance(node, ast.Call):
            name = module.dotted(node.func)
            if name in {"os.listdir", "os.scandir", "os.walk"} and node.args:
                return join(self.texts(node.args[0], module, depth), ("*",))
            if name in _SAME and node.args:
                return self._items(node.args[0], module, depth)
            if name == "range":
                return ["<number>"]
        return list(self.texts(node, module, depth))

    def attribute(self, node: ast.Attribute, module: Module, depth: int) -> list[str]:
        """`.parent`, a module's constant, a field of an object, a command-line argument."""
        if node.attr == "parent":
            return [parent(t) for t in self.texts(node.value, module, depth)]
        if node.attr in {"name", "stem", "suffix"}:
            base = self.texts(node.value, module, depth)
            return [posixpath.basename(t) if node.attr == "name" else "*" for t in base]
        dotted = module.dotted(node)
        if not dotted.startswith("?"):
            if dotted == "sys.executable":
                return ["python"]
            found = self._imported(dotted, module, depth)
            if found:
                return found
        if (options := self._option(node.attr, module, depth)) is not None:
            return options
        values = [v for function in properties(node.attr, module) for v in module.returns(function)]
        assigned = [d.value for d in module.attributes.get(node.attr, []) if d.kind != "mutation"]
        values += [v for v in assigned if v is not None]
        found = [text for value in values[:MAX_VALUES] for text in self.texts(value, module, depth + 1)]
        return found or [token("field", module, ast.unparse(node))]

    def _option(self, name: str, module: Module, depth: int) -> list[str] | None:
        """Values of `args.name` where the module declares it with `add_argument`."""
        position = 0
        for call in module.calls:
            if not (isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument" and call.args):
                continue
            flag = call.args[-1].value if isinstance(call.args[-1], ast.Constant) else None
            if not isinstance(flag, str):
                continue
            if flag.lstrip("-").replace("-", "_") == name:
                given = self._given(module.path, flag, position)
                default = next((k.value for k in call.keywords if k.arg == "default"), None)
                if given:
                    return given
                return (
                    list(self.texts(default, module, depth)) if default is not None else [token("option", module, name)]
                )
            position += 0 if flag.startswith("-") else 1
        return None

    def _given(self, path: str, flag: str, position: int) -> list[str]:
        found: list[str] = []
        for words in self.arguments.get(path, []):
            if flag.startswith("-"):
                at = next((i for i, word in enumerate(words) if flag in word), None)
                found.extend(words[at + 1] if at is not None and at + 1 < len(words) else ())
            else:
                plain = positionals(words)
                found.extend(plain[position] if position < len(plain) else ())
        return found

    def subscript(self, node: ast.Subscript, module: Module, depth: int) -> list[str]:
        """`sys.argv[n]`, `os.environ[...]`, `path.parents[n]`, an entry of a literal."""
        dotted = module.dotted(node.value)
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if dotted == "sys.argv" and isinstance(key, int) and key > 0:
            found = [t for words in self.arguments.get(module.path, []) if key - 1 < len(words) for t in words[key - 1]]
            return found or [token("argument", module, str(key))]
        if dotted == "os.environ":
            return [f"<environment:{key!r}>"]
        if isinstance(node.value, ast.Attribute) and node.value.attr == "parents" and isinstance(key, int):
            return [up(t, key + 1) for t in self.texts(node.value.value, module, depth)]
        for literal in self._literals(node.value, module):
            for name, value in zip(literal.keys, literal.values, strict=True):
                if isinstance(name, ast.Constant) and name.value == key:
                    return list(self.texts(value, module, depth))
        if isinstance(key, int) and isinstance(node.value, ast.Name | ast.Call):
            return list(self.texts(node.value, module, depth))
        return [value_token(node, module)]

    @staticmethod
    def _literals(node: ast.expr, module: Module) -> list[ast.Dict]:
        if not isinstance(node, ast.Name):
            return []
        return [d.value for d in module.lookup(node.id, node) if isinstance(d.value, ast.Dict)]

    def binary(self, node: ast.BinOp, module: Module, depth: int) -> list[str]:
        """`a / b` joins paths, `a + b` texts."""
        left = self.texts(node.left, module, depth)
        if isinstance(node.op, ast.Div):
            return join(left, self.texts(node.right, module, depth))
        if isinstance(node.op, ast.Add):
            return [a + b for a in left for b in self.texts(node.right, module, depth)]
        if isinstance(node.op, ast.Mod):
            return [t.replace("%s", "*").replace("%d", "*") for t in left]
        return [value_token(node, module)]

    def joined(self, node: ast.JoinedStr, module: Module, depth: int) -> list[str]:
        """An f-string: the product of its parts."""
        found = [""]
        for part in node.values:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            texts = self.texts(inner, module, depth)
            found = [a + b for a in found for b in texts][:MAX_VALUES]
        return found

    def sequence(self, node: ast.List | ast.Tuple | ast.Set, module: Module, depth: int) -> list[str]:
        """Any element."""
        return [t for element in node.elts[:MAX_VALUES] for t in self.texts(element, module, depth)]

    def either(self, node: ast.IfExp | ast.BoolOp, module: Module, depth: int) -> list[str]:
        """`a if c else b`, `a or b`: any of them."""
        parts = [node.body, node.orelse] if isinstance(node, ast.IfExp) else node.values
        return [t for part in parts for t in self.texts(part, module, depth)]

    def wrapped(self, node: ast.Starred | ast.Await | ast.NamedExpr, module: Module, depth: int) -> list[str]:
        """The value inside."""
        return list(self.texts(node.value, module, depth))

    def call(self, node: ast.Call, module: Module, depth: int) -> list[str]:
        """Path arithmetic, temporary directories, and functions of the project by their returns."""
        name = module.dotted(node.func)
        if name in _PATHS or name == "os.path.join":
            found: list[str] = []
            for argument in node.args or [ast.Constant(value=".")]:
                right = self.texts(argument, module, depth)
                found = join(tuple(found), right) if found else list(right)
            return found
        if (name in _SAME or name == "os.path.dirname") and node.args:
            texts = self.texts(node.args[0], module, depth)
            return list(texts) if name in _SAME else [parent(t) for t in texts]
        if name in _HERE or name in _TEMPORARY:
            return ["."] if name in _HERE else [token("temporary", module, str(node.lineno))]
        if name in {"os.getenv", "os.environ.get"} and node.args:
            first = self.texts(node.args[0], module, depth)[0]
            return list(self.texts(node.args[1], module, depth)) if len(node.args) > 1 else [f"<environment:{first}>"]
        return self._method(node, name, module, depth)

    def _method(self, node: ast.Call, name: str, module: Module, depth: int) -> list[str]:
        function = node.func
        if isinstance(function, ast.Attribute):
            method, base = function.attr, function.value
            if method in _SAME_METHODS:
                return list(self.texts(base, module, depth))
            if method == "joinpath":
                found = list(self.texts(base, module, depth))
                for argument in node.args:
                    found = join(tuple(found), self.texts(argument, module, depth))
                return found
            if method in {"with_name", "with_suffix", "glob", "rglob", "iterdir"}:
                return self._sibling(method, base, node, module, depth)
            if method == "format":
                return [fill(t) for t in self.texts(base, module, depth)]
        if name in {"glob.glob", "glob.iglob"} and node.args:
            return list(self.texts(node.args[0], module, depth))
        return self._returned(node, module, depth)

    def _sibling(self, method: str, base: ast.expr, node: ast.Call, module: Module, depth: int) -> list[str]:
        here = self.texts(base, module, depth)
        given = self.texts(node.args[0], module, depth) if node.args else ("*",)
        if method == "with_name":
            return join(tuple(parent(t) for t in here), given)
        if method == "with_suffix":
            return [posixpath.splitext(t)[0] + given[0] for t in here]
        middle = ("**/" if method == "rglob" else "") + given[0]
        return join(here, (middle,))

    def _returned(self, node: ast.Call, module: Module, depth: int) -> list[str]:
        found: list[str] = []
        for other, function in self.index.called(module, node)[:2]:
            for value in other.returns(function):
                found.extend(self.texts(value, other, depth + 1))
        return found or [value_token(node, module)]


# Each reader is only called with its own kind of node.
_Reader = Callable[[Values, Any, Module, int], list[str]]
_READERS: dict[type[ast.expr], _Reader] = {
    ast.Name: Values.name,
    ast.Attribute: Values.attribute,
    ast.Subscript: Values.subscript,
    ast.BinOp: Values.binary,
    ast.JoinedStr: Values.joined,
    ast.IfExp: Values.either,
    ast.BoolOp: Values.either,
    ast.Starred: Values.wrapped,
    ast.Await: Values.wrapped,
    ast.NamedExpr: Values.wrapped,
    ast.Call: Values.call,
    ast.List: Values.sequence,
    ast.Tuple: Values.sequence,
    ast.Set: Values.sequence,
}
