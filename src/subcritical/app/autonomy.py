"""The scaling gate over a running loop: what it allows decides how many changes may be accepted between two reviews.

The level in force falls as soon as the gate allows less; it never rises by itself. More autonomy is a person's order,
or a new run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from subcritical.app.gating import check, day_now
from subcritical.errors import InputError, SubcriticalError
from subcritical.loop.loopfile import Loop
from subcritical.pipeline import Pipeline
from subcritical.policy import Decision, Outcome, Subject, day
from subcritical.policy.cedar import AutonomyRequest, permits
from subcritical.schema import Message, Order

SOURCE = "scaling gate"


class GatedAutonomy:
    """Decides at the start, and again after every generation, and tightens the throttle by it.

    Args:
        loop: With a section `autonomy`.

    Raises:
        InputError: The gate halts, allows no level that the loop file gives changes for, or cannot be decided.
    """

    def __init__(self, loop: Loop) -> None:
        """Decide once, before anything starts."""
        settings = loop.settings.autonomy
        if settings is None:
            raise AssertionError("asked for a gate that the loop file does not have")
        self._loop, self._settings = loop, settings
        self._pipeline: Pipeline | None = None
        self.decision = self._decide()
        self.level = self._level(self.decision)
        if self.decision.outcome is Outcome.HALT or not self.level:
            why = "; ".join(self.decision.reasons) or "no level is allowed"
            raise InputError(f"{loop.path}: autonomy: the gate {settings.gate} says {self.decision.outcome}: {why}")

    def _decide(self) -> Decision:
        settings = self._settings
        gate = self._loop.resolve(settings.gate)
        found, _, decision = check(
            str(gate) if gate.is_file() else settings.gate,
            autonomy=settings.level,
            evidence=self._loop.resolve(settings.evidence),
            subject=Subject(
                name=settings.subject, digest=settings.digest, effective_compute=settings.effective_compute
            ),
            signers=self._path(settings.signers),
            log=self._path(settings.log),
            today=None,
            events=(),
        )
        self._expires = day(found.expires).toordinal()
        return decision

    def _level(self, decision: Decision) -> int:
        """The highest level in reach that the policy permits by this verdict; 0 for none.

        Levels ask for ever more, so what allows a level allows those below it.
        """
        settings = self._settings
        allowed = decision.outcome is not Outcome.HALT and decision.highest_allowed > 0
        for level in range(min(settings.level, len(settings.changes)), 0, -1):
            request = AutonomyRequest(
                autonomy=level,
                digest=settings.digest,
                day=day(day_now()).toordinal(),
                verdict=str(Outcome.ALLOW) if allowed else str(decision.outcome),
                verdict_autonomy=decision.highest_allowed,
                verdict_subject=settings.digest,
                verdict_expires=self._expires,
            )
            if permits(request):
                return level
        return 0

    def _path(self, name: str | None) -> Path | None:
        return None if name is None else self._loop.resolve(name)

    @contextlib.contextmanager
    def over(self, pipeline: Pipeline) -> Iterator[None]:
        """Throttle a run by the level in force, for as long as it goes on."""
        self._pipeline = pipeline
        self._tighten(self.level, "at the start")
        try:
            yield
        finally:
            self._pipeline = None

    def again(self) -> None:
        """Decide again: evidence ages, gates expire, files change. An undecidable gate allows nothing."""
        if self._pipeline is None:
            return
        try:
            decision = self._decide()
        except SubcriticalError as error:
            self._hold(f"the gate can no longer be decided: {error}")
            return
        if decision.outcome is Outcome.HALT:
            self._hold(f"the gate halts: {'; '.join(decision.reasons)}")
            return
        level = self._level(decision)
        if level < self.level:
            self.decision, self.level = decision, level
            if level:
                self._tighten(level, "; ".join(decision.reasons))
            else:
                self._hold(f"the gate allows no level any more: {'; '.join(decision.reasons)}")

    def _tighten(self, level: int, why: str) -> None:
        pipeline, changes = self._pipeline, self._settings.changes[level - 1]
        if pipeline is None:
            return
        gate = f"gate {self.decision.gate} for {self.decision.subject}"
        text = f"autonomy {level} by {gate}: {changes} changes a review; {why}"
        pipeline.event(Message(source=SOURCE, text=text), generation=0)
        limit = pipeline.latch.throttle
        if limit is None or changes < limit:
            pipeline.order(Order.THROTTLE, by=SOURCE, reason=text, argument=str(changes))

    def _hold(self, why: str) -> None:
        pipeline = self._pipeline
        if pipeline is None or pipeline.latch.down:
            return
        pipeline.event(Message(source=SOURCE, text=why[:4000]), generation=0)
        pipeline.stand_still(f"{SOURCE}: {why}")
