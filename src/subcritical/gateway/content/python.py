"""What each statement of a Python file reads and binds. The text is hostile: it is parsed, never run.

Of `if`, `for`, `def` a statement is only the head. What encloses it, and how often what comes before it may leave the
block, belong to it: a check that is no longer reached is a changed check.
"""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any

from subcritical.gateway.content.expressions import (
    Made,
    constant_text,
    last_name,
    names_in,
    parts,
    root_of,
    walk,
)
from subcritical.gateway.content.heads import FUNCTION, LEAVES, around, blocks, consequences, ends, head
from subcritical.gateway.content.names import REFLECTIVE, Names, folded, words_of

BYTES_MAX = 160 << 10
TOKENS_MAX = 40_000
STATEMENTS_MAX = 4000
DEPTH_MAX = 160
"""A text of more, or one that is nested deeper, is not read: it would take too long (`python -m perf content`)."""

_TOKEN = re.compile(rb"\w+|[^\w\s]")
_NUMBER_MAX = 10**300
_CHANGES = frozenset({"update", "setdefault", "pop", "popitem", "clear", "append", "extend", "insert"})
_OUTSIDE = frozenset({"environ", "argv"})
"""What a program is told from outside, limits among it."""
_UNSAFE = {"allow_pickle": True, "weights_only": False}
"""Arguments by which a file of numbers may hold code."""
_BUILT_IN = frozenset({"exec", "eval", "compile", "globals", "locals", "vars", "setattr", "delattr"})
"""Reflective as names. As attributes they are other things (`re.compile`); `builtins` counts."""
_AS_ATTRIBUTE = REFLECTIVE - _BUILT_IN
_IMPORTED = frozenset({"code", "imp", "timeit", "cprofile", "profile", "pdb", "bdb", "doctest", "mock", "environ"})
"""Words that are too common as names of other things; an import of them counts."""
_HOOKS = frozenset(
    {"__getattr__", "__getattribute__", "__setattr__", "__delattr__", "__get__", "__set__", "__prepare__"}
)
"""Methods by which an object answers for names that it does not have."""
_READ_ONLY = frozenset({"__class__", "__qualname__", "__module__"})
_PLAIN_DUNDERS = frozenset(
    f"__{name}__"
    for name in (
        *("init", "name", "main", "call", "len", "iter", "next", "getitem", "setitem", "contains", "enter", "exit"),
        *("repr", "str", "eq", "ne", "lt", "le", "gt", "ge", "hash", "bool", "add", "sub", "mul", "truediv", "all"),
        *("version", "annotations", "post_init", "slots", "doc", "file", "new", "radd", "rmul", "neg", "pow", "matmul"),
        *("array", "float", "int", "index", "iadd", "isub", "imul", "aenter", "aexit", "aiter", "anext", "del"),
    )
)


