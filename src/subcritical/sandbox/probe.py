"""What this machine can contain: every mechanism is tried, every rung is used once for real."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import shutil
import subprocess
from pathlib import Path

import msgspec

from subcritical.clock import SystemClock
from subcritical.errors import ContainmentError
from subcritical.sandbox import _cgroups, _seccomp
from subcritical.sandbox.containment import Containment
from subcritical.sandbox.spec import ExecPayload, Limits, Rung, SandboxSpec

_CREATE_RULESET = 444
_RULESET_VERSION = 1
_TRIAL_TIMEOUT_S = 10.0

_NEVER = (
    "secrecy of locks on files that several sandboxes may read, while both run",
    "safety from a hole in the kernel or in bubblewrap",
    "the end of a process that hangs inside the kernel (state D)",
    "secrecy from timing: caches, clocks and load of the machine are shared",
    "secrecy of the interpreter's and the packages' files, of the kernel's version and of the machine's size",
)
_ONLY_R2 = (
    "a bound on memory in the queues of sockets and pipes: only their number is bounded",
    "a bound on the memory of all processes together: the kernel bounds each, the supervisor samples the sum and kills",
    "a bound on CPU time of all processes together between two samples",
    "that a pause is reached while processes fork without end: it is reported as failed then, and the run is killed",
    "a time until user code stops: it is stopped process by process, in competition with what it stops",
)
_ONLY_R3 = (
    "a file system of its own: paths outside are refused by Landlock but can be seen to exist",
    "processes of its own: pids of the host are visible, and /proc names them",
    "a network of its own: sockets are refused by the system-call filter alone, and none can be granted",
    "a bound on disk and inodes at every moment: the supervisor measures the workspace now and then, and kills",
    "a kill that converges against a live fork bomb: only the process limit bounds it",
    "death with the supervisor of a process that left its parent: the spawner looks for it, nothing else does",
)
_R3_SAME_USER = "a user of its own: the payload runs as you, apart from you only by Landlock and the filter"

_LANDLOCK_RIGHTS = (
    (2, "moving files between directories is refused altogether (Landlock ABI 2)"),
    (3, "truncation of files is not governed (Landlock ABI 3)"),
    (4, "TCP is not governed by Landlock (ABI 4)"),
    (5, "device ioctls are not governed (Landlock ABI 5)"),
    (6, "signals and abstract sockets are not governed by Landlock (ABI 6)"),
)
_NEEDED_ABI = {Rung.R1: 3, Rung.R2: 2, Rung.R3: 6}


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        strongest: The strongest rung that works, None if nothing does.
        available: Rungs that were used once and worked, strongest first.
        unavailable: Rung to why it does not work.
        mechanisms: Name to `yes`, `no` or what was found.
        missing_rights: What this kernel's Landlock does not govern.
        as_root: Payloads get host users of their own.
    """

    strongest: Rung | None
    available: tuple[Rung, ...]
    unavailable: dict[str, str]
    mechanisms: dict[str, str]
    missing_rights: tuple[str, ...]
    as_root: bool

    def not_guaranteed(self, rung: Rung) -> tuple[str, ...]:
        """What a rung does not promise on this machine."""
        lines = [*_NEVER]
        if rung is not Rung.R1:
            lines += _ONLY_R2
        if rung is Rung.R3:
            lines += _ONLY_R3
            if not self.as_root:
                lines.append(_R3_SAME_USER)
        return (*lines, *self.missing_rights)


def probe(*, _hide: frozenset[str] = frozenset()) -> Probe:
    """Try everything; the answer is kept for the life of this process.

    Args:
        _hide: Mechanisms to treat as missing (`bubblewrap`, `user_namespaces`, `control_groups`,
            `landlock`, `seccomp`), for tests of weaker machines.
    """
    return _probe(_hide)


@functools.cache
def _probe(hidden: frozenset[str]) -> Probe:
    abi = 0 if "landlock" in hidden else landlock_abi()
    mechanisms = _mechanisms(hidden, abi)
    available, unavailable = [], {}
    for rung in Rung:
        why = _missing(rung, mechanisms, abi) or _try(rung)
        if why:
            unavailable[str(rung)] = why
        else:
            available.append(rung)
    return Probe(
        strongest=available[0] if available else None,
        available=tuple(available),
        unavailable=unavailable,
        mechanisms=mechanisms,
        missing_rights=tuple(text for since, text in _LANDLOCK_RIGHTS if abi < since),
        as_root=os.getuid() == 0,
    )


