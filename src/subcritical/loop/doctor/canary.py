"""Try it: run a canary in the guest's own sandbox and see which doors open.

Reading code says what could be reached; the canary says what is reached on this machine, on this rung,
with this loop file. It knocks on the producers of the score, the record, the control socket, the
environment, other processes and the network. Two doors must open (its own workspace), or the answer
is not believed: a canary that never sings proves nothing.

Not protected: doors that nobody listed, and holes in the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from subcritical.errors import BlindError
from subcritical.loop.doctor.reading import printable
from subcritical.loop.doctor.records import Diagnosis
from subcritical.loop.loopfile import Loop, SocketOnly
from subcritical.sandbox import Containment, Limits, PythonPayload, SandboxSpec
from subcritical.yaml_source import seconds, size_bytes

Door = Literal["read", "write", "list", "connect", "environment", "network", "processes"]

_SCRIPT = Path(__file__).with_name("canary_guest.py")
_MAX_TARGETS = 200
_EXPECTED_OPEN = "its own workspace"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One door to try. `name` says what lies behind it; `path` is a host path, empty where none is meant."""

    name: str
    action: Door
    path: str = ""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What happened at one door. `detail` is the kernel's word, escaped; not `tried` means that nothing is known."""

    name: str
    action: Door
    path: str
    reached: bool
    detail: str
    tried: bool = True


class CanaryReport(msgspec.Struct, frozen=True, kw_only=True):
    """All attempts on one rung. `reached` holds those that should have failed."""

    rung: str
    attempts: tuple[Attempt, ...]

    @property
    def reached(self) -> tuple[Attempt, ...]:
        """Doors that opened and must not."""
        return tuple(a for a in self.attempts if a.reached and a.name != _EXPECTED_OPEN)

    @property
    def untried(self) -> tuple[Attempt, ...]:
        """Doors of which nothing is known."""
        return tuple(a for a in self.attempts if not a.tried)


def canary_targets(what: Loop | Diagnosis, run_directory: Path | None = None) -> tuple[Target, ...]:
    """Doors to try for a loop file, or for a directory that was examined.

    Args:
        what: The loop, or the diagnosis of a directory (its producers are tried).
        run_directory: Where the run keeps its journal, store and control socket, if it exists already.
    """
    paths = _loop_paths(what) if isinstance(what, Loop) else _producer_paths(what)
    targets: list[Target] = []
    for name, path in paths:
        if path.is_dir():
            targets += [
                Target(name=name, action="list", path=str(path)),
                Target(name=name, action="write", path=str(path)),
            ]
        else:
            targets += [
                Target(name=name, action="read", path=str(path)),
                Target(name=name, action="write", path=str(path)),
            ]
    if run_directory is not None:
        targets += [
            Target(name="run directory", action="list", path=str(run_directory)),
            Target(name="run directory", action="write", path=str(run_directory)),
        ]
        targets += _inside_run(run_directory)
    targets += [
        Target(name="keys in the environment", action="environment"),
        Target(name="network", action="network"),
        Target(name="processes of others", action="processes"),
    ]
    return tuple(dict.fromkeys(targets))[:_MAX_TARGETS]


def canary_spec(loop: Loop | None = None) -> SandboxSpec:
    """A guest's sandbox as `loop` grants it; without one, as the proposed loop file would: nothing granted."""
    if loop is None:
        return SandboxSpec(name="canary", payload=PythonPayload(script=_SCRIPT))
    limits = loop.settings.limits
    network = limits.network
    return SandboxSpec(
        name="canary",
        payload=PythonPayload(script=_SCRIPT),
        limits=Limits(
            memory_bytes=size_bytes(limits.memory),
            processes=limits.processes,
            disk_bytes=size_bytes(limits.disk),
            inodes=limits.inodes,
            cpu_s=seconds(limits.cpu),
            output_bytes=size_bytes(limits.output),
        ),
        env=loop.settings.guest.env,
        socket=loop.resolve(network.socket) if isinstance(network, SocketOnly) else None,
    )


