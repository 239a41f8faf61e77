"""What to run, with which limits, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path, PurePosixPath

import msgspec

from subcritical.errors import InputError

RESERVED = ("/proc", "/dev", "/usr", "/etc", "/lib", "/lib64", "/bin", "/sbin", "/run/subcritical")
"""Places inside a sandbox that belong to the sandbox; no granted path may lie at or above them."""

SOCKET_INSIDE = "/run/subcritical/socket"
"""Where the one granted host socket appears inside a sandbox."""

_FIRST_FREE = 3

PAYLOAD_UID = 1000
"""User and group id that a payload sees for itself where there is a user namespace."""


class Rung(StrEnum):
    """How strongly a sandbox contains, strongest first. A plain subprocess is no rung of this product."""

    R1 = "R1"
    """Control group freeze and kill, memory and process limits, bubblewrap, Landlock, seccomp."""
    R2 = "R2"
    """Bubblewrap with a process namespace, Landlock, seccomp, resource limits per process."""
    R3 = "R3"
    """Landlock and seccomp alone."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one sandbox may use.

    On R1 all hold for the sandbox as a whole, and `memory_bytes` includes what is written to the
    workspace and other file systems in memory. On R2 and R3 the kernel holds `memory_bytes` and
    `cpu_s` per process only; the supervisor samples the sum and kills above it. `cpu_s` is CPU
    time of all processes together, in seconds. `output_bytes` is kept of stdout and of stderr
    each; the rest is dropped and counted.
    """

    memory_bytes: int = 1 << 30
    processes: int = 64
    disk_bytes: int = 256 << 20
    inodes: int = 16_384
    cpu_s: float = 3600.0
    open_files: int = 256
    output_bytes: int = 1 << 20


class PythonPayload(msgspec.Struct, frozen=True, kw_only=True):
    """A Python script, by its path *inside*, run as `__main__` in the interpreter that set the sandbox up.

    `paths` go in front of the site packages and behind the standard library; the working directory
    is never on the import path.
    """

    script: Path
    argv: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


class ExecPayload(msgspec.Struct, frozen=True, kw_only=True):
    """Any program; `argv[0]` is looked up on the PATH of the sandbox."""

    argv: tuple[str, ...]


class SandboxSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One sandbox.

    Attributes:
        name: Unique in the run; letters, digits, `.`, `_` and `-`.
        payload: What to run.
        limits: What it may use.
        files: Relative path to content; written into the workspace before the payload starts, by
            the payload's own user, following no link, never over an existing file.
        workspace: A host directory to use as the workspace, written by the payload. None means a
            fresh file system in memory that `limits` bound.
        workdir: Where the workspace appears inside. On R3 it appears at its place on the host.
        read_only: (host path, path inside). On R3 both must be the same.
        env: The whole environment apart from PATH, HOME, LANG and TMPDIR, which have defaults.
        pass_fds: Number inside to a descriptor of ours; nothing else is inherited.
        socket: One host Unix socket that the payload may connect to at `SOCKET_INSIDE`.
    """

    name: str
    payload: PythonPayload | ExecPayload
    limits: Limits = Limits()
    files: Mapping[str, bytes] = {}
    workspace: Path | None = None
    workdir: str = "/workspace"
    read_only: tuple[tuple[Path, str], ...] = ()
    env: Mapping[str, str] = {}
    pass_fds: Mapping[int, int] = {}
    socket: Path | None = None


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """How a sandbox ended. No evidence of anything but that: a payload chooses its exit code.

    Attributes:
        code: Exit code, or -1 where a signal ended it.
        signal: Number of that signal, or 0.
        limits_hit: Which of `memory processes disk inodes cpu output wall` stopped or refused something.
        cpu_s: CPU seconds of all its processes.
        memory_peak_bytes: Highest use, or 0 where nothing could measure it.
    """

    code: int
    signal: int
    limits_hit: tuple[str, ...]
    cpu_s: float
    memory_peak_bytes: int


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What a sandbox wrote, capped. Hostile bytes: escape before showing. `*_dropped` counts bytes beyond the cap."""

    stdout: bytes
    stderr: bytes
    stdout_dropped: int = 0
    stderr_dropped: int = 0

    @property
    def truncated(self) -> bool:
        """Whether anything was dropped."""
        return bool(self.stdout_dropped or self.stderr_dropped)


def check_spec(spec: SandboxSpec) -> None:
    """Refuse a specification that cannot be meant.

    Raises:
        InputError: Names, paths, numbers or limits are unusable; the message says which.
    """
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    if not spec.name or len(spec.name) > 100 or spec.name.startswith(".") or not set(spec.name) <= allowed:  # noqa: PLR2004
        raise InputError(f"sandbox name {spec.name!r}: use 1 to 100 letters, digits, '.', '_' or '-'")
    for relative in spec.files:
        check_relative(relative)
    for inside in (spec.workdir, *(place for _, place in spec.read_only)):
        check_inside(inside)
    for number in spec.pass_fds:
        if not _FIRST_FREE <= number < spec.limits.open_files:
            raise InputError(f"descriptor {number} inside: use 3 to {spec.limits.open_files - 1}")
    limits = spec.limits
    smallest = min(limits.memory_bytes, limits.processes, limits.disk_bytes, limits.inodes, limits.open_files)
    if smallest <= 0 or limits.cpu_s <= 0 or limits.output_bytes < 0:
        raise InputError(f"limits of {spec.name}: every limit must be above zero")


def check_relative(relative: str) -> None:
    """Refuse a workspace path that could lead out of it.

    Raises:
        InputError: It is absolute, empty, has `..`, or holds a NUL.
    """
    path = PurePosixPath(relative)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in relative:
        raise InputError(f"workspace file {relative!r}: use a relative path without '..'")


def check_inside(inside: str) -> None:
    """Refuse a place inside that would hide what the sandbox itself needs.

    Raises:
        InputError: It is not absolute, not normal, or covers a reserved place.
    """
    path = PurePosixPath(inside)
    if not path.is_absolute() or ".." in path.parts or "\0" in inside or inside == "/":
        raise InputError(f"path inside {inside!r}: use an absolute path without '..'")
    for reserved in RESERVED:
        if path == PurePosixPath(reserved) or path in PurePosixPath(reserved).parents:
            raise InputError(f"path inside {inside!r}: it would cover {reserved}, which the sandbox needs")
