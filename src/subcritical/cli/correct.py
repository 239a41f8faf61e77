"""`subcritical correct`."""

from __future__ import annotations

from pathlib import Path

import click

from subcritical.app import correcting
from subcritical.cli.keys import own_key
from subcritical.cli.output import as_json, errors_end_here, show, show_json
from subcritical.errors import InputError
from subcritical.loop.run_directory import RUNS
from subcritical.schema import visible


@click.command()
@click.argument("run")
@click.option("--put", multiple=True, metavar="PATH=FILE", help="New content of a workspace file; repeat.")
@click.option("--remove", multiple=True, metavar="PATH", help="A workspace file to take out; repeat.")
@click.option("--reason", required=True, help="Why; recorded.")
@click.option("--key", type=click.Path(path_type=Path), required=True, help="Your private key.")
@click.option("--runs", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Folder of runs.")
@as_json
@errors_end_here
def correct(
    run: str, put: tuple[str, ...], remove: tuple[str, ...], reason: str, key: Path, runs: Path, as_json: bool
) -> None:
    r"""Change what a paused RUN has become: your bytes are a version of their own, and the guest begins anew from it.

    \b
    Example: subcritical pause latest
             subcritical correct latest --put prompts/system.txt=mine.txt --reason "too eager" --key ~/.ssh/id_ed25519
    """
    pairs = dict(_pair(text) for text in put)
    if not pairs and not remove:
        raise InputError("say what is corrected: --put PATH=FILE or --remove PATH")
    told = correcting.correct(run, runs=runs, put=pairs, remove=remove, reason=reason, key=own_key(key))
    if as_json:
        show_json({"told": told})
    else:
        show(visible(told, 1000))


def _pair(text: str) -> tuple[str, Path]:
    path, equals, file = text.partition("=")
    if not (path and equals and file):
        raise InputError(f"--put {visible(text, 200)!r}: write PATH=FILE, the path in the workspace first")
    return path, Path(file)
