"""The handle of a gate: it holds calls, not processes, and says so."""

from __future__ import annotations

from subcritical.clock import Clock
from subcritical.schema import HandleReport

_HELD = "no tool call is approved from now on; what was approved before may still be running"
_NOT_OURS = "no tool call is approved any more; the agent's process is its host's to end"


class Holding:
    """What a pause and a stop of a gate can do.

    A pause is verified: the gate itself keeps it. A stop is not: the gate did not start the agent and cannot end it, so
    the run counts as not contained (exit code 6) until its host has ended it.
    """

    rung = "gate"

    def __init__(self, clock: Clock) -> None:
        """Nothing is held."""
        self._clock = clock

    def freeze(self, timeout_s: float) -> HandleReport:
        """Hold every call."""
        del timeout_s
        return self._report(_HELD, verified=True)

    def thaw(self) -> HandleReport:
        """Judge calls again."""
        return self._report("calls are judged again", verified=True)

    def kill(self, timeout_s: float) -> HandleReport:
        """Hold every call for good."""
        del timeout_s
        return self._report(_NOT_OURS, verified=False)

    def verify(self) -> HandleReport:
        """Nothing is known about the agent's processes."""
        return self._report(_NOT_OURS, verified=False)

    def _report(self, detail: str, *, verified: bool) -> HandleReport:
        now = self._clock.boot_ns()
        return HandleReport(
            verified=verified,
            quiesced_ns=now,
            confirmed_ns=now if verified else 0,
            processes=0,
            survivors=-1,
            detail=detail,
        )
