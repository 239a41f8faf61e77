"""One run of a guarded loop, generation by generation.

The order within a generation is the safety argument (docs/design/0001): record, then decide, then
apply; answer the guest with public results; only then, with the guest frozen, look at held-out data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from subcritical.clock import Clock
from subcritical.errors import SubcriticalError
from subcritical.gateway import Gateway, Head, Reviewed, roll_back
from subcritical.ids import Ids
from subcritical.loop.evaluation import Outcome
from subcritical.loop.guest import Answer, Ended, Guest, Submission
from subcritical.loop.judge import Judge
from subcritical.loop.selection import keeps
from subcritical.loop.subsets import SubsetAudit
from subcritical.pipeline import Pipeline, Stopped
from subcritical.pipeline.status import OURSELVES
from subcritical.sandbox import Containment
from subcritical.schema import (
    Approval,
    Artifact,
    ArtifactChange,
    Control,
    Direction,
    Event,
    EventData,
    Message,
    Resource,
    Score,
    Split,
)
from subcritical.tripwires import BY_PREFIX, PREVIOUS

_SLEEP_S = 0.002
_MAX_TEXT = 4000

Status = Literal["finished", "tripped", "stopped", "failed"]


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Where the run ends: generations, public evaluations, and seconds (paused time not counted)."""

    generations: int
    evaluations: int
    wall_s: float


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the run stands, for whoever shows it."""

    generation: int
    of: int
    accepted: int
    public: float | None
    verdict: str
    findings: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended. `why` is one sentence."""

    status: Status
    why: str
    generations: int
    accepted: int


class _Tripped(Exception):  # noqa: N818 - a way to end, not an error
    """A latch is down and nobody is going to release it."""


class _RolledBack(Exception):  # noqa: N818 - a way to start over, not an error
    """The version in force was exchanged while the run stood still."""


def by_person(by: str) -> bool:
    """Whether an order was given by a person, who will also know when to release it."""
    return not by.startswith(BY_PREFIX) and by not in OURSELVES


