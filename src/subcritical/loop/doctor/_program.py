"""The examined program as one graph: modules, what they do, which process runs which file and where."""

from __future__ import annotations

import ast
import fnmatch
import posixpath
import re
from collections import defaultdict

from subcritical.loop.doctor._facts import Fact, Spawn, extract
from subcritical.loop.doctor._index import Index, Module, parse
from subcritical.loop.doctor._spawns import extract_spawns, mounts
from subcritical.loop.doctor._values import Values
from subcritical.loop.doctor.reading import Tree
from subcritical.loop.doctor.records import Unread

_PYTHON = re.compile(r"^(.*/)?(python[0-9.]*|pypy[0-9]*|uv|torchrun|accelerate|ipython)$")
_MAX_MOUNTS = 50
TESTERS = frozenset({"pytest", "py.test", "unittest", "nose2", "tox", "nox", "make", "npm", "ctest", "cargo", "go"})


class Program:
    """Everything that was read from one tree.

    Attributes:
        facts: Every act of every module; `by_node` finds the act of a call.
        spawns: Process starts, with `targets[spawn]` = files of the tree that they run and
            `scripts[spawn]` = located texts of the script argument, also where no such file exists yet.
        cwds: Working directories in which a module runs as a script.
    """

    def __init__(self, tree: Tree) -> None:
        """Parse and link; never raises for what is in the tree."""
        self.tree = tree
        self.unread: list[Unread] = []
        self.modules: dict[str, Module] = {}
        for path, text in tree.files.items():
            if _is_python(path, text):
                try:
                    self.modules[path] = parse(path, text)
                except ValueError as error:
                    self.unread.append(Unread(path, str(error)))
        self.index = Index(self.modules)
        self.values = Values(self.index)
        self.cwds: dict[str, set[str]] = defaultdict(set)
        self.targets: dict[Spawn, list[str]] = {}
        self.scripts: dict[Spawn, list[str]] = {}
        self._kinds: dict[tuple[str, str | None], list[Fact]] = {}
        self._counted = -1
        self.mounts: list[tuple[str, str]] = []
        self.facts: list[Fact] = []
        self.spawns: list[Spawn] = []
        # Twice: how scripts are started (argv, cwd) decides what the paths inside them mean.
        for _ in range(2):
            self._extract()
        self.by_node: dict[ast.AST, Fact] = {f.node: f for f in self.facts if f.node is not None}
        self._cache: dict[Fact, list[str]] = {}
        self._processes: dict[Spawn, set[str]] = {}

    def _extract(self) -> None:
        self.facts, self.spawns = [], []
        for module in self.modules.values():
            self.facts.extend(extract(module, self.values))
            self.spawns.extend(extract_spawns(module, self.values))
        for module in self.modules.values():
            self.facts.extend(self._imports(module))
        self.facts.extend(self.spawns)
        arguments: dict[str, list[list[tuple[str, ...]]]] = defaultdict(list)
        self.cwds.clear()
        for spawn in self.spawns:
            self._link(spawn, arguments)
        self.values.learn(arguments)

    def extend(self, facts: list[Fact]) -> None:
        """Take in acts that were read from something other than Python (shell scripts, instructions)."""
        arguments: dict[str, list[list[tuple[str, ...]]]] = defaultdict(list)
        for fact in facts:
            self.facts.append(fact)
            if isinstance(fact, Spawn):
                self.spawns.append(fact)
                self._link(fact, arguments)

    def _imports(self, module: Module) -> list[Fact]:
        return [
            Fact(kind="import", module=module.path, line=node.lineno, node=node, paths=(f"@/{path}",), detail="import")
            for node in module.import_nodes
            for path in self.index.imported(module, node)
        ]

    def _link(self, spawn: Spawn, arguments: dict[str, list[list[tuple[str, ...]]]]) -> None:
        where = [self.locate(c, spawn.module) for c in spawn.cwd] or sorted(self.cwds.get(spawn.module, set())) or ["."]
        for source, target, _ in mounts(spawn) or ():
            if (
                len(target) > 1
                and len(self.mounts) < _MAX_MOUNTS
                and (source, target) not in self.mounts
                and not inside(target, source)
            ):
                self.mounts.append((source, target))
        targets: list[str] = []
        scripts: list[str] = []
        for position, texts in enumerate(spawn.argv):
            found, raw = self._script(spawn, position, texts, where)
            scripts.extend(raw)
            targets.extend(found)
            for path in found:
                arguments[path].append(spawn.argv[position + 1 :])
                if spawn.cwd:
                    self.cwds[path].update(where)
            if raw:
                break
        targets.extend(self._inline(spawn))
        self.targets[spawn] = list(dict.fromkeys(targets))
        self.scripts[spawn] = list(dict.fromkeys(scripts))

    def _script(
        self, spawn: Spawn, position: int, texts: tuple[str, ...], where: list[str]
    ) -> tuple[list[str], list[str]]:
        """Files and located texts if this word is the script that the process runs."""
        before = spawn.argv[position - 1][0] if position else ""
        if before == "-m":
            names = [text.replace(".", "/") for text in texts]
            tried = [posixpath.join(w, f"{n}{e}") for w in where for n in names for e in (".py", "/__main__.py")]
            tried += [f"{n}{e}" for n in names for e in (".py", "/__main__.py")]
            found = [p for p in (normalise(t) for t in tried) if p in self.modules]
            return found, list(texts)
        located = [self.locate(text, spawn.module, w) for text in texts for w in where]
        found = [p for p in dict.fromkeys(located) if p in self.modules or p in self.tree.files]
        python_before = any(_PYTHON.match(w[0]) for w in spawn.argv[:position] if w)
        flag = texts[0].startswith("-")
        is_script = (
            (bool(found) and (python_before or position == 0 or before.endswith(("sh", "run"))))
            or any(t.endswith((".py", ".sh")) for t in texts)
            or (
                python_before
                and not flag
                and _PYTHON.match(texts[0]) is None
                and texts[0] not in {"run", "-"}
                and before != "-c"
            )
        )
        return (found, located) if is_script and not flag else ([], [])

    def _inline(self, spawn: Spawn) -> list[str]:
        """Modules that `python -c "import x"` loads."""
        words = spawn.words()
        if "-c" not in words or words.index("-c") + 1 >= len(words):
            return []
        names = re.findall(r"(?:^|[;\n\s])(?:from|import)\s+([A-Za-z_][\w.]*)", words[words.index("-c") + 1])
        here = self.modules.get(spawn.module)
        if here is None:
            return []
        found = [self.index.split(here, name) for name in names]
        for cwd in spawn.cwd:
            base = self.locate(cwd, spawn.module)
            found += [(p, "") for n in names if (p := normalise(f"{base}/{n.replace('.', '/')}.py")) in self.modules]
        return [place[0] for place in found if place is not None]

    def locate(self, text: str, module: str, cwd: str | None = None) -> str:
        """A text as a path below the examined directory (or absolute, or below an unknown)."""
        if text == "@" or text.startswith("@/"):
            return normalise(text[2:])
        for source, target in self.mounts:
            if inside(target, text):
                return self.locate(source, module, ".") + text[len(target) :]
        if text.startswith(("/", "<")):
            return normalise(text)
        base = cwd if cwd is not None else next(iter(sorted(self.cwds.get(module, set()))), ".")
        path = normalise(posixpath.join(base, text))
        folder = posixpath.dirname(module)
        if cwd is None and base == "." and folder and not self._known(path):
            beside = normalise(posixpath.join(folder, text))
            first = normalise(posixpath.join(folder, text.split("/", maxsplit=1)[0]))
            if self._known(beside) or ("/" in text and first in self.tree.folders):
                return beside
        return path

    def _known(self, path: str) -> bool:
        return path in self.tree.names or path in self.tree.folders

    def paths(self, fact: Fact) -> list[str]:
        """The located paths of a fact."""
        if fact not in self._cache:
            self._cache[fact] = list(dict.fromkeys(self.locate(t, fact.module) for t in fact.paths))
        return self._cache[fact]

    def cwd(self, spawn: Spawn) -> list[str]:
        """Located working directories that the spawn names."""
        return [self.locate(c, spawn.module) for c in spawn.cwd]

    def of(self, kind: str, module: str | None = None) -> list[Fact]:
        """Facts of one kind, of one module where it is named."""
        if self._counted != len(self.facts):
            self._kinds = defaultdict(list)
            for fact in self.facts:
                self._kinds[fact.kind, None].append(fact)
                self._kinds[fact.kind, fact.module].append(fact)
            self._counted = len(self.facts)
        return self._kinds.get((kind, module), [])

    def process_modules(self, spawn: Spawn) -> set[str]:
        """Files of the tree whose code runs inside the process that `spawn` starts."""
        if spawn not in self._processes:
            found: set[str] = set()
            for target in self.targets[spawn]:
                found |= self.index.closure(target) if target in self.modules else {target}
            self._processes[spawn] = found
        return self._processes[spawn]


