"""`subcritical sandbox probe|run`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from subcritical.app import sandboxing
from subcritical.cli.output import as_json, errors_end_here, say, show, show_json
from subcritical.errors import InputError
from subcritical.sandbox import Rung


@click.group()
def sandbox() -> None:
    """Contain one command, or see what this machine can contain."""


@sandbox.command()
@as_json
@errors_end_here
def probe(as_json: bool) -> None:
    """Try every containment mechanism and print the rungs, with what each does not guarantee."""
    found = sandboxing.probe_machine()
    if as_json:
        show_json(found)
        return
    for line in sandboxing.probe_text(found):
        show(line)


@sandbox.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--rung", type=click.Choice([str(r) for r in Rung]), help="Use exactly this rung; default: the strongest."
)
@click.option("--workspace", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Writable directory.")
@click.option("--read-only", type=click.Path(path_type=Path, exists=True), multiple=True, help="Visible, not writable.")
@click.option("--env", "env", multiple=True, metavar="K=V", help="Environment of the command; nothing else is passed.")
@click.option("--timeout", default="60s", show_default=True, help="Wall limit, such as 30s or 10m.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@as_json
@errors_end_here
def run(
    rung: str | None,
    workspace: Path | None,
    read_only: tuple[Path, ...],
    env: tuple[str, ...],
    timeout: str,
    command: tuple[str, ...],
    as_json: bool,
) -> None:
    r"""Run one COMMAND contained. Given paths appear inside at the same place.

    \b
    Example: subcritical sandbox run --workspace build -- make -C build
    """
    variables = {}
    for item in env:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise InputError(f"--env {item!r}: write KEY=VALUE")
        variables[key] = value
    ran = sandboxing.contain(
        command,
        rung=Rung(rung) if rung else None,
        workspace=workspace,
        read_only=read_only,
        env=variables,
        timeout=timeout,
    )
    if as_json:
        show_json(ran)
    else:
        sys.stdout.write(str(ran["stdout"]))
        sys.stderr.write(str(ran["stderr"]))
        if ran["limits_hit"]:
            say(f"limits hit: {', '.join(ran['limits_hit'])}")
    sys.exit(int(ran["exit"]) if 0 <= int(ran["exit"]) <= 255 else 1)  # noqa: PLR2004 - range of an exit code
