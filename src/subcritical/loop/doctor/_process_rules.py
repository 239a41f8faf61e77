"""Holes in how guest code is started: environment, keys, limits, network, and tests that it brings along."""

from __future__ import annotations

import ast
import posixpath
import re

from subcritical.loop.doctor._cast import Cast
from subcritical.loop.doctor._catalogue import Findings
from subcritical.loop.doctor._facts import SECRET, Fact, Spawn
from subcritical.loop.doctor._index import Module
from subcritical.loop.doctor._program import Program
from subcritical.loop.doctor.records import Place
from subcritical.schema import Severity

_CONFIGURED = frozenset({"conftest.py", "pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml"})
_CLOCKS = frozenset(
    ["time.time", "time.monotonic", "time.perf_counter", "time.process_time", "time.time_ns", "time.monotonic_ns"]
)
_NETWORK = re.compile(
    r"^(requests|httpx|aiohttp|urllib\.request|urllib3|http\.client|socket|ftplib|smtplib|websockets)\."
)
_SETTERS = frozenset(["signal.alarm", "signal.setitimer", "resource.setrlimit"])


def process_holes(program: Program, cast: Cast, found: Findings) -> None:
    """All rules of this page."""
    for spawn in program.spawns:
        if cast.is_guest(spawn.module) or not cast.runs_guest(spawn):
            continue
        if spawn.module in program.modules:
            _environment(program, spawn, found)
        elif spawn.env == "keys":
            found.add("keys-passed", spawn.module, spawn.line, spawn.env_why)
        _limits(program, cast, spawn, found)
        if not _network(spawn, found):
            _network_use(program, cast, spawn, found)
        _tests(program, cast, spawn, found)
    for module in program.modules.values():
        if not cast.is_guest(module.path):
            _borrowed_limits(program, cast, module, found)


def _environment(program: Program, spawn: Spawn, found: Findings) -> None:
    if spawn.env == "keys":
        found.add("keys-passed", spawn.module, spawn.line, spawn.env_why)
    elif spawn.env == "inherited":
        evidence = _key_evidence(program)
        why = f"{spawn.env_why}: every variable of the parent is passed on"
        severity = Severity.HIGH if evidence else None
        if evidence:
            why += f", and this project uses a key ({evidence[0].note})"
        found.add("environment-inherited", spawn.module, spawn.line, why, evidence, severity)


def _key_evidence(program: Program) -> list[Place]:
    """Where the project itself reads a key from its environment."""
    found = []
    for module in program.modules.values():
        for node in module.nodes:
            name = _variable_name(node, module)
            if name is not None and SECRET.search(name):
                found.append(Place(module.path, getattr(node, "lineno", 1), f"reads `{name[:60]}`"))
            elif isinstance(node, ast.Call) and module.dotted(node.func) == "dotenv.load_dotenv":
                found.append(Place(module.path, node.lineno, "loads a file of keys"))
    return found[:3]


def _variable_name(node: ast.AST, module: Module) -> str | None:
    key: ast.expr | None = None
    if isinstance(node, ast.Call) and module.dotted(node.func) in {"os.getenv", "os.environ.get"} and node.args:
        key = node.args[0]
    elif isinstance(node, ast.Subscript) and module.dotted(node.value) == "os.environ":
        key = node.slice
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None


# limits -------------------------------------------------------------------------------------------


def _limits(program: Program, cast: Cast, spawn: Spawn, found: Findings) -> None:
    module = program.modules.get(spawn.module)
    if module is not None and spawn.timeout is not None:
        borrowed = _from_guest(program, cast, module, spawn.timeout)
        if borrowed is not None:
            _borrowed(program, module, spawn.line, borrowed, found)
        return
    if spawn.limited or (module is not None and _supervised(spawn, module)):
        return
    guests = [program.modules.get(m) for m in sorted(program.process_modules(spawn)) if cast.is_guest(m)]
    own = [place for guest in guests for place in _own_limits(guest)]
    started = [Place(spawn.module, spawn.line, "started without a limit")]
    for place in own:
        why = f"guest code watches its own time; the process started at {spawn.module}:{spawn.line} has no other limit"
        found.add("limit-in-guest", place.file, place.line, why, started)
    if not own and module is not None:
        found.add("limit-missing", spawn.module, spawn.line, "nothing ends this process if it never ends by itself")


