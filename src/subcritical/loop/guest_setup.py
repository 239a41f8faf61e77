"""From the loop file to a guest: its program, its limits, and how it is started on a version."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from subcritical.clock import Clock
from subcritical.errors import ConfigError
from subcritical.loop.evaluation.pair import Watch
from subcritical.loop.guest import GenerationGuest, Guest, GuestSpec, SessionGuest, guest_limits
from subcritical.loop.guests import GUESTS
from subcritical.loop.loopfile import Loop, SocketOnly
from subcritical.loop.options import RunOptions
from subcritical.sandbox import CollectLimits, Containment, ExecPayload, PythonPayload, SandboxSpec
from subcritical.yaml_source import seconds, size_bytes


def guest_starter(
    loop: Loop, containment: Containment, options: RunOptions, clock: Clock
) -> Callable[[Mapping[str, bytes], Mapping[str, Any], Watch], Guest]:
    """What starts the guest on the files of a version; each start has a name of its own."""
    settings = loop.settings
    limits = settings.limits
    payload, read_only = _payload(loop, options)
    socket = loop.resolve(limits.network.socket) if isinstance(limits.network, SocketOnly) else None

    count = 0

    def start(files: Mapping[str, bytes], hello: Mapping[str, Any], watch: Watch) -> Guest:
        nonlocal count
        count += 1
        spec = SandboxSpec(
            name=f"guest-{count}",
            payload=payload,
            limits=guest_limits(
                memory=size_bytes(limits.memory),
                processes=limits.processes,
                disk=size_bytes(limits.disk),
                inodes=limits.inodes,
                cpu_s=seconds(limits.cpu),
                output=size_bytes(limits.output),
            ),
            read_only=read_only,
            env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **settings.guest.env},
            socket=socket,
        )
        guest = GuestSpec(
            spec=spec,
            timeout_s=seconds(limits.proposal_timeout),
            collect_limits=CollectLimits(entries=limits.inodes, total_bytes=size_bytes(limits.disk)),
        )
        kind = SessionGuest if settings.guest.mode == "session" else GenerationGuest
        return kind(containment, guest, files, hello, clock, watch)

    return start


def _payload(loop: Loop, options: RunOptions) -> tuple[PythonPayload | ExecPayload, tuple[tuple[Path, str], ...]]:
    guest = loop.settings.guest
    seed = guest.seed if options.seed is None else options.seed
    if guest.kind != "command":
        script = GUESTS[guest.kind]
        folder = script.parent
        payload = PythonPayload(script=script, argv=("--seed", str(seed), *guest.arguments), paths=(str(folder),))
        return payload, ((folder, str(folder)),)
    argv, read_only = list(guest.run), []
    for position, word in enumerate(argv):
        beside, inside = loop.directory / word, loop.resolve(loop.settings.workspace) / word
        if "/" not in word.strip("./") and not inside.exists() and beside.is_file():
            read_only.append((beside.resolve(), str(beside.resolve())))
            argv[position] = str(beside.resolve())
    if argv[0] in {"python", "python3"}:
        argv[0] = os.path.abspath(sys.executable)  # noqa: PTH100 - resolving would leave the virtual environment
    elif not argv[0].startswith("/"):
        found = shutil.which(argv[0])
        if found is None:
            raise ConfigError(f"guest.run: no program `{argv[0]}` on this machine", path=str(loop.path))
        argv[0] = os.path.realpath(found)
    return ExecPayload(argv=(*argv, *guest.arguments)), tuple(read_only)
