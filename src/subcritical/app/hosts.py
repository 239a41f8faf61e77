"""`watch`, `hook install`, `mcp-proxy`, `doctor --host`: gates for agents that others start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from subcritical.clock import SystemClock
from subcritical.errors import InputError
from subcritical.ids import Ids
from subcritical.ledger.notary import Notary
from subcritical.ledger.signer import make_home
from subcritical.loop.run_directory import RunDirectory
from subcritical.watch import ask, hooks, mcp
from subcritical.watch.canary import Check, try_hook
from subcritical.watch.gate_file import load_gate
from subcritical.watch.mcp_http import Proxy
from subcritical.watch.opening import keep_open
from subcritical.watch.server import SOCKET_NAME


def watch(
    gate_file: Path | None,
    *,
    runs: Path,
    name: str | None,
    resume: str | None,
    besides: Sequence[Path],
    opened: Callable[[str, Path], None],
    ended: threading.Event,
) -> bool:
    """Open a gate and keep it open.

    Args:
        gate_file: What is what; None with `resume`, which remembers its own.
        runs: Folder of run directories.
        name: Of the run; a new one by default. Its socket is where installed hooks look for it.
        resume: Open the gate of this run again. What held it holds it still.
        besides: Further files that must not change.
        opened: Called with the run's name and the gate's socket.
        ended: Set to close it.

    Returns:
        Whether it was closed orderly; False where somebody stopped the run.

    Raises:
        ConfigError, InputError: Nothing was opened.
    """
    directory = RunDirectory.find(resume, runs) if resume else None
    if directory is not None:
        gate_file = directory.original_loop_file()
    if gate_file is None:
        raise InputError("name a gate file, or a run to open again: `subcritical watch GATE` or `watch --resume RUN`")
    settings = load_gate(gate_file)
    clock = SystemClock()
    if runs.resolve().is_relative_to(settings.root):
        raise InputError(f"{runs} lies inside the agent's project; keep the record elsewhere with --runs")
    for place in besides:
        if not place.is_file():
            raise InputError(f"{place}: no such file; hooks are installed before the gate is opened")
    home = make_home()
    directory = directory or _new(runs / (name or Ids().run(clock)), gate_file)
    notary = Notary(directory.journal, directory.ledger, home)
    try:
        if resume:
            notary.wait_until_checked()  # a record that was rolled back is not gone on with
        return keep_open(
            settings,
            journal=directory.journal,
            directory=directory.path,
            besides=(Path(ask.__file__), gate_file.resolve(), *(place.absolute() for place in besides)),
            beside=lambda pipeline: notary.watched(lambda why: pipeline.stand_still(f"the log is not signed: {why}")),
            clock=clock,
            opened=lambda socket: opened(directory.run, socket),
            ended=ended,
        )
    finally:
        notary.close()


def _new(path: Path, gate_file: Path) -> RunDirectory:
    if (path / "journal").exists():
        raise InputError(f"{path} was open before; open it again with `subcritical watch --resume {path.name}`")
    directory = RunDirectory.create(path.parent, path.name)
    directory.remember(gate_file)
    return directory


def install_hook(host: hooks.Host, *, run: Path, settings: Path) -> list[Path]:
    """Install a hook that asks the gate of `run`, a run directory that need not be there yet."""
    return hooks.install(host, gate_socket=run / SOCKET_NAME, folder=run.parent / "hooks", settings=settings)


def check_host(host: hooks.Host, *, settings: Path, gate_file: Path, run: Path) -> list[Check]:
    """Make the canary call of a host.

    Raises:
        ConfigError, InputError: A file cannot be read.
    """
    return try_hook(host, settings, root=load_gate(gate_file).root, gate_socket=run / SOCKET_NAME)


def mcp_proxy(command: Sequence[str], *, run: Path, agent_in: BinaryIO, agent_out: BinaryIO) -> int:
    """Stand between an agent and an MCP server.

    Raises:
        InputError: The server cannot be started.
    """
    return mcp.proxy(command, str(run / SOCKET_NAME), agent_in, agent_out)


def mcp_http_proxy(upstream: str, *, run: Path, port: int, opened: Callable[[str], None]) -> None:
    """Stand between agents and an MCP server with an address, until interrupted.

    Raises:
        InputError: The address is none, or the port is taken.
    """
    with Proxy(upstream, str(run / SOCKET_NAME), port) as proxy:
        opened(proxy.url)
        proxy.serve_forever()
