"""What the shim of one sandbox is told: limits, rules, filter, environment, payload."""

from __future__ import annotations

import os
import resource
from pathlib import PurePosixPath
from typing import Any

from subcritical.errors import ContainmentError
from subcritical.sandbox import _scan, _seccomp, _stage
from subcritical.sandbox.spec import ExecPayload, Rung, SandboxSpec

OWN_PROCESSES = 2
"""Bubblewrap's monitor and the init of the process namespace, which count against no limit of the payload."""

_ADDRESS_SPACE_EXTRA = 1 << 30


def shim_order(
    spec: SandboxSpec,
    interpreter: _stage.Interpreter,
    *,
    rung: Rung,
    uid: int | None,
    on_host: str | None,
    without: frozenset[str],
) -> dict[str, Any]:
    """The order for `_shim`.

    Args:
        spec: The sandbox.
        interpreter: Where its Python and its packages are.
        rung: The rung it runs on.
        uid: The host user it runs as, None for our own.
        on_host: Its workspace on the host where there is no mount namespace, else None.
        without: Guards left out, for tests that plant a failure.

    Raises:
        ContainmentError: The filter does not know this processor.
    """
    workdir = on_host or str(PurePosixPath(spec.workdir))
    rules = None
    if "landlock" not in without:
        rules = _stage.landlock_rules(spec, interpreter, on_host=on_host)
        if "mount_namespace" in without:
            rules.append(("/host", "read"))
    program = b""
    if "seccomp" not in without:
        program = _seccomp.build_filter(
            namespaces=rung is not Rung.R3, own_uid=uid is not None, grouped=rung is Rung.R1
        )
        if not program:
            raise ContainmentError("the system-call filter does not know this processor; no rung can be had")
    return {
        "close_fds": "close_fds" not in without,
        "keep": list(spec.pass_fds),
        "rlimits": _rlimits(spec, rung=rung, uid=uid, without=without),
        "dead_man": rung is Rung.R3 and "dead_man" not in without,
        "workdir": workdir,
        "rules": rules,
        "filter": program,
        "files": list(spec.files.items()),
        "clear_environment": "clear_environment" not in without,
        "env": _environment(spec, interpreter, workdir=workdir, on_host=on_host is not None),
        "payload": _payload(spec, interpreter),
    }


def _payload(spec: SandboxSpec, interpreter: _stage.Interpreter) -> tuple[Any, ...]:
    if isinstance(spec.payload, ExecPayload):
        return ("exec", list(spec.payload.argv))
    paths = [*spec.payload.paths, *interpreter.site_packages]
    return ("python", str(spec.payload.script), list(spec.payload.argv), paths)


def _environment(spec: SandboxSpec, interpreter: _stage.Interpreter, *, workdir: str, on_host: bool) -> dict[str, str]:
    places = [f"{place}/bin" for place in reversed(interpreter.places)]
    path = ":".join(dict.fromkeys([*places, "/usr/local/bin", "/usr/bin", "/bin"]))
    temporary = workdir if on_host else "/tmp"  # noqa: S108 - the sandbox's own
    return {"PATH": path, "HOME": workdir, "LANG": "C.UTF-8", "TMPDIR": temporary, **spec.env}


def _rlimits(spec: SandboxSpec, *, rung: Rung, uid: int | None, without: frozenset[str]) -> dict[int, tuple[int, int]]:
    """Limits per process; on R1 the control group holds memory and processes for all of them together.

    The data segment bounds what a process can really fill; the address space gets room on top,
    because numeric libraries reserve far more than they use.
    """
    limits = spec.limits
    cpu = max(1, int(-(-limits.cpu_s // 1)))
    chosen = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_CPU: (cpu, cpu + 1),
        resource.RLIMIT_NOFILE: (limits.open_files, limits.open_files),
    }
    if "disk_limit" not in without:
        chosen[resource.RLIMIT_FSIZE] = (limits.disk_bytes, limits.disk_bytes)
    if rung is Rung.R1:
        return chosen
    if "memory_limit" not in without:
        space = limits.memory_bytes + _ADDRESS_SPACE_EXTRA
        chosen[resource.RLIMIT_DATA] = (limits.memory_bytes, limits.memory_bytes)
        chosen[resource.RLIMIT_AS] = (space, space)
    if "process_limit" not in without:
        # Counted per user and user namespace: on R2 and as root that is this sandbox alone.
        others = _scan.count_threads(os.getuid()) if rung is Rung.R3 and uid is None else OWN_PROCESSES
        chosen[resource.RLIMIT_NPROC] = (limits.processes + others, limits.processes + others)
    return chosen
