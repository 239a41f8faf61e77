"""`subcritical rules`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from subcritical.app.rule_packs import PACKS, Pack, make_pack, unpack
from subcritical.app.rules import list_rules, try_rules
from subcritical.cli.ledger import home_option
from subcritical.cli.output import as_json, errors_end_here, say, show, show_json
from subcritical.ledger.signer import SignerProcess
from subcritical.ledger.tlog import format_verifier_key
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


@rules.command(name="pack")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="New file for the pack.")
@home_option
@as_json
@errors_end_here
def pack_command(folder: Path | None, output: Path, home: Path | None, as_json: bool) -> None:
    r"""Sign the rules of a folder, or of the package, with their cases and measured error rates (DSSE, in-toto).

    Rules that fail their own cases are not packed. The key that others must check is printed.

    \b
    Example: subcritical rules pack my-rules/ -o my-rules.dsse.json
    """
    with SignerProcess(home) as signer:
        pack = make_pack(folder, output, signer)
        key = format_verifier_key(signer.key(PACKS)).decode().strip()
    _packed(pack, as_json=as_json, key=key)
    say(f"signed: {output}; give this key by another way: {key}")


@rules.command(name="unpack")
@click.argument("pack_file", type=click.Path(path_type=Path), metavar="PACK")
@click.option("--key", required=True, metavar="KEY", help="Verifier key of whoever made it.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="New folder.")
@as_json
@errors_end_here
def unpack_command(pack_file: Path, key: str, output: Path, as_json: bool) -> None:
    r"""Check a pack's signature and digests, write its rules into a new folder, and try them on their cases.

    \b
    Example: subcritical rules unpack their.dsse.json --key 'name+hash+key' -o their-rules/
             subcritical scan logs/ --rules their-rules/
    """
    _packed(unpack(pack_file, key, output), as_json=as_json, key=key)
    say(f"rules: {output}; next: subcritical scan PATH --rules {output}")


def _packed(pack: Pack, *, as_json: bool, key: str) -> None:
    if as_json:
        show_json({"rules": pack.rules, "cases": pack.cases, "error_rates": pack.error_rates, "key": key})
        return
    show(f"{pack.rules} rules, {pack.cases} cases, {len(pack.files)} files")
    for name, rate in pack.error_rates.items():
        measured = (
            "error rate not measured" if rate is None else f"{rate['flagged']} of {rate['runs']} honest runs flagged"
        )
        show(visible(f"  {name}: {measured}", 300))