class Statement:
    """One statement. Names are folded.

    Attributes:
        node: Its head.
        scope: Names of the functions and classes around it, with dots; empty at the top.
        context: What is around it: heads, which block of them, how often what comes before may leave.
        reads: Names, attributes and keywords that it reads, and the parameters of a function.
        binds: Names and attributes that it binds.
        mutates: Names of what it puts an attribute or an item into.
        fields: Those that it binds and others reach as an attribute.
        texts: String constants, put together where they are added.
        words: Words of them.
        reflective: Words in it that reach a name which is not written there.
        imported: Module, name in it (empty for the module itself), name here.
        parameters: Of a function, in order.
        defines: Name of a function or class.
        calls, compares: Those in it; `called`: what the calls call, by identity.
    """

    def __init__(self, node: ast.AST, scope: str, context: tuple[ast.AST | str, ...]) -> None:
        """Read the head of a statement."""
        self.node, self.scope, self.context = node, scope, context
        self.reads: set[str] = set()
        self.binds: set[str] = set()
        self.mutates: set[str] = set()
        self.fields: set[str] = set()
        self.texts: set[str] = set()
        self.reflective: set[str] = set()
        self.calls: list[ast.Call] = []
        self.compares: list[ast.Compare] = []
        self.called: set[int] = set()
        for part in walk(parts(node)):
            take = _TAKE.get(type(part))
            if take:
                take(self, part)
        # Prose names nothing, unless something runs it.
        naming = [text for text in self.texts if self.reflective or not any(map(str.isspace, text))]
        self.words: Names = frozenset().union(*map(words_of, naming)) if naming else frozenset()
        self.imported = tuple(_imports(node))
        self.parameters = _parameters(node)
        self.defines = folded(getattr(node, "name", "") or "")
        self._take_head()

    def _take_head(self) -> None:
        node = self.node
        for module, name, local in self.imported:
            words = {*module.split("."), name}
            self.reflective |= words & (REFLECTIVE | {"modules", "*"}) - {"environ"}
            self.reads.update((name or module).split("."))
            self.binds.add(local)
        if self.defines:
            self.binds.add(self.defines)
            self.reflective |= {self.defines} & _HOOKS
        if isinstance(node, ast.Global | ast.Nonlocal):
            self.binds.update(map(folded, node.names))
        if isinstance(node, ast.AugAssign):
            self.reads |= self.binds
        nearest = next((one for one in reversed(self.context) if isinstance(one, ast.AST)), None)
        if isinstance(nearest, ast.ClassDef):
            self.fields |= self.binds

    @property
    def inside(self) -> str:
        """The scope that it opens, if it does."""
        return ".".join(filter(None, (self.scope, self.defines)))

    @cached_property
    def key(self) -> tuple[str, ...]:
        """What two statements that do the same at the same place have in common."""
        return (*map(around, self.context), self.scope, *consequences(self.node), head(self.node))

    @property
    def raises(self) -> bool:
        """Whether it is a check that ends what is going on: it raises, exits or asserts."""
        node = self.node
        if not isinstance(node, ast.If):
            return isinstance(node, ast.Assert)
        return any(isinstance(inner, ast.Raise) or ends(inner) for inner in (*node.body, *node.orelse))

    @cached_property
    def value_reads(self) -> Names:
        """Names and attributes that its value reads."""
        value = getattr(self.node, "value", None)
        return names_in(value) if isinstance(value, ast.expr) else frozenset()

    @cached_property
    def made_of(self) -> Made:
        """What its value is made of."""
        value = getattr(self.node, "value", None)
        return Made(value) if isinstance(value, ast.expr) else Made(None)

    @cached_property
    def compared(self) -> tuple[Names, ...]:
        """What each comparison in it reads."""
        return tuple(map(names_in, self.compares))

    @cached_property
    def passed(self) -> tuple[tuple[str, int | str, Made], ...]:
        """Function, place or name, and what it is made of, of each argument of a call."""
        found: list[tuple[str, int | str, Made]] = []
        for call in self.calls:
            function = last_name(call.func)
            slots: list[tuple[int | str, ast.expr]] = list(enumerate(call.args))
            slots += [(folded(word.arg or "**"), word.value) for word in call.keywords]
            found += [(function, slot, Made(value)) for slot, value in slots if function]
        return tuple(found)

    @property
    def number(self) -> tuple[str, float] | None:
        """Name and value of `NAME = number`, else nothing."""
        node = self.node
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        target = targets[0] if len(targets) == 1 and isinstance(node, ast.Assign | ast.AnnAssign) else None
        if not isinstance(target, ast.Name):
            return None
        constant = value.value if isinstance(value, ast.Constant) else None
        if isinstance(constant, bool) or not isinstance(constant, int | float) or not 0 <= constant <= _NUMBER_MAX:
            return None
        return folded(target.id), float(constant)


def _take_name(found: Statement, node: ast.Name) -> None:
    _take_word(found, node.id, bound=not isinstance(node.ctx, ast.Load))


def _take_attribute(found: Statement, node: ast.Attribute) -> None:
    bound = not isinstance(node.ctx, ast.Load)
    _take_word(found, node.attr, bound=bound, reflective=_AS_ATTRIBUTE)
    if bound:
        found.fields.add(folded(node.attr))
        found.mutates.add(root_of(node))
    if _is_inner(node.attr) and (bound or node.attr not in _READ_ONLY):
        found.reflective.add(folded(node.attr))
    if root_of(node) == "sys" and (node.attr == "path" or (node.attr == "argv" and bound)):
        found.reflective.add(f"sys.{node.attr}")
    if node.attr == "modules" and id(node) not in found.called:  # `sys.modules`; a network's is called
        found.reflective.add("modules")


def _take_subscript(found: Statement, node: ast.Subscript) -> None:
    if not isinstance(node.ctx, ast.Load):
        if last_name(node.value) in _OUTSIDE and not constant_text(node.slice):
            found.reflective.add(last_name(node.value))
        found.binds |= names_in(node.value)
        found.mutates.add(root_of(node))


def _take_argument(found: Statement, node: ast.keyword | ast.arg) -> None:
    if node.arg:
        _take_word(found, node.arg, bound=False)


def _take_capture(found: Statement, node: ast.MatchAs | ast.MatchStar) -> None:
    if node.name:
        found.binds.add(folded(node.name))


def _take_rest(found: Statement, node: ast.MatchMapping) -> None:
    if node.rest:
        found.binds.add(folded(node.rest))


def _take_text(found: Statement, node: ast.AST) -> None:
    text = constant_text(node)
    if text:
        found.texts.add(text)


def _take_call(found: Statement, node: ast.Call) -> None:
    found.calls.append(node)
    found.called.add(id(node.func))
    function = last_name(node.func)
    if function in REFLECTIVE - _IMPORTED and not (isinstance(node.func, ast.Attribute) and function in _BUILT_IN):
        found.reflective.add(function)
    if isinstance(node.func, ast.Attribute) and last_name(node.func.value) in _OUTSIDE and function in _CHANGES:
        found.reflective.add(last_name(node.func.value))
    if any(word.arg in _UNSAFE and getattr(word.value, "value", None) is _UNSAFE[word.arg] for word in node.keywords):
        found.reflective.add("pickle")
    if function == "getattr":
        name = folded(constant_text(node.args[1])) if len(node.args) > 1 else ""
        if not name or _is_inner(name) or name in REFLECTIVE | {"modules"}:
            found.reflective.add("getattr")


