"""What a program does to the world: reads, writes, lists, deletes, starts, executes, loads.

Each call that matters becomes a `Fact` with its line and the paths it may mean.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from subcritical.loop.doctor._index import Module
from subcritical.loop.doctor._values import Values

_WRAPPERS = frozenset(
    ["timeout", "gtimeout", "nice", "ionice", "nohup", "env", "sudo", "stdbuf", "time", "setsid", "xvfb-run"]
)
SECRET = re.compile(r"(?i)(api_?key|secret|token|passw|credential|private_?key|_key$|^aws_|hf_|auth)")


@dataclass(eq=False, kw_only=True)
class Fact:
    """One act at one line.

    `kind`: read, write, list, exists, delete, spawn, execute, unsafe_load, import. `module` is the file that
    acts, `paths` are texts as written (not yet located), `content` what a write writes, `detail` says how.
    """

    kind: str
    module: str
    line: int
    node: ast.AST | None = None
    paths: tuple[str, ...] = ()
    content: tuple[ast.expr, ...] = ()
    detail: str = ""


@dataclass(eq=False, kw_only=True)
class Spawn(Fact):
    """A process that is started. `env`: inherited, explicit, keys or cleared; `argv` has texts per word."""

    argv: list[tuple[str, ...]] = field(default_factory=list)
    cwd: tuple[str, ...] = ()
    env: str = "inherited"
    env_why: str = ""
    timeout: ast.expr | None = None
    limited: bool = False
    checked: bool = False

    def words(self) -> list[str]:
        """The first text of each word."""
        return [texts[0] for texts in self.argv if texts]

    def command(self) -> list[str]:
        """The words without wrappers such as `timeout 60`, `nice -n 5`, `env A=b`; the program without its folder."""
        words = self.words()
        for _ in range(6):
            name = words[0].rsplit("/", 1)[-1] if words else ""
            if name not in _WRAPPERS or not words[1:]:
                return [name, *words[1:]] if words else []
            words = words[1:]
            while len(words) > 1 and (
                words[0].startswith("-") or "=" in words[0] or re.fullmatch(r"[0-9.]+[smhd]?", words[0])
            ):
                words = words[1:]
        return words


_READERS = frozenset(
    [
        "numpy.loadtxt",
        "numpy.genfromtxt",
        "numpy.fromfile",
        "numpy.memmap",
        "pandas.read_csv",
        "pandas.read_json",
        "pandas.read_parquet",
        "pandas.read_table",
        "pandas.read_excel",
        "pandas.read_feather",
        "polars.read_csv",
        "polars.read_parquet",
        "linecache.getlines",
        "fileinput.input",
        "sqlite3.connect",
        "PIL.Image.open",
        "json.loads_file",
        "safetensors.torch.load_file",
        "io.open_code",
    ]
)
_UNSAFE = frozenset(
    [
        "pickle.load",
        "pickle.loads",
        "pickle.Unpickler",
        "dill.load",
        "dill.loads",
        "cloudpickle.load",
        "cloudpickle.loads",
        "joblib.load",
        "marshal.load",
        "marshal.loads",
        "shelve.open",
        "pandas.read_pickle",
        "jsonpickle.decode",
        "torch.load",
        "numpy.load",
        "yaml.load",
        "yaml.unsafe_load",
        "yaml.full_load",
        "yaml.load_all",
        "yaml.unsafe_load_all",
        "_pickle.load",
        "_pickle.loads",
    ]
)
_WRITERS = frozenset(["numpy.save", "numpy.savez", "numpy.savez_compressed", "numpy.savetxt"])
_WRITERS_LAST = frozenset(["torch.save", "joblib.dump"])
_COPIES = frozenset(
    [
        "shutil.copy",
        "shutil.copy2",
        "shutil.copyfile",
        "shutil.copytree",
        "shutil.move",
        "os.rename",
        "os.replace",
        "os.link",
        "os.symlink",
    ]
)
_LISTS = frozenset(["os.listdir", "os.scandir", "os.walk", "glob.glob", "glob.iglob"])
_LIST_METHODS = frozenset({"glob", "rglob", "iterdir"})
_EXISTS = frozenset(["os.path.exists", "os.path.isfile", "os.path.lexists", "os.path.getsize"])
_DELETES = frozenset(["os.remove", "os.unlink", "shutil.rmtree", "os.truncate"])
_EXECUTES = frozenset(
    [
        "exec",
        "eval",
        "runpy.run_path",
        "runpy.run_module",
        "importlib.import_module",
        "__import__",
        "imp.load_source",
        "importlib.util.spec_from_file_location",
        "importlib.machinery.SourceFileLoader",
        "shinka.core.run_shinka_eval",
        "shinka.core.wrap_eval.run_shinka_eval",
    ]
)
_WRITE_METHODS = frozenset({"to_csv", "to_json", "to_parquet", "to_pickle", "tofile", "savefig"})
_PATH_METHODS = {
    "glob": "list", "rglob": "list", "iterdir": "list",
    "read_text": "read", "read_bytes": "read", "write_text": "write", "write_bytes": "write",
    "exists": "exists", "is_file": "exists", "unlink": "delete", "rmdir": "delete",
}  # fmt: skip
_MAX_CHAIN = 2


def extract(module: Module, values: Values) -> list[Fact]:
    """All facts of one module, without the processes it starts (see `_spawns`)."""
    found: list[Fact] = []
    for call in module.calls:
        name = module.dotted(call.func)
        fact = _by_name(name, call, module, values) or _by_method(name, call, module, values)
        if fact is not None:
            found.append(fact)
    return found


def _make(
    kind: str,
    call: ast.Call,
    module: Module,
    paths: tuple[str, ...],
    content: tuple[ast.expr, ...] = (),
    detail: str = "",
) -> Fact:
    return Fact(kind=kind, module=module.path, line=call.lineno, node=call, paths=paths, content=content, detail=detail)


def argument(call: ast.Call, position: int, *names: str) -> ast.expr | None:
    """A positional argument, or the keyword of that name."""
    for keyword in call.keywords:
        if keyword.arg in names:
            return keyword.value
    return (
        call.args[position] if position < len(call.args) and not isinstance(call.args[position], ast.Starred) else None
    )


def _by_name(name: str, call: ast.Call, module: Module, values: Values) -> Fact | None:
    if name in {"open", "io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open"}:
        return _open(call, argument(call, 0, "file", "filename"), argument(call, 1, "mode"), module, values)
    for names, maker in _BY_NAME:
        if name in names:
            return maker(name, call, module, values)
    return None


def _open(call: ast.Call, path: ast.expr | None, mode: ast.expr | None, module: Module, values: Values) -> Fact:
    how = mode.value if isinstance(mode, ast.Constant) and isinstance(mode.value, str) else "r"
    writes = any(c in how for c in "wax+")
    content = _handle_content(call, module) if writes else ()
    return _make("write" if writes else "read", call, module, values.texts(path, module), content, how)


def _handle_content(call: ast.Call, module: Module) -> tuple[ast.expr, ...]:
    """What is written through the file that `call` opens: `f.write(x)`, `json.dump(x, f)`, `csv.writer(f)`."""
    parent = module.parents.get(call)
    if isinstance(parent, ast.Attribute):
        outer = module.parents.get(parent)
        return tuple(outer.args) if isinstance(outer, ast.Call) else ()
    name = _bound_name(parent)
    if name is None:
        outer = parent
        return tuple(a for a in outer.args if a is not call) if isinstance(outer, ast.Call) else ()
    return _through(name, call, module, 0)


def _bound_name(parent: ast.AST | None) -> str | None:
    if isinstance(parent, ast.withitem) and isinstance(parent.optional_vars, ast.Name):
        return parent.optional_vars.id
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
        return parent.targets[0].id
    return None


def _through(name: str, origin: ast.AST, module: Module, depth: int) -> tuple[ast.expr, ...]:
    scope = module.scope(origin)
    found = [d.value for d in module.definitions.get((scope, name), []) if d.kind == "mutation" and d.value is not None]
    for call in module.calls:
        parts = [*call.args, *(k.value for k in call.keywords)]
        if call is origin or module.scope(call) is not scope or not any(_is(p, name) for p in parts):
            continue
        found.extend(p for p in parts if not _is(p, name))
        bound = _bound_name(module.parents.get(call))
        if bound is not None and bound != name and depth < _MAX_CHAIN:
            found.extend(_through(bound, call, module, depth + 1))
    return tuple(found[:40])


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _read(name: str, call: ast.Call, module: Module, values: Values) -> Fact:
    return _make("read", call, module, values.texts(argument(call, 0, "path", "filename", "fname"), module), (), name)


def _load(name: str, call: ast.Call, module: Module, values: Values) -> Fact | None:
    source = argument(call, 0, "file", "f", "stream", "filename")
    flag = {k.arg: k.value for k in call.keywords}
    harmless = (
        (name == "numpy.load" and not _true(flag.get("allow_pickle")))
        or (name == "torch.load" and _true(flag.get("weights_only")))
        or (
            name in {"yaml.load", "yaml.load_all"}
            and "Safe" in ast.unparse(argument(call, 1, "Loader") or ast.Constant(0))
        )
    )
    kind = "read" if harmless else "unsafe_load"
    return _make(kind, call, module, values.texts(source, module), (), name)


def _true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _save(name: str, call: ast.Call, module: Module, values: Values) -> Fact:
    content = tuple(call.args[1:]) + tuple(k.value for k in call.keywords)
    return _make("write", call, module, values.texts(argument(call, 0, "file", "fname"), module), content, name)


def _save_last(name: str, call: ast.Call, module: Module, values: Values) -> Fact:
    return _make(
        "write", call, module, values.texts(argument(call, 1, "f", "filename"), module), tuple(call.args[:1]), name
    )


def _copy(_: str, call: ast.Call, module: Module, values: Values) -> Fact:
    target = argument(call, 1, "dst")
    source = argument(call, 0, "src")
    return _make("write", call, module, values.texts(target, module), (source,) if source is not None else (), "copy")


def _list(name: str, call: ast.Call, module: Module, values: Values) -> Fact:
    where = argument(call, 0, "pathname", "path", "top")
    texts = values.texts(where, module) if where is not None else (".",)
    return _make("list", call, module, texts, (), name)


def _plain(kind: str) -> Callable[[str, ast.Call, Module, Values], Fact | None]:
    def make(name: str, call: ast.Call, module: Module, values: Values) -> Fact | None:
        return _make(kind, call, module, values.texts(argument(call, 0, "path"), module), (), name)

    return make


def _execute(name: str, call: ast.Call, module: Module, values: Values) -> Fact | None:
    position = 1 if name.endswith(("spec_from_file_location", "SourceFileLoader", "load_source")) else 0
    source = argument(call, position, "location", "path", "path_name", "name")
    if source is None or (isinstance(source, ast.Constant) and name in {"exec", "eval"}):
        return None
    texts = values.texts(source, module)
    if name.endswith(("import_module", "__import__", "run_module")):
        found = [values.index.find(module, text) for text in texts]
        texts = tuple(f"@/{path}" for path in found if path is not None) or texts
    return _make("execute", call, module, texts, (source,), name)


_Maker = Callable[[str, ast.Call, Module, Values], Fact | None]
_BY_NAME: tuple[tuple[frozenset[str], _Maker], ...] = (
    (_READERS, _read),
    (_UNSAFE, _load),
    (_WRITERS, _save),
    (_WRITERS_LAST, _save_last),
    (_COPIES, _copy),
    (_LISTS, _list),
    (_EXISTS, _plain("exists")),
    (_DELETES, _plain("delete")),
    (_EXECUTES, _execute),
)


def _by_method(name: str, call: ast.Call, module: Module, values: Values) -> Fact | None:
    """Methods of paths, of data frames and of loaders whose receiver is not an imported name."""
    function = call.func
    if not isinstance(function, ast.Attribute) or (
        not name.startswith("?") and "." in name and _is_library(function, module, values)
    ):
        return None
    method, base = function.attr, function.value
    if method == "open":
        return _open(call, base, argument(call, 0, "mode"), module, values)
    if method in _PATH_METHODS:
        content = tuple(call.args[:1]) if method.startswith("write") else ()
        where = call if method in _LIST_METHODS else base
        return _make(_PATH_METHODS[method], call, module, values.texts(where, module), content, method)
    if method == "read" and call.args and _is_settings_file(call.args[0], module, values):
        return _make("read", call, module, values.texts(call.args[0], module), (), method)
    moves = method in {"rename", "replace"} and len(call.args) == 1
    if not call.args or not (moves or method in _WRITE_METHODS):
        return None
    return _make("write", call, module, values.texts(call.args[0], module), (base,), "copy" if moves else method)


def _is_settings_file(node: ast.expr, module: Module, values: Values) -> bool:
    """`ConfigParser.read(path)`; the `read` of an open file takes a number."""
    return values.texts(node, module)[0].endswith((".ini", ".cfg", ".conf"))


def _is_library(function: ast.Attribute, module: Module, values: Values) -> bool:
    """Whether the receiver is an imported name that does not come from this project."""
    base: ast.expr = function
    while isinstance(base, ast.Attribute):
        base = base.value
    if not isinstance(base, ast.Name) or base.id not in module.imports:
        return False
    place = values.index.split(module, module.imports[base.id])
    return place is None or not place[1]
