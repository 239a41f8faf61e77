"""`subcritical watch`, `hook install`, `mcp-proxy`."""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path
from typing import Literal

import click

from subcritical.app.hosts import install_hook, mcp_http_proxy, mcp_proxy
from subcritical.app.hosts import watch as open_gate
from subcritical.cli.output import errors_end_here, say, show
from subcritical.errors import InputError
from subcritical.loop.run_directory import RUNS

NOT_CONTAINED = 6


@click.command()
@click.argument("gate", type=click.Path(path_type=Path), required=False)
@click.option("--runs", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Folder of runs.")
@click.option("--name", help="Name of the run; hooks look for its socket. Default: a new one.")
@click.option("--resume", metavar="RUN", help="Open the gate of this run again; what held it holds it still.")
@click.option(
    "--guard",
    "besides",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A further file that must not change, such as the host's settings and the hook.",
)
@errors_end_here
def watch(gate: Path | None, runs: Path, name: str | None, resume: str | None, besides: tuple[Path, ...]) -> None:
    r"""Open a gate for an agent that somebody else starts: every tool call it makes is judged here first.

    `pause`, `resume`, `stop`, `status` work on it as on any run. It closes with Ctrl-C.

    \b
    Example: subcritical watch ../gate.yaml --name agent --guard ~/.claude/settings.json
    Example: subcritical watch --resume agent --guard ~/.claude/settings.json
    """
    ended = threading.Event()

    def opened(run: str, socket: Path) -> None:
        say(f"{run}: the gate is open at {socket}")

    try:
        orderly = open_gate(gate, runs=runs, name=name, resume=resume, besides=besides, opened=opened, ended=ended)
    except KeyboardInterrupt:
        say("the gate is closed; hooks that ask it deny everything")
        return
    if not orderly:
        say("stopped: nothing is approved any more; the agent's process is its host's to end: NOT CONTAINED by us")
        sys.exit(NOT_CONTAINED)


@click.group()
def hook() -> None:
    """Hooks that ask a gate, for Claude Code and Codex."""


@hook.command()
@click.option("--host", type=click.Choice(["claude-code", "codex"]), required=True)
@click.option("--run", type=click.Path(path_type=Path), required=True, help="Run directory of the gate, as RUNS/NAME.")
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    required=True,
    help="settings.json of Claude Code, hooks.json of Codex; outside the agent's project.",
)
@errors_end_here
def install(host: Literal["claude-code", "codex"], run: Path, settings: Path) -> None:
    r"""Write the wrapper that fails closed, and name it in the host's settings, beside what is there.

    \b
    Example: subcritical hook install --host claude-code --run runs/agent --settings ~/.claude/settings.json
    """
    for path in install_hook(host, run=run, settings=settings):
        show(f"wrote {path}")
    say("open the gate with `subcritical watch`, then check it with `subcritical doctor GATE --host`")


@click.command("mcp-proxy", context_settings={"ignore_unknown_options": True})
@click.option("--run", type=click.Path(path_type=Path), required=True, help="Run directory of the gate, as RUNS/NAME.")
@click.option("--url", help="Instead of COMMAND: the address of an MCP server over HTTP.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="With --url: where to listen on 127.0.0.1.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@errors_end_here
def mcp_proxy_command(run: Path, url: str | None, port: int, command: tuple[str, ...]) -> None:
    r"""Stand before the MCP server COMMAND, and ask the gate before each tool call goes through to it.

    \b
    Example: subcritical mcp-proxy --run runs/agent -- python server.py
    Example: subcritical mcp-proxy --run runs/agent --url https://tools.example/mcp --port 8123
    """
    if (url is None) == (not command):
        raise InputError("name either the server's command or its --url")
    if url is not None:
        with contextlib.suppress(KeyboardInterrupt):
            mcp_http_proxy(url, run=run, port=port, opened=lambda where: say(f"agents find the server at {where}"))
        return
    sys.exit(mcp_proxy(command, run=run, agent_in=sys.stdin.buffer, agent_out=sys.stdout.buffer))