def _supervised(spawn: Spawn, module: Module) -> bool:
    """The same function sets a limit for the child (`preexec_fn`, `setrlimit`) or kills it after a while."""
    if not isinstance(spawn.node, ast.Call) or any(k.arg == "preexec_fn" for k in spawn.node.keywords):
        return True
    scope = module.scope(spawn.node)
    methods = [c.func.attr for c in module.calls if module.scope(c) is scope and isinstance(c.func, ast.Attribute)]
    return bool({"kill", "killpg", "terminate"} & set(methods))


def _own_limits(module: Module | None) -> list[Place]:
    """Limits that guest code sets for itself: an alarm, a resource limit, a comparison with the clock, a timeout."""
    if module is None:
        return []
    found: list[Place] = []
    for node in module.nodes:
        if isinstance(node, ast.Call):
            if module.dotted(node.func) in _SETTERS:
                found.append(Place(module.path, node.lineno, "limit set here"))
            elif any(k.arg in {"timeout", "max_time", "time_limit"} for k in node.keywords):
                found.append(Place(module.path, node.lineno, "timeout given here"))
        elif isinstance(node, ast.For) and _counts_processes(node, module):
            found.append(Place(module.path, node.lineno, "how often processes are started is decided here"))
        elif isinstance(node, ast.Compare) and _reads_clock(node, module):
            found.extend(_constants(node, module))
            found.append(Place(module.path, node.lineno, "time compared here"))
    return list(dict.fromkeys(found))[:4]


def _counts_processes(node: ast.For, module: Module) -> bool:
    """`for i in range(LIMIT): subprocess.run(...)`."""
    if not isinstance(node.iter, ast.Call) or module.dotted(node.iter.func) != "range":
        return False
    names = [module.dotted(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)]
    return any(name.startswith(("subprocess.", "os.system", "os.popen")) for name in names)


def _reads_clock(node: ast.Compare, module: Module) -> bool:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and module.dotted(inner.func) in _CLOCKS:
            return True
        if isinstance(inner, ast.Name):
            for definition in module.lookup(inner.id, inner):
                if definition.value is not None and any(
                    isinstance(n, ast.Call) and module.dotted(n.func) in _CLOCKS for n in ast.walk(definition.value)
                ):
                    return True
    return False


def _constants(node: ast.Compare, module: Module) -> list[Place]:
    """Where the numbers of a comparison are written down."""
    return [
        Place(module.path, d.node.lineno, f"`{n.id}` is the limit")  # type: ignore[attr-defined]
        for n in ast.walk(node)
        if isinstance(n, ast.Name)
        for d in module.lookup(n.id, n)
        if d.kind == "assign" and isinstance(d.value, ast.Constant)
    ]


def _borrowed_limits(program: Program, cast: Cast, module: Module, found: Findings) -> None:
    """Loop bounds and budgets of trusted code that come from guest code or from a file it can write."""
    for node in module.nodes:
        value: ast.expr | None = None
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Call) and module.dotted(node.iter.func) == "range":
            value = node.iter.args[-1] if node.iter.args else None
        elif isinstance(node, ast.While):
            value = node.test
        elif isinstance(node, ast.Call) and module.dotted(node.func) in _SETTERS and node.args:
            value = node.args[-1]
        elif isinstance(node, ast.Compare) and _reads_clock(node, module):
            value = node
        if value is None:
            continue
        borrowed = _from_guest(program, cast, module, value)
        if borrowed is not None:
            _borrowed(program, module, getattr(node, "lineno", value.lineno), borrowed, found)


def _from_guest(program: Program, cast: Cast, module: Module, value: ast.expr) -> Fact | None:
    """The import from guest code, or the read of a file it can write, that the value is taken from."""
    sliced = cast.slicer.direct(value, module)
    for fact in sliced.of("import", "execute"):
        if any(cast.is_guest(p) or cast.in_area(p) for p in program.paths(fact)) and not sliced.of("spawn"):
            return fact
    for fact in sliced.of("read", "unsafe_load"):
        if not cast.is_guest(fact.module) and any(cast.in_area(p) for p in program.paths(fact)):
            return fact
    return None


def _borrowed(program: Program, module: Module, line: int, fact: Fact, found: Findings) -> None:
    uses = [Place(module.path, line, "used as a limit here"), Place(fact.module, fact.line, "taken over here")]
    for path in program.paths(fact):
        other = program.modules.get(path)
        for node in other.nodes if other is not None else ():
            if _is_constant(node) and re.search(rf"\b{re.escape(_name(node))}\b", _around(module, line, fact)):
                why = "a trusted limit takes its value from guest code"
                found.add("limit-in-guest", path, getattr(node, "lineno", 1), why, uses)
                return
    why = f"the limit is read from `{program.paths(fact)[0]}`, which the guest can write"
    found.add("limit-in-guest", module.path, line, why, uses)


