"""`sandbox probe` and `sandbox run`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from subcritical.app.running import choose_rung
from subcritical.clock import SystemClock
from subcritical.sandbox import Limits, Rung, probe, run_contained
from subcritical.schema import visible
from subcritical.yaml_source import seconds


def probe_machine() -> dict[str, Any]:
    """What this machine can contain, as plain data."""
    found = probe()
    return {
        **msgspec.to_builtins(found),
        "not_guaranteed": {str(rung): list(found.not_guaranteed(rung)) for rung in Rung},
    }


def probe_text(found: Mapping[str, Any]) -> Iterator[str]:
    """The same, line by line."""
    yield f"strongest rung here: {found['strongest'] or 'none: nothing would be started'}"
    for name, value in found.items():
        if name not in {"strongest", "not_guaranteed"}:
            yield f"  {name}: {visible(str(value), 1000)}"
    for rung, lines in found["not_guaranteed"].items():
        yield f"{rung} does not guarantee:"
        yield from (f"  - {line}" for line in lines)


def contain(
    command: Sequence[str],
    *,
    rung: Rung | None,
    workspace: Path | None,
    read_only: Sequence[Path],
    env: Mapping[str, str],
    timeout: str,
) -> dict[str, Any]:
    """Run one command contained and say what came of it.

    Returns:
        `rung, exit, stdout, stderr` (capped, control characters made visible), `limits_hit, survivors`.
    """
    chosen = choose_rung(Rung.R3, allow_rung=None, exactly=rung)
    ran = run_contained(
        tuple(command),
        rung=chosen,
        workspace=workspace.resolve() if workspace else None,
        read_only=tuple(path.resolve() for path in read_only),
        env=dict(env),
        timeout_s=seconds(timeout),
        limits=Limits(),
        clock=SystemClock(),
    )
    return {
        "rung": str(ran.rung),
        "exit": ran.exit,
        "stdout": _text(ran.stdout),
        "stderr": _text(ran.stderr),
        "limits_hit": list(ran.limits_hit),
        "survivors": ran.survivors,
    }


def _text(data: bytes) -> str:
    """Lines stay lines; every other control character of a hostile program becomes visible."""
    lines = data.decode("utf-8", "backslashreplace").split("\n")
    return "\n".join(visible(line, 1 << 20) for line in lines)
