"""`subcritical principals`."""

from __future__ import annotations

import base64
from pathlib import Path

import click

from subcritical.app import principals as people
from subcritical.cli.output import as_json, errors_end_here, show, show_json
from subcritical.gateway import Principal

_file = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    default=people.DEFAULT,
    show_default=True,
    help="Who is enrolled.",
)


def _plain(one: Principal) -> dict[str, str]:
    return {"name": one.name, "owner": one.owner, "key": base64.b64encode(one.public).decode()}


@click.group()
def principals() -> None:
    """People whose votes count: their Ed25519 keys, and who owns each of them."""


@principals.command(name="add")
@click.argument("name")
@click.option("--key", type=click.Path(path_type=Path), required=True, metavar="FILE", help="A public key.")
@click.option("--owner", default=None, metavar="PERSON", help="Whose it is; two keys of one owner are one vote.")
@_file
@as_json
@errors_end_here
def add_command(name: str, key: Path, owner: str | None, path: Path, as_json: bool) -> None:
    r"""Enrol the public key of NAME. Keep the file where no system that it rules over can write.

    \b
    Example: ssh-keygen -t ed25519 -f ana
             subcritical principals add ana-laptop --key ana.pub --owner ana
    """
    new = people.add(name, key=key, owner=owner, path=path)
    if as_json:
        show_json(_plain(new))
    else:
        show(f"{new.name} (owner {new.owner}) enrolled in {path}")


@principals.command(name="list")
@_file
@as_json
@errors_end_here
def list_command(path: Path, as_json: bool) -> None:
    """List who is enrolled."""
    found = people.enrolled(path)
    if as_json:
        show_json({"principals": [_plain(one) for one in found.enrolled], "owners": len(found.owners)})
        return
    for one in found.enrolled:
        show(f"{one.name}  owner {one.owner}  {base64.b64encode(one.public).decode()}")
    show(f"{len(found.enrolled)} keys of {len(found.owners)} owners")