def _is_constant(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and bool(_name(node))


def _name(node: ast.AST) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    return target.id if isinstance(target, ast.Name) else ""


def _around(module: Module, line: int, fact: Fact) -> str:
    """The lines that use and import the limit, and those that define the names on them."""
    text = module.text.split("\n")
    shown = [text[line - 1], text[fact.line - 1] if fact.module == module.path else ""]
    for name in re.findall(r"[A-Za-z_]\w*", text[line - 1]):
        definitions = module.definitions.get((module.tree, name), [])
        shown += [text[getattr(d.node, "lineno", 1) - 1] for d in definitions]
    return "\n".join(shown)


# network and tests --------------------------------------------------------------------------------


def _network(spawn: Spawn, found: Findings) -> bool:
    """Containers and sandboxes that could close the network. True: this process is in one, and the line is judged."""
    words = spawn.command()
    line = " ".join(words)
    opened = {
        "docker": not re.search(r"--net(work)?[= ]none", line),
        "podman": not re.search(r"--net(work)?[= ]none", line),
        "nerdctl": not re.search(r"--net(work)?[= ]none", line),
        "bwrap": not ("--unshare-net" in words or ("--unshare-all" in words and "--share-net" not in words)),
        "firejail": "--net=none" not in words,
        "unshare": not re.search(r"(^| )(--net|-[a-zA-Z]*n)( |=|$)", line),
        "systemd-run": "PrivateNetwork=yes" not in line,
        "nsjail": "--disable_clone_newnet" in words or "-N" in words,
    }
    if not words or words[0] not in opened:
        return False
    if opened[words[0]] and (words[0] not in {"docker", "podman", "nerdctl"} or {"run", "create"} & set(words)):
        found.add("network-open", spawn.module, spawn.line, f"`{words[0]}` could close the network, and is not told to")
    return True


def _network_use(program: Program, cast: Cast, spawn: Spawn, found: Findings) -> None:
    """Guest code that talks to the network, in a process that nothing keeps from it."""
    for path in sorted(program.process_modules(spawn)):
        module = program.modules.get(path)
        if module is None or not cast.is_guest(path):
            continue
        for call in module.calls:
            if _NETWORK.match(module.dotted(call.func)):
                why = f"guest code uses the network, which nothing closes where {spawn.module}:{spawn.line} starts it"
                places = [Place(spawn.module, spawn.line, "started here")]
                found.add("network-open", path, call.lineno, why, places, Severity.MEDIUM)


def _tests(program: Program, cast: Cast, spawn: Spawn, found: Findings) -> None:
    certain = bool(cast.certain)
    if not cast.is_test_run(spawn) or not any(
        cast.in_area(f, certain=certain) for f in _collected(program, cast, spawn)
    ):
        return
    places = [
        Place(path, 1, "collected by the test runner")
        for path in sorted(program.tree.names)
        if cast.in_area(path, certain=certain) and not cast.is_guest(path) and _steers_tests(program, path)
    ][:6]
    why = "the test runner collects tests, `conftest.py` and its settings from where the guest can write"
    found.add("tests-in-workspace", spawn.module, spawn.line, why, places)
    here = [Place(spawn.module, spawn.line, "the tests are run here")]
    for place in places:
        found.add("tests-in-workspace", place.file, place.line, "the guest can rewrite it, and the tests decide", here)


def _collected(program: Program, cast: Cast, spawn: Spawn) -> list[str]:
    """Folders and files that the test runner is pointed at; its working directory where it is pointed at none."""
    tree = program.tree
    base = (program.cwd(spawn) or ["."])[0]
    words = [text for texts in spawn.argv[1:] for text in texts if not text.startswith("-")]
    where = [program.locate(text, spawn.module, base) for text in words]
    named = [w for w in where if w in tree.names or w in tree.folders or ("/" in w and cast.in_area(w))]
    return named or [base]


def _steers_tests(program: Program, path: str) -> bool:
    return posixpath.basename(path) in _CONFIGURED or _has_tests(program, path)


def _has_tests(program: Program, path: str) -> bool:
    """Functions that a test runner collects, or assertions within a class of tests."""
    module = program.modules.get(path)
    if module is None:
        return False
    return any(name.startswith("test") for name in module.functions)
