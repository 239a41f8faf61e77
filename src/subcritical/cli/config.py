"""`subcritical config schema`."""

from __future__ import annotations

import click

from subcritical.app.config import schema_of_loop_file
from subcritical.cli.output import errors_end_here, show_json


@click.group()
def config() -> None:
    """About configuration files."""


@config.command()
@errors_end_here
def schema() -> None:
    """JSON Schema of the loop file, for editors: save it as subcritical.schema.json."""
    show_json(schema_of_loop_file())
