"""`subcritical rules`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from subcritical.app.rules import list_rules, try_rules
from subcritical.cli.output import as_json, errors_end_here, show, show_json
from subcritical.schema import visible


@click.group()
def rules() -> None:
    """The content rules of detectors: Sigma files with cases beside them."""


@rules.command(name="list")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@as_json
@errors_end_here
def list_command(folder: Path | None, as_json: bool) -> None:
    """Every rule of a folder, or of the package."""
    found = list_rules(folder)
    if as_json:
        show_json({"rules": found})
        return
    for rule in found:
        show(visible(f"{rule['technique']} {rule['level']:8} {rule['id']}: {rule['title']} [{rule['detector']}]", 400))
    show(f"{len(found)} rules")


@rules.command(name="test")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@as_json
@errors_end_here
def try_command(folder: Path | None, as_json: bool) -> None:
    """Try every rule on the cases beside it, and whether each of its clauses matters (exit 1 where not)."""
    tried = try_rules(folder)
    problems = sum(len(one.problems) for one in tried)
    if as_json:
        show_json({"files": [msgspec.to_builtins(one) for one in tried], "problems": problems})
    else:
        for one in tried:
            show(visible(f"{one.file}: {len(one.rules)} rules, {one.cases} cases, {len(one.problems)} problems", 400))
            for problem in one.problems:
                show(visible(f"  {problem}", 400))
    sys.exit(1 if problems else 0)
