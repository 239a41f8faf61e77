"""The handle a sandbox returns. Actuators act on it and know nothing about rungs."""

from __future__ import annotations

from typing import Protocol

import msgspec


class HandleReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a handle did and saw. Times are CLOCK_BOOTTIME nanoseconds; 0 means not reached.

    `verified` means the kernel confirmed the state; `processes` were covered, `survivors` may
    still run (-1: unknown).
    """

    verified: bool
    quiesced_ns: int
    confirmed_ns: int
    processes: int
    survivors: int
    detail: str = ""


class Handle(Protocol):
    """A contained process tree that can be frozen, thawed, killed and counted, in any state."""

    @property
    def rung(self) -> str:
        """The containment rung it runs on: `R1`, `R2` or `R3`."""
        ...

    def freeze(self, timeout_s: float) -> HandleReport:
        """Stop all user code. `verified` only if the kernel confirmed it within `timeout_s`."""
        ...

    def thaw(self) -> HandleReport:
        """Let it run again. No effect on a killed tree."""
        ...

    def kill(self, timeout_s: float) -> HandleReport:
        """End every process, also frozen ones; idempotent; legal in every state."""
        ...

    def verify(self) -> HandleReport:
        """Count what is alive now; `survivors` 0 means nothing is left."""
        ...
