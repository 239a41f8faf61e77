"""One generation: review, decide, record, apply, answer; then, with the guest frozen, held-out data.

The order is the safety argument (docs/design/0001). Nothing is applied before its acceptance is on
disk and every detector has seen it; nothing is answered before everything behind the answer is on disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from subcritical.clock import Clock
from subcritical.errors import QuarantineError
from subcritical.gateway import Gateway, Reviewed, Tally, roll_back
from subcritical.ids import Ids
from subcritical.loop.evaluation import Outcome, Scored
from subcritical.loop.evaluation.pair import Watch
from subcritical.loop.fitness import Fitness
from subcritical.loop.guest import Answer, Guest, Submission
from subcritical.loop.judge import Judge
from subcritical.loop.keeping import Keeping
from subcritical.loop.lineage import GATEWAY, NOT_APPLIED, UNDOING, UNDONE, Lineage
from subcritical.loop.measuring import after_version
from subcritical.loop.people import People
from subcritical.loop.selection import better
from subcritical.loop.subsets import SubsetAudit
from subcritical.pipeline import Pipeline
from subcritical.schema import Approval, Artifact, ArtifactChange, Control, Event, EventData, Message, Score, Split

_SLEEP_S = 0.002
_THROTTLED = "throttled: no more accepted changes before the next recorded review"

Verdict = Literal["accepted", "refused", "not_kept"]


class Step:
    """Takes submissions of one guest, one after another.

    Args:
        pipeline: Records, detects, trips and acts.
        gateway: The only door for a change.
        people: Who approves what the gateway does not let through alone.
        judge: Trusted scores.
        lineage: What is known about the line of versions; written here.
        fitness: What selection goes by, where it is not the public score alone.
        keeping: Whether a change that is in force stays, where the loop says more than that it was better once.
        subsets: Audit of training data choices, where the loop declares one.
        watch: Waits while people hold the run, raises when it must not go on.
        system: Name of the system; signs its proposals.
        clock: Time of held-out slots.
        ids: Names proposals.
        told: Called with the verdict when the guest has its answer.
        confirm_lease: Raises if the run is no longer ours; called right before a change is applied.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        gateway: Gateway,
        people: People,
        judge: Judge,
        lineage: Lineage,
        fitness: Fitness | None,
        keeping: Keeping | None,
        subsets: SubsetAudit | None,
        watch: Watch,
        system: str,
        clock: Clock,
        ids: Ids,
        told: Callable[[str], None],
        confirm_lease: Callable[[], None],
    ) -> None:
        """Bind the parts."""
        self._pipeline = pipeline
        self._gateway = gateway
        self._people = people
        self._judge = judge
        self._lineage = lineage
        self._fitness = fitness
        self._keeping = keeping
        self._subsets = subsets
        self._watch = watch
        self._system = system
        self._clock = clock
        self._ids = ids
        self._told = told
        self._confirm_lease = confirm_lease
        self._seed_weights = b""
        self.accepted = ""
        """The proposal that is accepted and not applied yet."""

    def take(self, guest: Guest, submission: Submission) -> None:
        """Judge one submission and answer the guest."""
        self._lineage.generation += 1
        reviewed = self._gateway.review(
            submission.collected.files,
            proposal=self._ids.record("p"),
            requester=self._system,
            claim=submission.claim,
            reported=submission.reported,
            refused_paths=submission.collected.refused,
        )
        proposed = self._event(reviewed.proposal)
        if self._fitness:
            self._fitness.begin(proposed, waived=len(reviewed.waived))
        if self._keeping:
            self._keeping.begin(proposed.seq)
        self._record_claim(submission, reviewed)
        self._record_subsets(reviewed)
        if self._gateway.guard.enforce:
            self._process()
        if reviewed.waived and self._gateway.quorum.mode == "warn":
            self._told(f"WARNING: the policy would refuse {'; '.join(reviewed.waived)}"[:1000])
        if not reviewed.allowed:
            self._settle(reviewed, "refused", "gateway", reviewed.refusals)
            self._answer(guest, self._answer_of("refused", reviewed.refusals, None))
            return
        files = self._gateway.runnable(reviewed.tree)
        outcome = self.score_public(reviewed.proposal.proposal, reviewed.tree, files)
        verdict, reasons = self._select(guest, reviewed, outcome)
        answer = self._answer_of(verdict, reasons, outcome)
        if verdict == "accepted" and self._judge.has_held_out:
            self._held_out_slot(guest, reviewed, files, outcome, answer)
        else:
            self._answer(guest, answer)

    def score_public(self, proposal: str, tree: str, files: Mapping[str, bytes]) -> Outcome:
        """Score a version on the public split and record it."""
        own = {}
        if not self._gateway.guard.pristine_evaluator:
            own = self._gateway.artifacts(tree, Artifact.EVALUATOR)
        outcome = self._judge.public(files, own, self._watch)
        self.record(outcome, Split.PUBLIC, proposal, tree)
        return outcome

    def record(self, outcome: Outcome, split: Literal[Split.PUBLIC, Split.HELD_OUT], proposal: str, tree: str) -> None:
        """Record what an evaluation gave."""
        for data in self._judge.record(outcome, split=split, proposal=proposal, tree=tree):
            self._event(data)
            if isinstance(data, Score):
                self._lineage.note(data)

    def remember_seed(self, files: Mapping[str, bytes]) -> None:
        """Keep the seed version's choice of training data, the reference of later ones."""
        if self._subsets is not None:
            self._seed_weights = files.get(self._subsets.weights_path, b"")

    def _select(self, guest: Guest, reviewed: Reviewed, outcome: Outcome) -> tuple[Verdict, tuple[str, ...]]:
        """Accept and apply, or say why not: selection first, so people are asked about what has been tested."""
        if outcome.scored is None or not self._keeps(outcome.scored):
            untested = f"{outcome.status}: {outcome.detail}"
            judged = "the fitness" if self._fitness else "the public score"
            why = f"{judged} is not strictly better" if outcome.scored else untested
            return self._settle(reviewed, "not_kept", "selection", (why,))
        self._process()  # what people are asked about is on disk, and judged by every detector
        tally, why = self._people.settle(guest, reviewed, lambda: self._accept(reviewed))
        if why == _THROTTLED:
            return self._settle(reviewed, "not_kept", "selection", (why,))
        if why:
            return self._settle(reviewed, "refused", "people", (why,))
        denied = self._apply(reviewed, tally)
        if denied:
            return "refused", denied
        undone = self._taken_back(reviewed) if self._keeping else ""
        if undone:
            return "not_kept", (undone,)
        self._lineage.best = self._lineage.scores[Split.PUBLIC][-1].value
        return "accepted", ()

    def _taken_back(self, reviewed: Reviewed) -> str:
        """Measure the change in force, and take it back if it is not what it was accepted for; why, or nothing."""
        again = None
        if self._keeping and self._keeping.again:
            again = self.score_public(reviewed.proposal.proposal, reviewed.tree, self._gateway.runnable(reviewed.tree))
        self._process()
        why = self._keeping.against(self._lineage.best, again) if self._keeping else ""
        if not why:
            return ""
        name = reviewed.proposal.proposal
        self._event(Message(source=GATEWAY, text=f"{name} is taken back: {why}"))
        self._event(Control(order=UNDOING, by=GATEWAY, reason=reviewed.base))
        accepted, head = frozenset(self._lineage.accepted), None
        while head is None:
            self._process()
            head = roll_back(
                self._gateway.store, to_tree=reviewed.base, accepted=accepted, order=name, last_step=self._last_step
            )
        self._event(Control(order=UNDONE, by=GATEWAY, reason=reviewed.base))
        self._lineage.go_back(reviewed.base)
        return f"taken back: {why}"

    def _keeps(self, scored: Scored) -> bool:
        if self._fitness is None:
            return better(scored.value, self._lineage.best, scored.direction)
        self._process()  # what the detectors say about this version is part of its fitness
        return better(self._fitness.of(scored), self._lineage.best, scored.direction)

    def _apply(self, reviewed: Reviewed, tally: Tally) -> tuple[str, ...]:
        """Put an accepted version in force: not while the run is held, and not after it was stopped.

        Returns:
            Why it was not put in force: what it changes was put in quarantine in between. Else nothing.
        """
        applied = None
        self.accepted = reviewed.proposal.proposal
        try:
            while applied is None:
                self._process()
                applied = self._gateway.apply(reviewed, tally, last_step=self._last_step)
        except QuarantineError as error:
            self._event(Control(order=NOT_APPLIED, by=GATEWAY, reason=self.accepted))
            self.accepted = ""
            return (str(error),)
        self.accepted = ""
        self._lineage.accept(reviewed.tree)
        return ()

    def _last_step(self, move: Callable[[], None]) -> bool:
        def still_ours() -> None:
            self._confirm_lease()
            move()

        return self._pipeline.apply(still_ours)

    def _accept(self, reviewed: Reviewed) -> str | None:
        """Record the acceptance; why that cannot be until the next review, or None: not while the run is held."""
        approval = Approval(
            proposal=reviewed.proposal.proposal,
            tree=reviewed.tree,
            verdict="accepted",
            by="people" if reviewed.demands else "selection",
            reasons=reviewed.waived,
        )
        denied = self._gateway.quarantined(reviewed)
        if denied:
            return "; ".join(denied)
        if self._pipeline.accept(approval, generation=self._lineage.generation) is not None:
            return ""
        return None if self._pipeline.latch.down else _THROTTLED

    def _held_out_slot(
        self, guest: Guest, reviewed: Reviewed, files: Mapping[str, bytes], public: Outcome, answer: Answer
    ) -> None:
        """Answer, and look at held-out data while the guest is frozen for a time that public data fixed."""
        slot_ns = int(self._judge.slot_s(public) * 1e9)
        guest.hold()
        try:
            self._answer(guest, answer)
            self._judge.settle(self._watch)
            began_ns, paused_ns = self._clock.boot_ns(), self._watch.paused_ns()
            outcome = self._judge.held_out(files, self._watch, slot_ns / 1e9)
            self.record(outcome, Split.HELD_OUT, reviewed.proposal.proposal, reviewed.tree)
            held_out = self._lineage.held_out()
            for measurement in after_version(self._lineage.scores[Split.PUBLIC][-1], held_out[-1], held_out[0]):
                self._pipeline.measurement(measurement)
            self._pipeline.process()
            self._wait_for_slot_end(began_ns, paused_ns, slot_ns)
        finally:
            guest.release()
            self._judge.after_slot()

    def _wait_for_slot_end(self, began_ns: int, paused_ns: int, slot_ns: int) -> None:
        """Wait for the end of the slot. If cleaning up took longer, only whole further slots can be noticed."""
        used_ns = self._clock.boot_ns() - began_ns - (self._watch.paused_ns() - paused_ns)
        end_ns = slot_ns * (1 + used_ns // slot_ns)
        while used_ns < end_ns:
            self._watch.check()
            time.sleep(_SLEEP_S)
            used_ns = self._clock.boot_ns() - began_ns - (self._watch.paused_ns() - paused_ns)

    def _settle(
        self, reviewed: Reviewed, verdict: Verdict, by: str, reasons: tuple[str, ...]
    ) -> tuple[Verdict, tuple[str, ...]]:
        self._event(
            Approval(proposal=reviewed.proposal.proposal, tree=reviewed.tree, verdict=verdict, by=by, reasons=reasons)
        )
        return verdict, reasons

    def _answer_of(self, verdict: Verdict, reasons: tuple[str, ...], outcome: Outcome | None) -> Answer:
        scored = outcome.scored if outcome else None
        return Answer(
            verdict=verdict,
            score=scored.value if scored else None,
            n=scored.n if scored else None,
            fitness=(self._fitness.of(scored) if scored else None) if self._fitness else msgspec.UNSET,
            reason="; ".join(reasons),
            generation=self._lineage.generation,
        )

    def _answer(self, guest: Guest, answer: Answer) -> None:
        self._process()
        if self._fitness:
            self._pipeline.measurement(self._fitness.settle())
        guest.answer(answer)
        self._told(answer.verdict)

    def _process(self) -> None:
        """Everything recorded so far is on disk and judged; nobody holds the run."""
        findings = self._pipeline.process()
        if self._fitness:
            self._fitness.charge(findings)
        if self._keeping:
            self._keeping.see(findings)
        self._watch.check()

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
                direction=self._lineage.direction,
                status="invalid" if submission.reported_problem else "ok",
                detail=submission.reported_problem,
            )
        )

    def _record_subsets(self, reviewed: Reviewed) -> None:
        """Say what a changed choice of training data means for what it is judged on."""
        audit = self._subsets
        for change in reviewed.proposal.changes:
            if audit is None or change.path != audit.weights_path or change.after is None:
                continue
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

    def _event(self, data: EventData) -> Event:
        return self._pipeline.event(data, generation=self._lineage.generation)
