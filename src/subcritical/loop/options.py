"""What the caller of a run decides, beside the loop file."""

from __future__ import annotations

import msgspec

from subcritical.gateway import Guard
from subcritical.sandbox import Rung


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller decides, beside the loop file.

    `detect` and `guard` are switched off only by the study of what happens without them. `seed`
    replaces the guest's seed and makes the run's own random choices repeat.
    """

    rung: Rung
    guard: Guard = Guard()
    detect: bool = True
    wait_when_paused: bool = False
    resume: bool = False
    seed: int | None = None