def _take_compare(found: Statement, node: ast.Compare) -> None:
    found.compares.append(node)


def _take_word(found: Statement, name: str, *, bound: bool, reflective: Names = REFLECTIVE) -> None:
    word = folded(name)
    (found.binds if bound else found.reads).add(word)
    if (word in reflective and word not in _IMPORTED) or (_is_inner(word) and not bound and word not in _READ_ONLY):
        found.reflective.add(word)


def _is_inner(name: str) -> bool:
    """Whether it is a name of Python's own workings, not of a usual method."""
    return name.startswith("__") and name.endswith("__") and bool(name.strip("_")) and name not in _PLAIN_DUNDERS


_TAKE: dict[type[ast.AST], Callable[[Statement, Any], None]] = {
    ast.Name: _take_name,
    ast.Attribute: _take_attribute,
    ast.Subscript: _take_subscript,
    ast.keyword: _take_argument,
    ast.arg: _take_argument,
    ast.MatchAs: _take_capture,
    ast.MatchStar: _take_capture,
    ast.MatchMapping: _take_rest,
    ast.Constant: _take_text,
    ast.BinOp: _take_text,
    ast.JoinedStr: _take_text,
    ast.Call: _take_call,
    ast.Compare: _take_compare,
}


class Module:
    """The statements of one file.

    Attributes:
        statements: In order.
        by_word: Numbers of the statements in which a word stands.
        reachable: Names of functions, classes and fields.
        bound: (scope, name) of every name, in the scope whose name it is.
    """

    def __init__(self, statements: Sequence[Statement]) -> None:
        """Index the statements."""
        self.statements = tuple(statements)
        self.by_word: dict[str, list[int]] = {}
        for number, statement in enumerate(self.statements):
            words = statement.reads | statement.binds | statement.words
            words.update(statement.scope.split("."), (statement.defines,))
            for module, name, _ in statement.imported:
                words.update((*module.split("."), name))
            for word in words:
                self.by_word.setdefault(word, []).append(number)
        self.reachable: Names = frozenset().union(*(s.fields | {s.defines} for s in self.statements)) - {""}
        self.bound = frozenset(_bound(self.statements))


def _bound(statements: Sequence[Statement]) -> set[tuple[str, str]]:
    bound: set[tuple[str, str]] = set()
    elsewhere: set[tuple[str, str]] = set()
    for statement in statements:
        outside = isinstance(statement.node, ast.Global | ast.Nonlocal)
        (elsewhere if outside else bound).update((statement.scope, name) for name in statement.binds)
        bound.update((statement.inside, name) for name in statement.parameters)
    return bound - elsewhere


@lru_cache(maxsize=256)
def module_of(data: bytes) -> Module | None:
    """The statements of a Python text; None where it cannot be read, or not in bounded time."""
    if len(data) > BYTES_MAX or sum(1 for _ in _TOKEN.finditer(data)) > TOKENS_MAX:
        return None
    collects = gc.isenabled()
    gc.disable()  # a tree of many nodes and no garbage: looking for some would double the time
    try:
        found: list[Statement] = []
        _block(ast.parse(data).body, "", (), found)
        return Module(found)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    finally:
        if collects:
            gc.enable()


def _block(body: Sequence[ast.AST], scope: str, context: tuple[ast.AST | str, ...], found: list[Statement]) -> int:
    """Append the statements of a block in order; how many of them may leave what encloses it."""
    leaves = 0
    for node in body:
        if len(context) > DEPTH_MAX or len(found) > STATEMENTS_MAX:
            raise ValueError("too deep, or too many statements")
        here = (*context, f"after {leaves}") if leaves else context
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):  # a docstring does nothing
            found.append(Statement(node, scope, here))
        named = isinstance(node, (*FUNCTION, ast.ClassDef))
        inside = ".".join(filter(None, (scope, folded(getattr(node, "name", ""))))) if named else scope
        inner = sum(_block(block, inside, (*here, node, name), found) for name, block in blocks(node))
        leaves += 0 if isinstance(node, FUNCTION) else inner + isinstance(node, LEAVES)
    return leaves


def _parameters(node: ast.AST) -> tuple[str, ...]:
    if not isinstance(node, FUNCTION):
        return ()
    arguments = node.args
    return tuple(folded(a.arg) for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))


def _imports(node: ast.AST) -> Iterator[tuple[str, str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            module = folded(alias.name)
            yield module, "", folded(alias.asname) if alias.asname else module.split(".")[0]
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield folded(node.module or ""), folded(alias.name), folded(alias.asname or alias.name)
