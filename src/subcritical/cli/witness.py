"""`subcritical witness`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from subcritical.app.witnessing import open_witness, policy_lines
from subcritical.cli.output import errors_end_here, say, show


@click.command()
@click.option(
    "--home",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of this witness's keys and records, made on first use. Never restore an old copy of it.",
)
@click.option(
    "--logs",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Verifier keys of the logs it answers for, one a line.",
)
@click.option("--listen", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT", help="Port 0: any free one.")
@click.option("--name", metavar="NAME", help="Name of new keys, such as witness.example/main; default: a random one.")
@errors_end_here
def witness(home: Path, logs: Path, listen: str, name: str | None) -> None:
    r"""Cosign checkpoints of logs, each only if it continues the one before, until SIGINT or SIGTERM.

    Prints the lines that a policy needs to count on it, then the address. A kill at any moment is harmless.

    \b
    Example: subcritical witness --home ~/witness --logs logs.txt --listen 127.0.0.1:8400
    """
    with open_witness(home=home, logs=logs, listen=listen, name=name, log=say) as server:
        for line in policy_lines(server):
            show(line)
        show(f"# listening on {server.url}/add-checkpoint")
        sys.stdout.flush()
        server.serve_forever()
