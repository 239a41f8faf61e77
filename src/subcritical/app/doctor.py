"""`doctor`: what could the guest tamper with? By reading the code, and by trying."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from subcritical.clock import SystemClock
from subcritical.errors import SubcriticalError
from subcritical.loop.doctor import CanaryReport, Diagnosis, canary, canary_spec, canary_targets, examine
from subcritical.loop.loopfile import Loop, load_loop
from subcritical.sandbox import Containment, probe


class Checkup(msgspec.Struct, frozen=True, kw_only=True):
    """What reading found, and what trying found. `canary` is None where no rung works; `canary_why` says why."""

    diagnosis: Diagnosis
    canary: CanaryReport | None
    canary_why: str = ""


def check_up(target: Path) -> Checkup:
    """Examine a loop file or a project's directory, then send a canary into the guest's sandbox.

    Nothing of the project is imported or run in this process.

    Raises:
        InputError: There is no such file or directory.
        ConfigError: The loop file is wrong.
    """
    loop = load_loop(target) if target.is_file() else None
    diagnosis = examine(loop or target)
    try:
        return Checkup(diagnosis=diagnosis, canary=_send(loop, diagnosis))
    except SubcriticalError as error:
        return Checkup(diagnosis=diagnosis, canary=None, canary_why=str(error))


def as_data(checkup: Checkup) -> dict[str, Any]:
    """The same as plain data."""
    plain: dict[str, Any] = msgspec.to_builtins(checkup.diagnosis)
    report = checkup.canary
    plain["canary"] = {
        "rung": report.rung if report else None,
        "tried": len(report.attempts) if report else 0,
        "reached": msgspec.to_builtins(report.reached) if report else [],
        "untried": msgspec.to_builtins(report.untried) if report else [],
        "why": checkup.canary_why,
    }
    return plain


def _send(loop: Loop | None, diagnosis: Diagnosis) -> CanaryReport:
    rung = probe().strongest
    if rung is None:
        raise SubcriticalError("no containment rung works here, so nothing was tried")
    with Containment(run="doctor", rung=rung, clock=SystemClock()) as containment:
        return canary(containment, canary_spec(loop), canary_targets(loop or diagnosis))
