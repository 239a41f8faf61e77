"""The command line as a page: `docs/reference/cli.md` is this, and a test keeps it so."""

from __future__ import annotations

from collections.abc import Iterator

import click

from subcritical.cli.main import main


def reference_page() -> str:
    """Markdown of every command's help, in the order in which `--help` lists them."""
    parts = ["# Command line", "", "Made from `--help` by `make docs-write`; do not edit.", ""]
    for path, command in _commands(main, "subcritical"):
        context = click.Context(command, info_name=path, terminal_width=100, help_option_names=["-h", "--help"])
        parts += [f"## {path}", "", "```", command.get_help(context), "```", ""]
    return "\n".join(parts)


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            child = command.commands[name]
            yield from _commands(child, f"{path} {name}")