def normalise(path: str) -> str:
    """Collapse `.` and `..`; an unknown part is never cancelled, since it may be a link or empty."""
    parts: list[str] = []
    for part in path.split("/"):
        if part in {"", "."}:
            continue
        if part == ".." and parts and parts[-1] != ".." and not parts[-1].startswith("<"):
            parts.pop()
        else:
            parts.append(part)
    return ("/" if path.startswith("/") else "") + "/".join(parts) or "."


def inside(folder: str, path: str) -> bool:
    """Whether `path` is `folder` or below it. The examined directory holds no absolute or unknown path."""
    if folder == ".":
        return not path.startswith(("/", "<", ".."))
    return path == folder or path.startswith(f"{folder}/")


def may_be_same(one: str, other: str) -> bool:
    """Whether two located texts may name the same file: equal, by pattern, or equal below an unknown directory."""
    if one == other:
        return not one.startswith("<value")
    name, other_name = posixpath.basename(one), posixpath.basename(other)
    if "*" in one or "*" in other:
        literal = [n for n in (name, other_name) if set(n) - {"*", "."}]
        return len(literal) > 1 and (
            fnmatch.fnmatchcase(one, other)
            or fnmatch.fnmatchcase(other, one)
            or (
                _open_ended(one, other)
                and (fnmatch.fnmatchcase(name, other_name) or fnmatch.fnmatchcase(other_name, name))
            )
        )
    return name == other_name and not name.startswith("<") and _open_ended(one, other)


def _open_ended(one: str, other: str) -> bool:
    """One of them lies below something unknown, and they are not both below known, different places."""
    return ("<" in posixpath.dirname(one)) or ("<" in posixpath.dirname(other))


def _is_python(path: str, text: str) -> bool:
    if path.endswith((".py", ".pyw")):
        return True
    first = text.split("\n", 1)[0]
    return "." not in posixpath.basename(path) and first.startswith("#!") and "python" in first
