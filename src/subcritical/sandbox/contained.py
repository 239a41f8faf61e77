"""One contained command: what `subcritical sandbox run` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from subcritical.clock import Clock
from subcritical.ids import Ids
from subcritical.sandbox.containment import Containment
from subcritical.sandbox.spec import ExecPayload, Limits, Rung, SandboxSpec

_KILL_TIMEOUT_S = 10.0
_LAST_MOMENT_S = 2.0
_SIGNAL_BASE = 128


class ContainedRun(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        rung: Where it ran.
        exit: Exit code as a shell counts it: 128 and the number of the signal that ended it.
        stdout: Capped; hostile bytes.
        stderr: Capped; hostile bytes.
        limits_hit: Which limits stopped or refused something; `wall` is the timeout.
        survivors: Processes alive after the end; 0 unless something is badly wrong.
    """

    rung: Rung
    exit: int
    stdout: bytes
    stderr: bytes
    limits_hit: tuple[str, ...]
    survivors: int


def run_contained(
    argv: Sequence[str],
    *,
    rung: Rung,
    workspace: Path | None = None,
    read_only: Sequence[Path] = (),
    env: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
    limits: Limits | None = None,
    clock: Clock,
) -> ContainedRun:
    """Run a command in a sandbox of its own and wait for it.

    Args:
        argv: The command.
        rung: Where to run it.
        workspace: A host directory it may write, at the same place inside and its working
            directory; as root it is written with the owner of the directory, by an id-mapped mount.
            None: an empty one in memory that ends with it.
        read_only: Host paths that appear inside at the same place.
        env: Its environment beside PATH, HOME, LANG and TMPDIR.
        timeout_s: Wall time, in seconds; then it is killed.
        limits: Defaults where None.
        clock: Time source.

    Raises:
        InputError: A path cannot be granted.
        ContainmentError: It could not be contained, or something survived.
    """
    spec = SandboxSpec(
        name="command",
        payload=ExecPayload(argv=tuple(argv)),
        limits=limits or Limits(),
        workspace=workspace.absolute() if workspace else None,
        workdir=str(workspace.absolute()) if workspace else "/workspace",
        read_only=tuple((path.absolute(), str(path.absolute())) for path in read_only),
        env=env or {},
    )
    with Containment(run=Ids().run(clock), rung=rung, clock=clock) as containment:
        sandbox = containment.launch(spec)
        ended = sandbox.wait(timeout_s)
        hit: tuple[str, ...] = () if ended else ("wall",)
        killed = containment.handle.kill(_KILL_TIMEOUT_S)
        ended = ended or sandbox.wait(_LAST_MOMENT_S)
        survivors = max(killed.survivors, containment.handle.verify().survivors)
        output = sandbox.output()
    code = _SIGNAL_BASE + 9
    if ended is not None:
        code = _SIGNAL_BASE + ended.signal if ended.signal else ended.code
        hit = (*ended.limits_hit, *hit)
    return ContainedRun(
        rung=rung, exit=code, stdout=output.stdout, stderr=output.stderr, limits_hit=hit, survivors=survivors
    )
