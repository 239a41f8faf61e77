"""What a payload gets to see: which places of the host, how, and with which Landlock rules."""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from subcritical.errors import ContainmentError
from subcritical.sandbox.spec import PAYLOAD_UID, SOCKET_INSIDE, SandboxSpec

SHIM_INSIDE = "/run/subcritical/shim.pyc"
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_TOP = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/mime.types", "/etc/ssl/certs")
# Facts about the machine that do not change while it runs. Left out: load, CPU time, memory and
# uptime of the machine, by which one sandbox could hear another work; and the directories of
# processes, whose mount tables name places of the host.
_PROC = (
    "/proc/cpuinfo",
    "/proc/version",
    "/proc/filesystems",
    "/proc/sys/kernel",
    "/proc/sys/vm",
)
_TEXTS = (
    ("/etc/passwd", f"guest:x:{PAYLOAD_UID}:{PAYLOAD_UID}::/workspace:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"),
    ("/etc/group", f"guest:x:{PAYLOAD_UID}:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
)

_OWN = ("/tmp", "/dev/shm")  # noqa: S108 - the sandbox's own

LandlockRules = list[tuple[str, str]]


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """The Python that runs sandboxes: the supervisor's own, so that its installed packages fit."""

    executable: str
    places: tuple[str, ...]
    site_packages: tuple[str, ...]


def find_interpreter() -> Interpreter:
    """The running interpreter, the directories it needs, and where its packages are.

    Raises:
        ContainmentError: The interpreter is installed at the root of the file system, so that
            nothing less than everything could be shown.
    """
    site = tuple(entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"})
    wanted = [sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix, *site]
    executable = os.path.realpath(sys.executable)
    wanted.append(str(Path(executable).parent))
    places: list[str] = []
    for place in sorted({os.path.abspath(entry) for entry in wanted}, key=len):
        if place == "/":
            raise ContainmentError("Python is installed at /; use a virtual environment or another installation")
        if not any(_covers(known, place) for known in ("/usr", *places)):
            places.append(place)
    return Interpreter(executable=executable, places=tuple(places), site_packages=site)


def _covers(above: str, place: str) -> bool:
    return place == above or place.startswith(above.rstrip("/") + "/")


def compiled_shim() -> bytes:
    """The shim as bytes of a .pyc file: compiling it at each start would cost more than it does."""
    path = Path(__file__).with_name("_shim.py")
    code = compile(path.read_bytes(), "shim", "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def landlock_rules(spec: SandboxSpec, interpreter: Interpreter, *, on_host: str | None) -> LandlockRules:
    """Rules for one sandbox: (path, `read` `write` or `device`).

    Args:
        spec: The sandbox.
        interpreter: What its Python needs.
        on_host: The workspace on the host where there is no mount namespace, else None.
    """
    readable = ["/usr", *_TOP, *_ETC, *interpreter.places, *_PROC, *(inside for _, inside in spec.read_only)]
    if on_host is None:
        readable += [place for place, _ in _TEXTS]
        writable = [spec.workdir, "/tmp", "/dev/shm"]  # noqa: S108 - the sandbox's own
    else:
        readable += ["/etc/passwd", "/etc/group", "/etc/hosts", "/etc/nsswitch.conf"]
        writable = [on_host]
    return [
        *((place, "read") for place in readable),
        *((place, "write") for place in writable),
        *((place, "device") for place in _DEVICES),
    ]


def plan_base(interpreter: Interpreter, shim: bytes, *, root: Path, without: frozenset[str]) -> dict[str, Any]:
    """The order for `_spawner._build_base`: what every sandbox of a run sees.

    Args:
        interpreter: What its Python needs.
        shim: Bytes of the compiled shim.
        root: An empty directory; the tree is mounted there in a namespace of its own.
        without: Guards left out, for tests that plant a failure.
    """
    links, read_only = [], [("/usr", "/usr")]
    for place in _TOP:
        if os.path.islink(place):
            links.append((place, os.readlink(place)))
        elif Path(place).is_dir():
            read_only.append((place, place))
    read_only += [(place, place) for place in (*_ETC, *interpreter.places) if os.path.exists(place)]
    if "mount_namespace" in without:
        read_only.append(("/", "/host"))
    return {
        "root": str(root),
        "links": links,
        "texts": [*((place, text.encode()) for place, text in _TEXTS), (SHIM_INSIDE, shim)],
        # What lies below a place that each sandbox mounts for itself has to be mounted after it.
        "read_only": [bind for bind in _outer_first(read_only) if not _is_late(bind)],
        "late": [bind for bind in _outer_first(read_only) if _is_late(bind)],
        "devices": [place for place in _DEVICES if os.path.exists(place)],
    }


def plan_tree(
    spec: SandboxSpec, base: dict[str, Any], *, socket: Path | None, without: frozenset[str]
) -> dict[str, Any]:
    """The order for `_spawner._finish_tree`: the mounts that one sandbox adds.

    Args:
        spec: The sandbox.
        base: The plan of what is there already.
        socket: Our relay's socket, or None.
        without: Guards left out, for tests that plant a failure.
    """
    wanted = []
    for source, inside in spec.read_only:
        if not source.exists():
            raise ContainmentError(f"{spec.name}: read-only path {source} does not exist")
        if spec.workspace is not None and _covers(spec.workdir, inside):
            raise ContainmentError(f"{spec.name}: {inside} lies in the workspace {spec.workdir}; grant it elsewhere")
        wanted.append((str(source.resolve()), str(PurePosixPath(inside))))
    if spec.workspace is not None and not spec.workspace.is_dir():
        raise ContainmentError(f"{spec.name}: workspace {spec.workspace} is no directory")
    shown = [*base["read_only"], *base["late"], *wanted]
    return {
        "read_only": [bind for bind in _outer_first(shown) if bind not in base["read_only"]],
        "sockets": [] if socket is None else [(str(socket), SOCKET_INSIDE)],
        "workdir": str(PurePosixPath(spec.workdir)),
        "workspace": None if spec.workspace is None else str(spec.workspace.resolve()),
        "disk_bytes": 0 if "disk_limit" in without else spec.limits.disk_bytes,
        "inodes": 0 if "inode_limit" in without else spec.limits.inodes,
    }


def _is_late(bind: tuple[str, str]) -> bool:
    return any(_covers(place, bind[1]) for place in _OWN)


def _outer_first(binds: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A bind below another one must come after it; one that its outer bind already shows is dropped.

    What is left below an outer bind is mounted on a read-only place, so its mount point has to
    exist there.
    """
    kept: list[tuple[str, str]] = []
    for source, inside in sorted(dict.fromkeys(binds), key=lambda bind: (len(bind[1]), bind[1])):
        shown = any(
            _covers(outer, inside) and source == above.rstrip("/") + inside[len(outer.rstrip("/")) :]
            for above, outer in kept
        )
        if not shown:
            kept.append((source, inside))
    return kept


def bubblewrap_arguments(
    bubblewrap: str,
    *,
    root: Path,
    workdir: str,
    status: int,
    without: frozenset[str],
) -> list[str]:
    """The command line of bubblewrap up to and including `--`.

    The tree at `root` is complete and its mounts carry their flags, so bubblewrap binds it as it
    is; `--dev-bind` only means that it does not take the five device files away again.
    """
    namespaces = ["--unshare-user", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"]
    for guard, option in (("pid_namespace", "--unshare-pid"), ("network_namespace", "--unshare-net")):
        if guard not in without:
            namespaces.append(option)
    if "nested_namespaces" not in without:
        namespaces.append("--disable-userns")
    if "dead_man" not in without:
        namespaces.append("--die-with-parent")
    if "clear_environment" not in without:
        namespaces += ["--clearenv", "--setenv", "LANG", "C.UTF-8"]
    return [
        bubblewrap,
        *namespaces,
        *("--cap-drop", "ALL", "--new-session", "--hostname", "sandbox"),
        *("--uid", str(PAYLOAD_UID), "--gid", str(PAYLOAD_UID)),
        *("--dev-bind", str(root), "/", "--proc", "/proc", "--chdir", workdir),
        *("--json-status-fd", str(status), "--"),
    ]