def landlock_abi() -> int:
    """Landlock ABI of the running kernel, 0 where there is none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _RULESET_VERSION)))


def _mechanisms(hidden: frozenset[str], abi: int) -> dict[str, str]:
    bubblewrap = None if "bubblewrap" in hidden else shutil.which("bwrap")
    groups = _cgroups.discover()
    unified = None if "control_groups" in hidden else groups.unified
    found = {
        "bubblewrap": _version(bubblewrap) if bubblewrap else "no: bwrap is not installed",
        "user_namespaces": "no" if "user_namespaces" in hidden else _user_namespaces(),
        "control_groups": "yes" if unified else "no: none that can be frozen and killed",
        "memory_limit_of_a_group": "yes" if unified and groups.limits_memory else "no",
        "process_limit_of_a_group": "yes" if unified and groups.limits_processes else "no",
        "landlock": f"ABI {abi}" if abi else "no",
        "seccomp": "yes"
        if "seccomp" not in hidden and _has_seccomp()
        else f"no: {platform.machine()} is unknown to our filter",
    }
    found["urgent_pause"] = "yes" if _may_be_urgent() else "no: a scan competes with what it stops"
    return found


def _version(bubblewrap: str) -> str:
    try:
        done = subprocess.run([bubblewrap, "--version"], capture_output=True, timeout=_TRIAL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no: {error}"
    return done.stdout.decode("utf-8", "replace").strip()[:100] or "no: it does not answer"


def _user_namespaces() -> str:
    """Tried in a child, because a process that made one cannot go back."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return "not tried: unshare is not installed"
    command = [unshare, "--user", "--map-current-user", "true"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TRIAL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no: {error}"
    return "yes" if done.returncode == 0 else f"no: {done.stderr.decode('utf-8', 'replace').strip()[:200]}"


def _has_seccomp() -> bool:
    return _seccomp.supported() and Path("/proc/sys/kernel/seccomp").exists()


def _may_be_urgent() -> bool:
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        return False
    os.sched_setscheduler(0, *before)
    return True


def _missing(rung: Rung, mechanisms: dict[str, str], abi: int) -> str:
    """Why a rung cannot work, as far as that is known without trying it; empty if nothing speaks against it."""
    needed = {
        Rung.R1: (
            "bubblewrap",
            "user_namespaces",
            "control_groups",
            "memory_limit_of_a_group",
            "process_limit_of_a_group",
        ),
        Rung.R2: ("bubblewrap", "user_namespaces"),
        Rung.R3: (),
    }[rung]
    for name in (*needed, "seccomp"):
        if mechanisms[name].startswith("no"):
            return (
                f"{name}: {mechanisms[name]}" if name != "user_namespaces" else f"user namespaces: {mechanisms[name]}"
            )
    least = 3 if rung is Rung.R3 and os.getuid() == 0 else _NEEDED_ABI[rung]
    if abi < least:
        return f"Landlock: ABI {abi}, needs {least}"
    return ""


def _try(rung: Rung) -> str:
    """Launch, freeze, thaw, kill; empty if all of it was confirmed."""
    spec = SandboxSpec(
        name="trial",
        payload=ExecPayload(argv=("sleep", "60")),
        limits=Limits(memory_bytes=256 << 20, disk_bytes=1 << 20),
    )
    try:
        with Containment(run="probe", rung=rung, clock=SystemClock()) as containment:
            sandbox = containment.launch(spec)
            frozen = sandbox.handle.freeze(_TRIAL_TIMEOUT_S)
            sandbox.handle.thaw()
            killed = containment.handle.kill(_TRIAL_TIMEOUT_S)
    except (ContainmentError, OSError) as error:
        return str(error)[:500]
    if not frozen.verified:
        return f"a freeze was not confirmed: {frozen.detail}"
    if not killed.verified or killed.survivors:
        return f"a kill was not confirmed: {killed.detail}"
    return ""
