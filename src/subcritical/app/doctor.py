"""`doctor`: what could the guest tamper with? By reading the code, and by trying."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from subcritical.loop.doctor import Diagnosis, examine


def diagnose(target: Path) -> Diagnosis:
    """Examine a loop file or a project's directory. Nothing of it is imported or run in this process.

    Raises:
        InputError: There is no such file or directory.
    """
    return examine(target)


def as_data(diagnosis: Diagnosis) -> dict[str, Any]:
    """The same as plain data."""
    plain: dict[str, Any] = msgspec.to_builtins(diagnosis)
    return plain
