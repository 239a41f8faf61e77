"""Processes that a program starts: which words, where, with which environment, under which limit."""

from __future__ import annotations

import ast
import shlex
from itertools import pairwise

from subcritical.loop.doctor._facts import SECRET, Spawn, argument
from subcritical.loop.doctor._index import Index, Module
from subcritical.loop.doctor._texts import MAX_VALUES, argument_for
from subcritical.loop.doctor._values import Values

_CALLS = frozenset(
    [
        "subprocess.run",
        "subprocess.Popen",
        "subprocess.call",
        "subprocess.check_call",
        "subprocess.check_output",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "os.system",
        "os.popen",
        "asyncio.create_subprocess_exec",
        "asyncio.create_subprocess_shell",
        "asyncio.subprocess.create_subprocess_exec",
        "pty.spawn",
        "pexpect.spawn",
        "pexpect.run",
        "sh.Command",
    ]
)
_EXEC = frozenset(
    [
        "os.execv",
        "os.execve",
        "os.execvp",
        "os.execvpe",
        "os.execl",
        "os.execlp",
        "os.posix_spawn",
        "os.spawnv",
        "os.spawnvp",
    ]
)
_STDOUT = frozenset(["subprocess.check_output", "subprocess.getoutput", "os.popen", "pexpect.run"])
_CODE = frozenset(["subprocess.call", "os.system", "os.spawnv", "os.spawnvp"])
_MAX_WORDS = 60
_MAX_DEPTH = 6
Given = tuple[str, str]
"""How much of the environment a process gets, and by what."""
CONTAINERS = frozenset({"docker", "podman", "nerdctl", "bwrap"})


def extract_spawns(module: Module, values: Values) -> list[Spawn]:
    """Every process start of the module."""
    found = []
    for call in module.calls:
        name = module.dotted(call.func)
        if name in _CALLS or name in _EXEC:
            found.append(_spawn(name, call, module, values))
        elif name.startswith("?.") and name.endswith((".run", ".create")) and _is_container(call):
            found.append(_container(call, module, values))
    return found


def result_channel(name: str) -> str:
    """What the value of the call itself is: its output, its exit code, or an object with both."""
    return "stdout" if name in _STDOUT else "returncode" if name in _CODE else ""


def _spawn(name: str, call: ast.Call, module: Module, values: Values) -> Spawn:
    if name in _EXEC or name.endswith("subprocess_exec"):
        spread = name.endswith("subprocess_exec")
        first = ast.List(elts=list(call.args), ctx=ast.Load()) if spread else argument(call, 1, "argv", "args")
    else:
        first = argument(call, 0, "args", "cmd", "command")
    argv = _words(first, module, values, 0)
    keywords = {k.arg: k.value for k in call.keywords}
    env, why = _environment(keywords.get("env"), module, values.index)
    timeout = keywords.get("timeout") or _later_timeout(call, module)
    spawn = Spawn(
        kind="spawn",
        module=module.path,
        line=call.lineno,
        node=call,
        detail=name,
        argv=argv,
        cwd=values.texts(keywords["cwd"], module) if "cwd" in keywords and not _none(keywords["cwd"]) else (),
        env=env,
        env_why=why,
        timeout=timeout,
        checked=name.endswith(("check_call", "check_output")) or _is_true(keywords.get("check")),
    )
    _through_words(spawn)
    return spawn


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _later_timeout(call: ast.Call, module: Module) -> ast.expr | None:
    """`p.wait(timeout=...)`, `p.communicate(timeout=...)`, `asyncio.wait_for(..., t)` in the same function."""
    scope = module.scope(call)
    for other in module.calls:
        if module.scope(other) is not scope:
            continue
        method = other.func.attr if isinstance(other.func, ast.Attribute) else ""
        if method in {"wait", "communicate", "join", "wait_for"}:
            timeout = argument(other, 1 if method == "wait_for" else 99, "timeout")
            if timeout is not None and not _none(timeout):
                return timeout
    return None


def _words(node: ast.expr | None, module: Module, values: Values, depth: int) -> list[tuple[str, ...]]:
    if node is None or depth > _MAX_DEPTH:
        return []
    if isinstance(node, ast.List | ast.Tuple):
        found: list[tuple[str, ...]] = []
        for element in node.elts[:_MAX_WORDS]:
            if isinstance(element, ast.Starred):
                found.extend(_words(element.value, module, values, depth + 1))
            else:
                found.append(values.texts(element, module))
        return found
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and not _is_text(node, module):
        return _words(node.left, module, values, depth + 1) + _words(node.right, module, values, depth + 1)
    if isinstance(node, ast.Name):
        return _named_words(node, module, values, depth)
    if isinstance(node, ast.Call) and module.dotted(node.func) in {"shlex.split", "list", "tuple"} and node.args:
        return _words(node.args[0], module, values, depth + 1)
    return split_command(values.texts(node, module)[0])


