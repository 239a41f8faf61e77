"""Which statements of a tree's Python files decide about its limits.

From the names of limits: forwards to other names for them (assignments, imports, parameters, fields, returns),
backwards to what they are computed from and what they are compared with. All files of both sides are read together, so
that an alias that a change removes is still one.

Not followed: values that go through data structures of libraries, threads, files; what a program does with text that
it makes at run time. A change that adds a means to do such things counts as one that cannot be told (`comparison.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from subcritical.gateway.content.expressions import Made, last_name
from subcritical.gateway.content.names import Names, words_of
from subcritical.gateway.content.python import Module, Statement

_THE_OBJECT = frozenset({"self", "cls"})
_FIELDS_MAX = 32
_FLAGS_MAX = 3
_WORK_MAX = 30_000
_MAPPINGS = frozenset({"dict", "simplenamespace", "namespace", "ordereddict", "defaultdict"})
_OF_OPEN = frozenset({"r", "rb", "rt", "w", "wb", "utf", "utf8", "8", "ascii", "latin", "1", ""})
"""Words of modes and encodings: they look up nothing."""

Files = Mapping[str, Module]
Place = tuple[str, str, str]
"""File, scope (empty at the top of it), name."""


class _Found:
    """Names by place, and names that count everywhere: as an attribute, an import, a call."""

    def __init__(self, everywhere: Names = frozenset()) -> None:
        self.places: set[Place] = set()
        self.everywhere = set(everywhere)

    def any_of(self, path: str, scope: str, words: Names | set[str]) -> bool:
        if words & self.everywhere:
            return True
        return any((path, s, word) in self.places for s in _outwards(scope) for word in words)


class Reach:
    """Names that are limits, made with one, or feed one.

    A name is *exact* where its value is a limit or made of limits and constants alone, *made* where there is more in
    it. Whoever reads or binds either decides about a limit; what an exact one is compared with, feeds it.

    Args:
        names: Folded names of limits.
        sides: The parsed files before, and after.
    """

    def __init__(self, names: Names, sides: tuple[Files, Files]) -> None:
        """Follow the names through every file until nothing new is found."""
        self.names = names
        self._exact, self._made, self._feeding = _Found(names), _Found(), _Found()
        self._called: set[str] = set()
        self._keys: set[str] = set()
        self._slots: dict[tuple[str, int | str], _Found] = {}
        self._files = [(path, module) for files in sides for path, module in files.items()]
        # What only the new side defines takes no name from the old one, unless it binds it, which is seen.
        self._reachable = frozenset(name for module in sides[0].values() for name in module.reachable)
        self._modules = frozenset(_module(path) for path, _ in self._files)
        self._touched: set[str] = set()
        self._left = _WORK_MAX
        self._new = set(names)
        while self._new:
            words, self._new = self._new, set()
            self._touched |= words
            for path, module in self._files:
                for number in sorted({n for word in words for n in module.by_word.get(word, ())}):
                    self._spend(module.statements[number])
                    self._follow(path, module.statements[number])

    def deciding(self, path: str, module: Module) -> list[Statement]:
        """Statements of a file that read or bind a limit, bind what feeds one, or are part of what computes one."""
        touched = {n for word in self._touched & module.by_word.keys() for n in module.by_word[word]}
        found = {n for n in touched if self._decides(path, module.statements[n])}
        # Who binds the name of a function or class once more takes its limits away.
        holders = {scope for n in found for scope in _outwards(module.statements[n].scope)} - {""}
        for scope in holders:
            around, _, name = scope.rpartition(".")
            bound = (n for n in module.by_word.get(name, ()) if name in module.statements[n].binds)
            found |= {n for n in bound if module.statements[n].scope == around}
        return [module.statements[n] for n in sorted(found)]

    def _spend(self, statement: Statement) -> None:
        self._left -= 1 + len(statement.calls) + len(statement.compares)
        if self._left < 0:
            raise ValueError("too much depends on limits to be followed in time")

    def _decides(self, path: str, statement: Statement) -> bool:
        parameters = set(statement.parameters) - _THE_OBJECT
        return bool(
            statement.words & (self.names | self._keys)
            or self._limits(path, statement.scope, statement.reads | statement.binds)
            or self._feeding.any_of(path, statement.scope, statement.binds | (statement.mutates - _THE_OBJECT))
            or self._limits(path, statement.inside, parameters)
            or self._feeding.any_of(path, statement.inside, parameters)
            or self._called & (statement.reads | statement.binds)
            or self._feeding.everywhere & set(statement.scope.split("."))
        )

    def _limits(self, path: str, scope: str, words: Names | set[str]) -> bool:
        return self._exact.any_of(path, scope, words) or self._made.any_of(path, scope, words)

    def _kind(self, path: str, scope: str, value: Made) -> _Found | None:
        """What a name of this value is: an exact one, one made with a limit, or neither."""
        if value.whole and value.names and all(self._exact.any_of(path, scope, {name}) for name in value.names):
            return self._exact
        return self._made if self._limits(path, scope, value.names) else None

    def _place(self, found: _Found, path: str, scope: str, name: str) -> None:
        if (path, scope, name) not in found.places:
            found.places.add((path, scope, name))
            self._new.add(name)

    def _everywhere(self, words: set[str], more: Iterable[str]) -> None:
        new = set(more) - words - {""}
        words |= new
        self._new |= new

    def _follow(self, path: str, statement: Statement) -> None:
        """Follow one statement one step."""
        scope = statement.scope
        kind = self._kind(path, scope, statement.made_of)
        if kind is not None:
            for name in statement.binds:
                self._place(kind, path, scope, name)
            self._everywhere(kind.everywhere, statement.fields)
            if isinstance(statement.node, ast.Return) and scope:
                self._everywhere(kind.everywhere, (_last(scope),))
        if statement.binds and _holds(statement.node) and (statement.words | statement.reads) & self.names:
            for name in statement.binds:  # a mapping with a limit in it
                self._place(self._made, path, scope, name)
        for function, slot, value in statement.passed:
            passed = self._kind(path, scope, value)
            if passed is not None and self._slots.get((function, slot)) not in (passed, self._exact):
                self._slots[function, slot] = passed
                self._new.add(function)
        self._checks(path, statement)
        self._imports(path, statement)
        self._parameters(path, statement)
        self._backwards(path, statement)

    def _checks(self, path: str, statement: Statement) -> None:
        """A check passes what it sets on; the function that raises by it, or sets a field, is one to be called."""
        scope = statement.scope
        if not (isinstance(statement.node, ast.If | ast.Assert) and self._limits(path, scope, statement.reads)):
            return
        flags = _flags(statement.node)
        for name in flags:
            self._place(self._made, path, scope, name)
        self._everywhere(self._made.everywhere, (name for name in flags if (scope, name) not in self._locals(path)))
        if scope and (statement.raises or flags):
            self._everywhere(self._called, (_last(scope),))

    def _imports(self, path: str, statement: Statement) -> None:
        for module, name, local in statement.imported:
            for found in (self._exact, self._made) if name else ():
                exported = any((p, "", name) in found.places for p, _ in self._files)
                if name in found.everywhere or exported:
                    self._place(found, path, statement.scope, local)
            if _last(module) in self._modules and self._feeding.any_of(path, statement.scope, {local}):
                self._everywhere(self._feeding.everywhere, (name or local,))

    def _parameters(self, path: str, statement: Statement) -> None:
        """What is passed to a function, or to the making of an object, has a parameter's or a field's name there."""
        function, owner, inside = statement.defines, _last(statement.scope), statement.inside
        called = {owner} if function == "__init__" else {function}
        for place, parameter in enumerate(statement.parameters):
            # A method is called without its first parameter, so the slot before it counts, too.
            slots = [(name, slot) for name in called for slot in (place, place - 1, parameter)]
            for found in [self._slots[slot] for slot in slots if slot in self._slots]:
                self._place(found, path, inside, parameter)
            known = any((path, inside, parameter) in f.places for f in (self._exact, self._made, self._feeding))
            if known and parameter not in _THE_OBJECT:
                self._everywhere(self._called, called)
        if owner in self._touched and statement.fields and not function:
            places = [self._slots[owner, n] for n in range(_FIELDS_MAX) if (owner, n) in self._slots]
            named = [self._slots[owner, field] for field in statement.fields if (owner, field) in self._slots]
            for found in (*places, *named):
                self._everywhere(found.everywhere, statement.fields)

    def _backwards(self, path: str, statement: Statement) -> None:
        scope = statement.scope
        feeding: set[str] = set()
        for compared in statement.compared:
            if self._exact.any_of(path, scope, compared):
                feeding |= compared
        computes = self._feeding.everywhere & set(scope.split("."))
        binds = self._exact.any_of(path, scope, statement.binds) or self._feeding.any_of(path, scope, statement.binds)
        if computes or binds:
            feeding |= statement.value_reads
            # What a limit is looked up by, in the environment say: whoever says it may set it.
            self._everywhere(
                self._keys, (word for text in statement.texts if "." not in text for word in words_of(text) - _OF_OPEN)
            )
        for name in feeding - self.names - _THE_OBJECT:
            owner = self._owner(path, scope, name)
            self._place(self._feeding, path, owner, name)
            if not owner and name in self._reachable:
                self._everywhere(self._feeding.everywhere, (name,))

    def _locals(self, path: str) -> frozenset[tuple[str, str]]:
        """(scope, name) of the names of a file."""
        return frozenset().union(*(module.bound for file, module in self._files if file == path))

    def _owner(self, path: str, scope: str, name: str) -> str:
        """The innermost scope around that binds a name: whose name it is."""
        modules = [module for file, module in self._files if file == path]
        return next((s for s in _outwards(scope) if any((s, name) in module.bound for module in modules)), "")


def _flags(node: ast.AST) -> set[str]:
    """What a short decision sets: whoever reads it decides on."""
    inner = [*getattr(node, "body", ()), *getattr(node, "orelse", ())]
    if len(inner) > _FLAGS_MAX:
        return set()
    targets = [target for one in inner if isinstance(one, ast.Assign) for target in one.targets]
    return {last_name(target) for target in targets} - {""}


def _holds(node: ast.AST) -> bool:
    """Whether a statement binds a mapping that is written there."""
    value = getattr(node, "value", None)
    return isinstance(value, ast.Dict) or (isinstance(value, ast.Call) and last_name(value.func) in _MAPPINGS)


def _module(path: str) -> str:
    stem = path.removesuffix("/__init__.py").rsplit("/", 1)[-1]
    return stem.rsplit(".", 1)[0].casefold()


def _last(dotted: str) -> str:
    return dotted.rsplit(".", 1)[-1]


def _outwards(scope: str) -> list[str]:
    """A scope and those around it."""
    parts = scope.split(".") if scope else []
    return [".".join(parts[:n]) for n in range(len(parts), -1, -1)]