def canary(
    containment: Containment, guest: SandboxSpec, targets: Sequence[Target], *, timeout_s: float = 30.0
) -> CanaryReport:
    """Run the canary in the sandbox that `guest` describes.

    Args:
        containment: Of its own run, or of one that has not started its guest.
        guest: The guest's real specification; its payload and files are replaced, everything else is kept.
        targets: Doors to try, at most 200.
        timeout_s: Seconds to wait for the canary, > 0.

    Raises:
        BlindError: The canary did not finish, said something else, or could not even use its own workspace.
        ContainmentError: The sandbox did not start.
    """
    doors = [
        Target(name=_EXPECTED_OPEN, action="write", path="."),
        Target(name=_EXPECTED_OPEN, action="list", path="."),
        *targets[:_MAX_TARGETS],
    ]
    arguments = (msgspec.json.encode(doors).decode(),)
    spec = msgspec.structs.replace(
        guest,
        name="canary",
        payload=PythonPayload(script=_SCRIPT, argv=arguments),
        files={},
        pass_fds={},
        workspace=None,
        read_only=(*guest.read_only, (_SCRIPT, str(_SCRIPT))),
    )
    sandbox = containment.launch(spec)
    try:
        ended = sandbox.wait(timeout_s)
        output = sandbox.output()
    finally:
        sandbox.close()
    if ended is None or ended.code != 0:
        said = printable(output.stderr.decode(errors="replace")[-300:])
        raise BlindError(f"the canary did not finish, so nothing is known about the sandbox: {said or 'no output'}")
    return CanaryReport(rung=str(containment.rung), attempts=_read(output.stdout, doors))


def _read(data: bytes, doors: Sequence[Target]) -> tuple[Attempt, ...]:
    try:
        attempts = [msgspec.json.decode(line, type=Attempt) for line in data.splitlines()[: len(doors)]]
    except msgspec.DecodeError as error:
        raise BlindError(f"the canary's report is not readable: {error}") from error
    if [(a.name, a.action, a.path) for a in attempts] != [(d.name, d.action, d.path) for d in doors]:
        raise BlindError(
            f"the canary reported on {len(attempts)} of {len(doors)} doors: nothing is known about the rest"
        )
    if not all(a.reached for a in attempts if a.name == _EXPECTED_OPEN):
        raise BlindError("the canary could not use its own workspace, so its failures at other doors prove nothing")
    return tuple(msgspec.structs.replace(a, detail=printable(a.detail)) for a in attempts)


def _loop_paths(loop: Loop) -> list[tuple[str, Path]]:
    settings = loop.settings
    found = [("loop file", loop.path.resolve()), ("project directory", loop.directory)]
    found.append(("workspace original", loop.resolve(settings.workspace)))
    evaluator = loop.resolve(settings.evaluate.run)
    if not evaluator.exists():
        evaluator = loop.resolve(settings.workspace) / settings.evaluate.run
    found.append(("evaluator", evaluator))
    found.append(("public data", loop.resolve(settings.evaluate.public)))
    if settings.evaluate.held_out is not None:
        found.append(("held-out data", loop.resolve(settings.evaluate.held_out)))
    return found


def _producer_paths(diagnosis: Diagnosis) -> list[tuple[str, Path]]:
    root = Path(diagnosis.directory).resolve()
    found = [("project directory", root)]
    for producer in diagnosis.producers:
        path = root / producer.name
        if producer.kind == "path" and "<" not in producer.name and path.is_relative_to(root) and not path.is_symlink():
            found.append((f"producer of the score: {producer.name}", path))
    return found[:_MAX_TARGETS]


def _inside_run(run_directory: Path) -> list[Target]:
    """What lies in a run's directory: the record, the store, the control socket."""
    found: list[Target] = []
    if not run_directory.is_dir():
        return found
    for path in sorted(run_directory.iterdir())[:50]:
        name = f"run directory: {path.name}"
        if path.is_socket():
            found.append(Target(name=name, action="connect", path=str(path)))
        elif path.is_dir():
            found += [
                Target(name=name, action="list", path=str(path)),
                Target(name=name, action="write", path=str(path)),
            ]
        else:
            found += [
                Target(name=name, action="read", path=str(path)),
                Target(name=name, action="write", path=str(path)),
            ]
    return found