class Runner:
    """Drives one guest through its generations.

    Args:
        pipeline: Records, detects, trips and acts.
        gateway: The only door for a change.
        judge: Trusted scores.
        start_guest: Starts the guest on the files of a version; `hello` is what it is told.
        subsets: Audit of training data choices, where the loop declares one.
        bounds: Where the run ends.
        wait_when_paused: Wait for people when a latch is down; otherwise end the run as tripped.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        gateway: Gateway,
        judge: Judge,
        containment: Containment,
        start_guest: Callable[[Mapping[str, bytes], Mapping[str, Any]], Guest],
        subsets: SubsetAudit | None,
        bounds: Bounds,
        system: str,
        seed: int,
        clock: Clock,
        ids: Ids,
        wait_when_paused: bool,
        progress: Callable[[Progress], None],
    ) -> None:
        """Bind the parts; nothing runs yet."""
        self._pipeline = pipeline
        self._gateway = gateway
        self._judge = judge
        self._containment = containment
        self._start_guest = start_guest
        self._subsets = subsets
        self._bounds = bounds
        self._system = system
        self._seed = seed
        self._clock = clock
        self._ids = ids
        self._wait_when_paused = wait_when_paused
        self._progress = progress
        self._guest: Guest | None = None
        self._generation = 0
        self._accepted: list[str] = []
        self._best: float | None = None
        self._direction: Direction = "up"
        self._seed_weights = b""
        self._started_ns = clock.boot_ns()
        self._findings = 0
        self._rolled_back = False

    # -- what a blocked wait looks at (`Watch`) ------------------------------------------------------

    def check(self) -> None:
        """Wait while people hold the run; raise if it was stopped, tripped with nobody waiting, or rolled back."""
        self._pipeline.alive()
        latch = self._pipeline.latch
        if not latch.down:
            return
        if not self._wait_when_paused and any(not by_person(cause.by) for cause in latch.causes):
            raise _Tripped
        self._pipeline.gate(self._roll_back)
        if self._rolled_back:
            raise _RolledBack

    def paused_ns(self) -> int:
        """Frozen time, charged to no limit."""
        return self._containment.paused_ns()

    # -- the run -------------------------------------------------------------------------------------

    def run(self) -> Result:
        """From the seed to the last generation."""
        try:
            self._pipeline.start(by="loop", reason=f"version {self._head().version} is in force: {self._head().tree}")
            self.check()
            self._judge.start()
            self._prepare()
            while True:
                try:
                    why = self._lineage()
                except _RolledBack:
                    self._score_after_roll_back()
                    continue
                return self._result("finished", why)
        except _Tripped:
            causes = "; ".join(self._pipeline.latch.reasons) or "a tripwire fired"
            return self._result("tripped", causes)
        except Stopped as stopped:
            return self._result("stopped", str(stopped))
        finally:
            self._end_guest()
            self._judge.close()

    def restore(self, events: list[Event]) -> None:
        """Take up a run from its journal: generation, accepted versions, best public score, counts."""
        for event in events:
            self._generation = max(self._generation, event.generation)
            data = event.data
            if isinstance(data, Score) and data.split in self._judge.evaluations:
                self._judge.evaluations[data.split] = max(self._judge.evaluations[data.split], data.evaluation)
            if isinstance(data, Score) and data.proposal == "seed" and not self._accepted:
                self._accepted.append(data.tree)
            if isinstance(data, Approval) and data.verdict == "accepted":
                self._accepted.append(data.tree)
        head = self._gateway.store.head()
        scores = [e.data for e in events if isinstance(e.data, Score) and e.data.split is Split.PUBLIC]
        self._best = next(
            (s.value for s in reversed(scores) if head and s.tree == head.tree and s.value is not None), None
        )

    def _result(self, status: Status, why: str) -> Result:
        return Result(status=status, why=why, generations=self._generation, accepted=max(0, len(self._accepted) - 1))

    def _prepare(self) -> None:
        """Score the version in force before any guest runs."""
        head = self._head()
        files = self._gateway.store.tree(head.tree)
        if self._subsets is not None:
            self._seed_weights = files.get(self._subsets.weights_path, b"")
        if self._best is not None:
            return
        self._accepted.append(head.tree)
        public = self._judge.public(files, self._evaluator_of(head.tree), self)
        self._record(public, "public", head.proposal, head.tree)
        if public.scored is None:
            self._pipeline.process()
            raise SubcriticalError(
                f"the seed version could not be scored ({public.status}: {public.detail}); "
                "run the evaluator on the workspace by hand, then start again"
            )
        self._best, self._direction = public.scored.value, public.scored.direction
        if self._judge.has_held_out:
            held_out = self._judge.calibrate(files, self, public)
            self._record(held_out, "held_out", head.proposal, head.tree)
        self._pipeline.process()

    def _lineage(self) -> str:
        """Start the guest on the version in force and go on until it ends or a limit is reached."""
        self.check()
        head = self._head()
        hello = {
            "system": self._system,
            "generation": self._generation,
            "score": self._best,
            "generations_left": self._bounds.generations - self._generation,
            "seed": self._seed,
        }
        self._guest = self._start_guest(self._gateway.store.tree(head.tree), hello)
        while True:
            limit = self._limit_reached()
            if limit:
                return limit
            submission = self._guest.next(self)
            if isinstance(submission, Ended):
                return self._guest_ended(submission)
            self._generation += 1
            self._one_generation(submission)

    def _limit_reached(self) -> str:
        used_s = (self._clock.boot_ns() - self._started_ns - self.paused_ns()) / 1e9
        for what, used, limit, unit in (
            ("generations", self._generation, self._bounds.generations, "generations"),
            ("evaluations", self._judge.evaluations["public"], self._bounds.evaluations, "evaluations"),
            ("wall", used_s, self._bounds.wall_s, "s"),
        ):
            if used >= limit:
                self._event(Resource(what=what, used=used, limit=limit, unit=unit, hit=True, where="loop"))
                self._pipeline.process()
                return f"limit reached: {what} ({limit:g} {unit})"
        return ""

    def _guest_ended(self, ended: Ended) -> str:
        output = self._guest.output() if self._guest else None
        if output is not None and (output.stdout or output.stderr):
            text = (output.stdout + output.stderr).decode("utf-8", "backslashreplace")
            self._event(
                Message(source="guest", text=text[-_MAX_TEXT:], truncated=len(text) > _MAX_TEXT or output.truncated)
            )
        for limit in ended.limits_hit:
            self._event(Resource(what=limit, used=0, limit=None, unit="", hit=True))
        self._event(Control(order="guest_ended", by="guest", reason=ended.reason))
        self._pipeline.process()
        return ended.reason

    def _one_generation(self, submission: Submission) -> None:
        proposal = self._ids.record("p")
        reviewed = self._gateway.review(
            submission.collected.files,
            proposal=proposal,
            requester=self._system,
            claim=submission.claim,
            reported=submission.reported,
            refused_paths=submission.collected.refused,
        )
        self._event(reviewed.proposal)
        self._record_claim(submission, reviewed)
        self._record_subsets(reviewed)
        if self._gateway.guard.enforce:
            self._findings += len(self._pipeline.process())
            self.check()
        if not reviewed.allowed:
            self._settle(reviewed, "refused", "gateway", reviewed.refusals)
            self._tell(
                Answer(
                    verdict="refused",
                    score=None,
                    n=None,
                    reason="; ".join(reviewed.refusals),
                    generation=self._generation,
                )
            )
            return
        self._score_and_select(reviewed)

    def _score_and_select(self, reviewed: Reviewed) -> None:
        files = self._gateway.store.tree(reviewed.tree)
        outcome = self._judge.public(files, self._evaluator_of(reviewed.tree), self)
        self._record(outcome, "public", reviewed.proposal.proposal, reviewed.tree)
        scored = outcome.scored
        reasons: tuple[str, ...] = ()
        if scored is None:
            reasons = (f"{outcome.status}: {outcome.detail}",)
        elif not keeps(scored, self._best):
            reasons = ("the public score is not strictly better",)
        elif not self._pipeline.may_accept():
            reasons = ("throttled: no more accepted changes before the next recorded review",)
        accepted = not reasons
        if accepted and scored is not None:
            self._settle(reviewed, "accepted", "selection", ())
            self._findings += len(self._pipeline.process())
            self.check()
            self._gateway.apply(reviewed)
            self._accepted.append(reviewed.tree)
            self._best = scored.value
        else:
            self._settle(reviewed, "not_kept", "selection", reasons)
        answer = Answer(
            verdict="accepted" if accepted else "not_kept",
            score=scored.value if scored else None,
            n=scored.n if scored else None,
            reason="; ".join(reasons),
            generation=self._generation,
        )
        if accepted and self._judge.has_held_out:
            self._held_out_slot(reviewed, files, outcome, answer)
        else:
            self._tell(answer)

    def _held_out_slot(self, reviewed: Reviewed, files: Mapping[str, bytes], public: Outcome, answer: Answer) -> None:
        """Answer, and look at held-out data while the guest is frozen for a time that public data fixed."""
        slot_s = self._judge.slot_s(public)
        if self._guest is not None:
            self._guest.hold()
        began_ns, paused_ns = self._clock.boot_ns(), self.paused_ns()
        try:
            self._tell(answer)
            outcome = self._judge.held_out(files, self, slot_s)
            self._record(outcome, "held_out", reviewed.proposal.proposal, reviewed.tree)
            self._findings += len(self._pipeline.process())
            while self._clock.boot_ns() - began_ns - (self.paused_ns() - paused_ns) < slot_s * 1e9:
                self.check()
                time.sleep(_SLEEP_S)
        finally:
            if self._guest is not None:
                self._guest.release()

    def _settle(
        self, reviewed: Reviewed, verdict: Literal["accepted", "refused", "not_kept"], by: str, reasons: tuple[str, ...]
    ) -> None:
        self._event(
            Approval(proposal=reviewed.proposal.proposal, tree=reviewed.tree, verdict=verdict, by=by, reasons=reasons)
        )

    def _tell(self, answer: Answer) -> None:
        """Answer the guest; everything behind the answer is durable first."""
        self._findings += len(self._pipeline.process())
        self.check()
        if self._guest is not None:
            self._guest.answer(answer)
        self._progress(
            Progress(
                generation=self._generation,
                of=self._bounds.generations,
                accepted=max(0, len(self._accepted) - 1),
                public=self._best,
                verdict=answer.verdict,
                findings=self._findings,
            )
        )

    def _record(self, outcome: Outcome, split: Literal["public", "held_out"], proposal: str, tree: str) -> None:
        for data in self._judge.record(outcome, split=split, proposal=proposal, tree=tree):
            self._event(data)

    def _record_claim(self, submission: Submission, reviewed: Reviewed) -> None:
        if submission.reported is None and not submission.reported_problem:
            return
        self._event(
            Score(
                proposal=reviewed.proposal.proposal,
                tree=reviewed.tree,
                split=Split.REPORTED,
                metric="reported",
                value=submission.reported,
                direction=self._direction,
                status="invalid" if submission.reported_problem else "ok",
                detail=submission.reported_problem,
            )
        )

    def _record_subsets(self, reviewed: Reviewed) -> None:
        audit = self._subsets
        if audit is None or not any(change.path == audit.weights_path for change in reviewed.proposal.changes):
            return
        change = next(c for c in reviewed.proposal.changes if c.path == audit.weights_path)
        if change.after is None:
            return
        self._event(
            ArtifactChange(
                artifact=Artifact.DATA_SELECTION,
                path=change.path,
                before=change.before,
                after=change.after,
                proposal=reviewed.proposal.proposal,
                subsets=audit.uses(self._gateway.store.get(change.after), self._seed_weights),
            )
        )

    def _roll_back(self, wanted: str) -> None:
        """Kill the guest and move the head back. The pipeline calls this while the run stands still, and records it."""
        self._end_guest()
        head = self._head()
        target = self._before(head.tree) if wanted == PREVIOUS else wanted
        roll_back(
            self._gateway.store, to_tree=target, accepted=frozenset(self._accepted), order=self._ids.record("rollback")
        )
        self._rolled_back = True

    def _before(self, tree: str) -> str:
        """The version accepted before `tree`; the seed has none before it."""
        last = max((place for place, accepted in enumerate(self._accepted) if accepted == tree), default=0)
        return self._accepted[max(0, last - 1)]

    def _score_after_roll_back(self) -> None:
        """Selection goes on from the public score of the version that is in force now."""
        self._rolled_back = False
        head = self._head()
        public = self._judge.public(self._gateway.store.tree(head.tree), self._evaluator_of(head.tree), self)
        self._record(public, "public", head.proposal, head.tree)
        self._best = public.scored.value if public.scored else None
        self._pipeline.process()

    def _evaluator_of(self, tree: str) -> dict[str, bytes]:
        """A version's own copy of the evaluator; empty where the pristine one judges."""
        if self._gateway.guard.pristine_evaluator:
            return {}
        return self._gateway.artifacts(tree, Artifact.EVALUATOR)

    def _end_guest(self) -> None:
        if self._guest is not None:
            self._guest.close()
            self._guest = None

    def _head(self) -> Head:
        head = self._gateway.store.head()
        if head is None:
            raise SubcriticalError("no version is in force")
        return head

    def _event(self, data: EventData) -> None:
        self._pipeline.event(data, generation=self._generation)