def _is_text(node: ast.expr, module: Module) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_text(node.left, module) or _is_text(node.right, module)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _named_words(node: ast.Name, module: Module, values: Values, depth: int) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for definition in module.lookup(node.id, node)[:MAX_VALUES]:
        if definition.kind == "parameter":
            for caller, call in values.index.callers.get(definition.node, [])[:1]:
                given = argument_for(definition.node, node.id, call)
                found.extend(_words(given, caller, values, depth + 1) if given is not None else [])
        elif definition.value is not None and definition.kind in {"assign", "mutation", "loop"}:
            listed = isinstance(definition.value, ast.List | ast.Tuple | ast.BinOp | ast.Name | ast.Call)
            if definition.kind == "mutation" and not listed:
                found.append(values.texts(definition.value, module))
            else:
                found.extend(_words(definition.value, module, values, depth + 1))
    return found[:_MAX_WORDS] or [values.texts(node, module)]


def split_command(text: str) -> list[tuple[str, ...]]:
    """Words of a shell command; unbalanced quotes fall back to blanks."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    return [(word,) for word in words[:_MAX_WORDS]]


def _environment(node: ast.expr | None, module: Module, index: Index, depth: int = 0) -> Given:
    """How much of our environment the child gets, and by what."""
    if node is None or _none(node):
        return "inherited", "no `env=` is given"
    if depth > _MAX_DEPTH:
        return "explicit", ""
    if isinstance(node, ast.Name | ast.Attribute | ast.Call) and (
        named := _named_environment(node, module, index, depth)
    ):
        return named
    if isinstance(node, ast.Dict):
        return _literal_environment(node, module, index, depth)
    if isinstance(node, ast.BinOp):
        left = _environment(node.left, module, index, depth + 1)
        return left if left[0] != "explicit" else _environment(node.right, module, index, depth + 1)
    return "explicit", ""


def _named_environment(node: ast.expr, module: Module, index: Index, depth: int) -> Given | None:
    if isinstance(node, ast.Call):
        return _called_environment(node, module, index, depth)
    if module.dotted(node) == "os.environ":
        return "inherited", "`os.environ` is passed on"
    if not isinstance(node, ast.Name):
        return None
    if _removes(node.id, module):
        return "explicit", "names are removed from a copy"
    results = [
        _environment(d.value, module, index, depth + 1)
        for d in module.lookup(node.id, node)
        if d.kind == "assign" and d.value is not None
    ]
    worst = [r for wanted in ("inherited", "keys", "explicit") for r in results if r[0] == wanted]
    return worst[0] if worst else None


def _called_environment(node: ast.Call, module: Module, index: Index, depth: int) -> Given:
    """`os.environ.copy()`, `dict(os.environ, A="b")`, or a function of the project that makes one."""
    function = node.func
    if isinstance(function, ast.Attribute) and function.attr == "copy":
        return _environment(function.value, module, index, depth + 1)
    if module.dotted(function) in {"dict", "copy.copy", "copy.deepcopy"} and node.args:
        inner = _environment(node.args[0], module, index, depth + 1)
        return inner if inner[0] != "explicit" else _keywords(node)
    for other, entered in index.called(module, node)[:1]:
        for value in other.returns(entered)[:1]:
            return _environment(value, other, index, depth + 1)
    return _keywords(node)


def _keywords(node: ast.Call) -> Given:
    secret = next((k.arg for k in node.keywords if k.arg and SECRET.search(k.arg)), None)
    return ("keys", f"`{secret}` is passed on") if secret else ("explicit", "")


def _removes(name: str, module: Module) -> bool:
    """`env.pop("KEY")` or `del env["KEY"]`: somebody thought about it."""
    for node in module.nodes:
        touched: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"pop", "clear"}:
            touched = [node.func.value]
        elif isinstance(node, ast.Delete):
            touched = [t.value for t in node.targets if isinstance(t, ast.Subscript)]
        if any(isinstance(t, ast.Name) and t.id == name for t in touched):
            return True
    return False


def _literal_environment(node: ast.Dict, module: Module, index: Index, depth: int) -> Given:
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            inner = _environment(value, module, index, depth + 1)
            if inner[0] != "explicit":
                return inner
            continue
        name = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
        if SECRET.search(name) and not isinstance(value, ast.Constant):
            return "keys", f"`{name}` is passed on"
    return "explicit", ""


def _through_words(spawn: Spawn) -> None:
    """`env -i`, `timeout 60`, `docker run -e KEY`: limits and environments that stand in the command itself."""
    words = spawn.words()
    program = words[0].rsplit("/", 1)[-1] if words else ""
    if program in {"timeout", "gtimeout"} or "timeout" in words[:4]:
        spawn.limited = True
    if program == "env" and words[1:2] in (["-i"], ["-"], ["--ignore-environment"]):
        spawn.env, spawn.env_why = "cleared", "env -i"
    if program == "bwrap" and "--clearenv" in words:
        spawn.env, spawn.env_why = "cleared", "--clearenv"
    if spawn.command()[:1] and spawn.command()[0] in CONTAINERS - {"bwrap"}:
        spawn.env, spawn.env_why = "cleared", "a container starts with its own environment"
        for flag, value in pairwise(words):
            if (flag in {"-e", "--env"} and SECRET.search(value.split("=")[0])) or flag == "--env-file":
                spawn.env, spawn.env_why = "keys", f"`{flag} {value.split('=')[0]}` passes it into the container"


def mounts(spawn: Spawn) -> list[tuple[str, str, bool]] | None:
    """(host path, path inside, writable) of a container or sandbox command; None where it is neither."""
    words = spawn.command()
    if not words or words[0] not in CONTAINERS:
        return None
    found: list[tuple[str, str, bool]] = []
    for position, (flag, value) in enumerate(pairwise(words)):
        if flag in {"-v", "--volume"}:
            found.append(_volume(value))
        elif flag.startswith(("-v=", "--volume=")):
            found.append(_volume(flag.split("=", 1)[1]))
        elif flag == "--mount" and "type=bind" in value:
            given = dict(part.partition("=")[::2] for part in value.split(","))
            source = given.get("source", given.get("src", ""))
            target = given.get("target", given.get("dst", given.get("destination", "")))
            found.append((source, target, not {"readonly", "ro"} & set(given)))
        elif flag in {"--bind", "--dev-bind", "--ro-bind"} and position + 2 < len(words):
            found.append((value, words[position + 2], flag != "--ro-bind"))
    return found


def _volume(text: str) -> tuple[str, str, bool]:
    source, _, rest = text.partition(":/")
    target, _, mode = rest.partition(":")
    return source, f"/{target}", "ro" not in mode.split(",")


def _is_container(call: ast.Call) -> bool:
    """`client.containers.run(...)` of the Docker client: recognised by its receiver, which is that library's name."""
    base = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(base, ast.Attribute) and base.attr == "containers"


