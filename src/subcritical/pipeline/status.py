"""What a run says about itself, and how it says that it is over."""

from __future__ import annotations

from collections import deque

import msgspec

from subcritical.errors import SubcriticalError
from subcritical.schema import Approval, Ballot, Control, Event, Finding, Order, Record, RunState, Severity
from subcritical.tripwires import BY_PREFIX, ROLLED_BACK, START, Latch

OURSELVES = frozenset({"pipeline", "latch"})
"""Names with which the supervisor signs orders of its own."""

_LAST_FINDINGS = 20
_KILLS = frozenset({Order.STOP, Order.QUARANTINE})


class FindingLine(msgspec.Struct, frozen=True, kw_only=True):
    """One finding in a status. The title comes from a detector and may quote hostile text."""

    id: str
    severity: Severity
    detector: str
    technique: str | None
    title: str
    generation: int


class Status(msgspec.Struct, frozen=True, kw_only=True, tag="status", tag_field="reply"):
    """Where a run stands now.

    `down`: nothing may be applied, for `reasons`. `resume_needs`: ids a resume has to name.
    `contained` is False while something may still run although it was ordered not to.
    `unrecorded` counts records the journal has not taken yet. `waits_for_people` names proposals that
    need votes. `mark` is the id of the latest order. `denied`: patterns of paths in quarantine.
    """

    run: str
    state: RunState
    generation: int
    rung: str
    down: bool
    reasons: tuple[str, ...]
    resume_needs: tuple[str, ...]
    throttle: int | None
    accepted_since_review: int
    may_accept: bool
    roll_back: str | None
    contained: bool
    findings: tuple[FindingLine, ...]
    findings_in_all: int
    unrecorded: int
    waits_for_people: tuple[str, ...] = ()
    mark: str = ""
    denied: tuple[str, ...] = ()


class Stopped(SubcriticalError):  # noqa: N818 - the end of a run is news, not always an error
    """The run was killed; nothing goes on.

    Attributes:
        by: Who or what ordered it.
        reason: Why.
        contained: Whether the kernel confirmed that nothing runs any more.
        exit_code: 130 by a person, 5 by a tripwire, 6 where not contained.
    """

    def __init__(self, *, by: str, reason: str, contained: bool, by_person: bool) -> None:
        """Say who stopped it, why, and whether it is proven."""
        ending = "" if contained else "; NOT CONTAINED: processes may still run"
        super().__init__(f"stopped by {by}: {reason}{ending}")
        self.by = by
        self.reason = reason
        self.contained = contained
        self.exit_code = 6 if not contained else 130 if by_person else 5


class Seen:
    """What a run has recorded so far, as far as a status shows it. Written by the loop's thread."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.generation = 0
        self._recent: deque[Finding] = deque(maxlen=_LAST_FINDINGS)
        self._counted = 0
        self._asked: dict[str, None] = {}

    def add(self, record: Record) -> None:
        """Take one more record into account."""
        if isinstance(record, Event):
            self.generation = max(self.generation, record.generation)
            if isinstance(record.data, Ballot) and record.data.step == "open":
                self._asked[record.data.proposal] = None
            elif isinstance(record.data, Control) and record.data.order in (START, ROLLED_BACK):
                self._asked.clear()  # the guest begins anew, and with it what it asks for
            elif isinstance(record.data, Approval):
                self._asked.pop(record.data.proposal, None)
        elif isinstance(record, Finding):
            self._recent.append(record)
            self._counted += 1

    def status(self, *, run: str, latch: Latch, rung: str, contained: bool, unrecorded: int) -> Status:
        """The status of a run with this latch."""
        return Status(
            run=run,
            state=latch.state,
            generation=self.generation,
            rung=rung,
            down=latch.down,
            reasons=latch.reasons,
            resume_needs=latch.findings,
            throttle=latch.throttle,
            accepted_since_review=latch.accepted,
            may_accept=latch.may_accept,
            roll_back=latch.roll_back,
            contained=contained,
            findings=tuple(_line(finding) for finding in self._recent.copy()),
            findings_in_all=self._counted,
            unrecorded=unrecorded,
            waits_for_people=tuple(self._asked),
            mark=latch.mark,
            denied=latch.denied,
        )


def _line(finding: Finding) -> FindingLine:
    return FindingLine(
        id=finding.id,
        severity=finding.severity,
        detector=finding.detector,
        technique=finding.technique,
        title=finding.title,
        generation=finding.generation,
    )


def stopped_by(latch: Latch, *, contained: bool) -> Stopped:
    """How a run with this latch came to its end: the last order that killed it, or else that held it."""
    causes = [cause for cause in latch.causes if cause.order in _KILLS] or list(latch.causes)
    if not causes:
        return Stopped(by="pipeline", reason=f"the run is {latch.state}", contained=contained, by_person=False)
    by = causes[-1].by
    person = not by.startswith(BY_PREFIX) and by not in OURSELVES
    return Stopped(by=by, reason=causes[-1].reason, contained=contained, by_person=person)
