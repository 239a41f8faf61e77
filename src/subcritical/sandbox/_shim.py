"""First program inside a sandbox: gives its own powers away for good, then runs the payload.

It stands alone (nothing of ours is importable inside) and is started as `python -I -S -B shim N`,
where N is the descriptor of the control channel. It imports as little as it can, because every
import is part of the start of every sandbox. The order matters: descriptors, limits, Landlock,
no_new_privs, seccomp; only then is the first payload byte looked at.

What it does not protect: it runs as the payload's own user, so everything it could do before the
restrictions, a payload could have done too. That is why the namespaces are made outside of it.
"""

from __future__ import annotations

import _ctypes
import _signal  # type: ignore[import-not-found]  # `signal` itself takes half of a start
import errno
import marshal
import os
import resource
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_RULESET_VERSION = 1
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2

# Bits of LANDLOCK_ACCESS_FS_*: execute, write_file, read_file, read_dir, then 9 that change directories.
_READ = (1 << 0) | (1 << 2) | (1 << 3)
_FILE_ONLY = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 14) | (1 << 15)
_FS_BITS_BY_ABI = (0, 13, 14, 15, 15, 16)
_NETWORK_SINCE, _SCOPES_SINCE = 4, 6
_SHIM_FAILED = 125

_FIRST_BYTE = bytes.__basicsize__ - 1  # where the content of a bytes object begins


def _call(what: str, function: str, *arguments: int | bytes | None) -> int:
    """Call a function of the C library; bytes go as pointers, None as the null pointer, numbers as ints.

    This is the core of `ctypes` without `ctypes`, whose import takes as long as half of Python's
    own start. Only a failure pays for it: there the call is repeated to learn the error number.
    """
    library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None is this program itself
    result: int = _ctypes.call_function(_ctypes.dlsym(library, function), arguments)
    if result >= 0:
        return result
    import ctypes

    ctypes.set_errno(0)
    ctypes.CDLL(None, use_errno=True)[function](*arguments)
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


def _read_exactly(channel: int, count: int) -> bytes:
    parts = []
    while count:
        part = os.read(channel, min(count, 1 << 20))
        if not part:
            raise OSError(errno.EPIPE, "the supervisor hung up")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _close_others(keep: set[int]) -> None:
    low = 3
    for number in sorted(keep):
        if low < number:
            os.closerange(low, number)
        low = number + 1
    os.closerange(low, max(low, resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1 << 16))


def _restrict_files(rules: list[tuple[str, str]]) -> None:
    """Apply Landlock with every right of the kernel's ABI: what is not granted by a rule is refused."""
    abi = _call("Landlock", "syscall", _CREATE_RULESET, None, 0, _RULESET_VERSION)
    everything = (1 << _FS_BITS_BY_ABI[min(abi, len(_FS_BITS_BY_ABI) - 1)]) - 1
    attributes = everything.to_bytes(8, "little")
    if abi >= _NETWORK_SINCE:
        attributes += (3).to_bytes(8, "little")
    if abi >= _SCOPES_SINCE:
        attributes += (3).to_bytes(8, "little")
    ruleset = _call("Landlock ruleset", "syscall", _CREATE_RULESET, attributes, len(attributes), 0)
    for path, access in rules:
        rights = everything if access == "write" else _READ
        if access == "device":
            rights = everything & _FILE_ONLY & ~1
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if not os.stat(place).st_mode & 0o040000:
            rights &= _FILE_ONLY
        rule = (rights & everything).to_bytes(8, "little") + place.to_bytes(4, "little")
        _call(f"Landlock rule for {path}", "syscall", _ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
        os.close(place)
    _call("no_new_privs", "prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("Landlock restrict_self", "syscall", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _restrict_calls(program: bytes) -> None:
    """Load the system-call filter. Last, so that it need not allow Landlock's own calls."""
    _call("no_new_privs", "prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    address = id(program) + _FIRST_BYTE
    header = (len(program) // 8).to_bytes(8, "little") + address.to_bytes(8, "little")
    _call("seccomp", "prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0)


def _write_files(workdir: str, files: list[tuple[str, bytes]]) -> None:
    for relative, content in files:
        directory = os.open(workdir, os.O_RDONLY | os.O_DIRECTORY)
        *parents, name = relative.split("/")
        for parent in parents:
            try:
                os.mkdir(parent, 0o755, dir_fd=directory)
            except FileExistsError:
                pass
            below = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            os.close(directory)
            directory = below
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        handle = os.open(name, flags, 0o644, dir_fd=directory)
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        os.close(handle)
        os.close(directory)


def _prepare(channel: int) -> dict[str, Any]:
    order: dict[str, Any] = marshal.loads(_read_exactly(channel, int.from_bytes(_read_exactly(channel, 8), "little")))
    if order["close_fds"]:
        _close_others({*order["keep"], channel})
    for number in order["keep"]:
        os.set_inheritable(number, True)
    os.set_inheritable(channel, False)
    os.umask(0o022)
    for which, (soft, hard) in order["rlimits"].items():
        ceiling = resource.getrlimit(which)[1]
        if ceiling == resource.RLIM_INFINITY:
            ceiling = hard
        resource.setrlimit(which, (min(soft, ceiling), min(hard, ceiling)))
    if order["dead_man"]:
        _call("parent death signal", "prctl", _PR_SET_PDEATHSIG, _signal.SIGKILL, 0, 0, 0)
    os.chdir(order["workdir"])
    if order["rules"] is not None:
        _restrict_files(order["rules"])
    if order["filter"]:
        _restrict_calls(order["filter"])
    _write_files(order["workdir"], order["files"])
    if order["clear_environment"]:
        os.environ.clear()
    os.environ.update(order["env"])
    return order


def _run_program(argv: list[str]) -> NoReturn:
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        os._exit(127 if error.errno == errno.ENOENT else 126)


def _run_python(script: str, argv: list[str], paths: list[str]) -> None:
    import _sitebuiltins
    import builtins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    sys.path.extend(paths)
    sys.argv[:] = [script, *argv]
    main = type(sys)("__main__")
    main.__file__ = script
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    try:
        with open(script, "rb") as source:
            code = compile(source.read(), script, "exec", dont_inherit=True)
        exec(code, main.__dict__)  # noqa: S102 - that is what a sandbox is for
    except SystemExit:
        raise
    except BaseException as error:  # the payload's own failure, shown without our frame
        trace = error.__traceback__
        error.__traceback__ = trace = trace.tb_next if trace else None
        sys.excepthook(type(error), error, trace)
        sys.exit(1)


def _start() -> None:
    channel = int(sys.argv[1])
    try:
        order = _prepare(channel)
        os.write(channel, b"R")
        # The supervisor answers under the lock that also guards a pause: no payload begins after one.
        _read_exactly(channel, 1)
    except BaseException as error:  # reported to the supervisor, which refuses to go on
        os.write(channel, b"E" + f"{type(error).__name__}: {error}"[:2000].encode("utf-8", "replace"))
        os._exit(_SHIM_FAILED)
    os.close(channel)
    payload = order["payload"]
    del order
    if payload[0] == "exec":
        _run_program(payload[1])
    _run_python(*payload[1:])


_start()