def _container(call: ast.Call, module: Module, values: Values) -> Spawn:
    """A container as the command line that would start it, so that one set of rules reads both."""
    keywords = {k.arg: k.value for k in call.keywords}
    argv: list[tuple[str, ...]] = [("docker",), ("run",)]
    mode = keywords.get("network_mode") or keywords.get("network")
    if mode is not None:
        argv += [("--network",), values.texts(mode, module)]
    elif _is_true(keywords.get("network_disabled")):
        argv += [("--network",), ("none",)]
    argv += _volumes(keywords.get("volumes"), module, values)
    env, why = (
        _environment(keywords["environment"], module, values.index)
        if "environment" in keywords
        else ("cleared", "container")
    )
    argv.append(values.texts(argument(call, 0, "image"), module))
    command = argument(call, 1, "command")
    argv += _words(command, module, values, 0)
    return Spawn(
        kind="spawn", module=module.path, line=call.lineno, node=call, detail="docker", argv=argv, env=env, env_why=why
    )


def _volumes(node: ast.expr | None, module: Module, values: Values) -> list[tuple[str, ...]]:
    if isinstance(node, ast.Name):
        node = next((d.value for d in module.lookup(node.id, node) if isinstance(d.value, ast.Dict)), None)
    if not isinstance(node, ast.Dict):
        return []
    found: list[tuple[str, ...]] = []
    for key, value in zip(node.keys, node.values, strict=True):
        if key is not None:
            mode = "ro" if "'ro'" in ast.unparse(value) else "rw"
            found += [("-v",), (f"{values.texts(key, module)[0]}:/mounted:{mode}",)]
    return found
