"""How outcomes of proofs are shown; every one that is not PROVED makes the exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import msgspec

from subcritical.cli.output import show, show_json
from subcritical.policy.cedar import Invariant
from subcritical.schema import visible


def show_proofs(found: Sequence[Invariant], as_json: bool) -> NoReturn:
    """Print them and leave."""
    if as_json:
        show_json({"invariants": [msgspec.to_builtins(one) for one in found]})
    else:
        for one in found:
            more = f"; {one.why}" if one.why else ""
            show(f"{one.id}: {one.verdict} ({one.ms:.0f} ms{more})")
            if one.counterexample is not None:
                asked = one.counterexample
                values = ", ".join(f"{path}={value}" for path, value in sorted(asked.values.items()))
                show(f"  {asked.principal} {asked.action}: {visible(values, 500)}")
                show(f"  the engine decides it as the encoding does: {'yes' if one.replayed else 'NO'}")
    sys.exit(0 if all(one.verdict == "PROVED" for one in found) else 1)
