"""One run of a guarded loop: from the seed, generation by generation, to a limit, an order or a tripwire."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from subcritical.clock import Clock
from subcritical.errors import ContainmentError, SubcriticalError
from subcritical.gateway import BallotBox, Gateway, Head, roll_back
from subcritical.ids import Ids
from subcritical.loop.evaluation.pair import Watch
from subcritical.loop.fitness import Fitness
from subcritical.loop.guest import Ended, Guest
from subcritical.loop.judge import Judge
from subcritical.loop.keeping import Keeping
from subcritical.loop.lineage import GATEWAY, NOT_APPLIED, ROLLING_BACK, UNDONE, Lineage
from subcritical.loop.measuring import at_the_end
from subcritical.loop.outcome import Bounds, Progress, Result, Status
from subcritical.loop.people import People
from subcritical.loop.step import Step
from subcritical.loop.subsets import SubsetAudit
from subcritical.pipeline import Pipeline, Stopped
from subcritical.pipeline.status import OURSELVES
from subcritical.sandbox import Containment
from subcritical.schema import Control, Event, EventData, Measurement, Message, Resource, RunState, Split
from subcritical.tripwires import BY_PREFIX, NOT_ROLLED_BACK, PREVIOUS, ROLLED_BACK

_KILL_S = 5.0
_POLL_S = 0.1
_MAX_TEXT = 4000
_GONE = frozenset({RunState.KILLING, RunState.KILLED, RunState.FINISHED})

StartGuest = Callable[[Mapping[str, bytes], Mapping[str, Any], Watch], Guest]


class _Tripped(Exception):  # noqa: N818 - a way to end, not an error
    """A latch is down and nobody is going to release it."""


class _RolledBack(Exception):  # noqa: N818 - a way to start over, not an error
    """The version in force was exchanged while the run stood still."""


class Runner:
    """Drives one guest through its generations.

    Args:
        pipeline: Records, detects, trips and acts.
        gateway: The only door for a change.
        box: Where people's votes come in; None where nobody is enrolled.
        lineage: The line of versions; an empty one by default.
        judge: Trusted scores.
        containment: Everything the run starts.
        start_guest: Starts the guest on the files of a version; the second argument is what it is told.
        subsets: Audit of training data choices, where the loop declares one.
        bounds: Where the run ends.
        system: Name of the system.
        seed: What the guest is told to seed its dice with.
        measure_k: Measures k from accepted trees, where the improver has versions; else None.
        clock: The source of time.
        ids: Names proposals.
        wait_when_paused: Wait for people when a tripwire holds the run; otherwise end it as tripped.
        progress: Called after every generation.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        gateway: Gateway,
        box: BallotBox | None,
        lineage: Lineage | None = None,
        fitness: Fitness | None = None,
        keeping: Keeping | None = None,
        judge: Judge,
        containment: Containment,
        start_guest: StartGuest,
        subsets: SubsetAudit | None,
        bounds: Bounds,
        system: str,
        seed: int,
        measure_k: Callable[[Sequence[str]], Measurement] | None,
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
        self._bounds = bounds
        self._system = system
        self._seed = seed
        self._clock = clock
        self._ids = ids
        self._wait_when_paused = wait_when_paused
        self._progress = progress
        self._guest: Guest | None = None
        self._started_ns = clock.boot_ns()
        self._rolled_back = False
        self._not_applied = ""
        self._lineage = lineage or Lineage()
        self._k = (lambda: measure_k(self._lineage.accepted)) if measure_k else None
        self._people = People(
            gateway,
            box,
            epoch=lambda: pipeline.latch.epoch,
            watch=self,
            clock=clock,
            within_s=bounds.approvals_s,
            told=self._tell_progress,
        )
        self._step = Step(
            pipeline=pipeline,
            gateway=gateway,
            people=self._people,
            judge=judge,
            lineage=self._lineage,
            fitness=fitness,
            keeping=keeping,
            subsets=subsets,
            watch=self,
            system=system,
            clock=clock,
            ids=ids,
            told=self._tell_progress,
            confirm_lease=containment.confirm_lease,
        )

    # -- what a blocked wait looks at (`Watch`) ------------------------------------------------------

    def check(self) -> None:
        """Wait while people hold the run; raise if it was stopped, tripped with nobody waiting, or rolled back."""
        self._pipeline.alive()
        latch = self._pipeline.latch
        if not latch.down:
            return
        if latch.state in _GONE:
            self._pipeline.gate()
        if not self._wait_when_paused and any(not _by_person(cause.by) for cause in latch.causes):
            raise _Tripped
        self._pipeline.gate(self._roll_back)
        if self._rolled_back:
            raise _RolledBack

    def paused_ns(self) -> int:
        """Frozen time, charged to no limit."""
        return self._containment.paused_ns()

    # -- the run -------------------------------------------------------------------------------------

    def restore(self, events: list[Event]) -> None:
        """Take up a run from its journal."""
        self._not_applied = self._lineage.restore(events, self._head().tree)
        for split, scores in self._lineage.scores.items():
            self._judge.evaluations[split] = max((score.evaluation for score in scores), default=0)

    def run(self) -> Result:
        """From the version in force to the last generation."""
        try:
            head = self._head()
            self._pipeline.start(by="loop", reason=f"version {head.version} is in force: {head.tree}")
            if not self._lineage.accepted:
                self._lineage.accept(head.tree)
            if self._not_applied:
                self._event(Control(order=NOT_APPLIED, by=GATEWAY, reason=self._not_applied))
                self._pipeline.process()
            self._finish_taking_back()
            return self._result("finished", self._until_the_end())
        except _Tripped:
            return self._result("tripped", "; ".join(self._pipeline.latch.reasons) or "a tripwire fired")
        except Stopped as stopped:
            return self._result("stopped", str(stopped))
        except ContainmentError:
            # A start that a stop cut off fails before anyone looked at the latch.
            why = self._why_stopped()
            if not why:
                raise
            return self._result("stopped", why)
        finally:
            self._record_output()
            # Killed first: a start that waits for a paused run to go on would never return otherwise.
            self._containment.handle.kill(_KILL_S)
            self._end_guest()
            self._judge.close()

    def _until_the_end(self) -> str:
        """From the version in force on, and again from an older one whenever people go back to it; why it ended."""
        while True:
            try:
                self.check()
                self._judge.start()
                self._prepare()
                why = self._generations()
                self._measure_growth()
            except _RolledBack:
                self._rolled_back = False
                self._lineage.best = None
            else:
                return why

    def _why_stopped(self) -> str:
        """Who stopped the run; empty where nobody did."""
        if self._pipeline.latch.state not in _GONE:
            return ""
        try:
            self._pipeline.gate()
        except Stopped as stopped:
            return str(stopped)
        return ""

    def _result(self, status: Status, why: str) -> Result:
        return Result(status=status, why=why, generations=self._lineage.generation, accepted=self._lineage.changes)

    def _prepare(self) -> None:
        """Score the version in force before any guest runs, where selection has no public score of it to go on from."""
        head = self._head()
        files = self._gateway.runnable(head.tree)
        self._step.remember_seed(files)
        if self._lineage.best is not None:
            return
        first = not self._lineage.scores[Split.PUBLIC]
        public = self._step.score_public(head.proposal, head.tree, files)
        self._lineage.best = public.scored.value if public.scored else None
        if first and public.scored is None:
            self._pipeline.process()
            raise SubcriticalError(
                f"the seed version could not be scored ({public.status}: {public.detail}); "
                "run the evaluator on the workspace by hand, then start again"
            )
        if first and self._judge.has_held_out:
            held_out = self._judge.calibrate(files, self, public)
            self._step.record(held_out, Split.HELD_OUT, head.proposal, head.tree)
        self._pipeline.process()

    def _measure_growth(self) -> None:
        """Measure the whole lineage; k takes seconds to minutes, so it is waited for as for an evaluation."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="measure") as pool:
            pending = pool.submit(lambda: list(at_the_end(self._lineage.held_out(), self._k)))
            while not wait([pending], timeout=_POLL_S).done:
                self.check()
        for measurement in pending.result():
            self._pipeline.measurement(measurement)
        self._pipeline.process()

    def _generations(self) -> str:
        """Start the guest on the version in force and go on until it ends or a limit is reached."""
        self.check()
        hello = {
            "system": self._system,
            "generation": self._lineage.generation,
            "score": self._lineage.best,
            "generations_left": self._bounds.generations - self._lineage.generation,
            "seed": self._seed,
        }
        guest = self._guest = self._start_guest(self._gateway.store.tree(self._head().tree), hello, self)
        while True:
            limit = self._limit_reached()
            if limit:
                return limit
            submission = guest.next(self)
            if isinstance(submission, Ended):
                return self._guest_ended(submission)
            self._step.take(guest, submission)

    def _limit_reached(self) -> str:
        used_s = (self._clock.boot_ns() - self._started_ns - self.paused_ns() - self._people.waited_ns) / 1e9
        for what, used, limit, unit in (
            ("generations", self._lineage.generation, self._bounds.generations, "generations"),
            ("evaluations", self._judge.evaluations[Split.PUBLIC], self._bounds.evaluations, "evaluations"),
            ("wall", used_s, self._bounds.wall_s, "s"),
        ):
            if used >= limit:
                self._event(Resource(what=what, used=used, limit=limit, unit=unit, hit=True, where="loop"))
                self._pipeline.process()
                return f"limit reached: {what} ({limit:g} {unit})"
        return ""

    def _guest_ended(self, ended: Ended) -> str:
        self.check()  # a guest that was killed has not ended by itself
        for limit in ended.limits_hit:
            self._event(Resource(what=limit, used=0, limit=None, unit="", hit=True))
        self._event(Control(order="guest_ended", by="guest", reason=ended.reason))
        self._pipeline.process()
        return ended.reason

    def _record_output(self) -> None:
        """Keep the end of what the guest printed: hostile text, for people to read."""
        output = self._guest.output() if self._guest else None
        if output is not None and (output.stdout or output.stderr):
            text = (output.stdout + output.stderr).decode("utf-8", "backslashreplace")
            cut = len(text) > _MAX_TEXT or output.truncated
            self._event(Message(source="guest", text=text[-_MAX_TEXT:], truncated=cut))

    def _roll_back(self, wanted: str) -> str:
        """Kill the guest and move the head back. The pipeline calls this while the run stands still, and records it."""
        lineage = self._lineage
        # A rollback that a crash cut in two is done to the version that it was begun to, not to one before that.
        target = lineage.going_back or (lineage.previous if wanted == PREVIOUS else wanted)
        if target not in lineage.accepted:
            self._tell_progress(f"no rollback: {target[:80]} was never an accepted version")
            return NOT_ROLLED_BACK
        self._record_output()
        self._end_guest()
        if self._step.accepted:
            self._event(Control(order=NOT_APPLIED, by=GATEWAY, reason=self._step.accepted))
            self._step.accepted = ""
        self._event(Control(order=ROLLING_BACK, by=GATEWAY, reason=target))
        self._pipeline.process()
        roll_back(
            self._gateway.store,
            to_tree=target,
            accepted=frozenset(lineage.accepted),
            order=self._ids.record("rollback"),
        )
        lineage.go_back(target)
        lineage.going_back = lineage.taking_back = ""
        self._rolled_back = True
        return ROLLED_BACK

    def _finish_taking_back(self) -> None:
        """A change that was being taken back when the run died is taken back before anything else."""
        target = self._lineage.taking_back
        if not target or self._pipeline.latch.roll_back is not None:  # a person's rollback is done where the run stands
            return
        order = self._ids.record("undo")
        roll_back(self._gateway.store, to_tree=target, accepted=frozenset(self._lineage.accepted), order=order)
        self._event(Control(order=UNDONE, by=GATEWAY, reason=target))
        self._pipeline.process()
        self._lineage.go_back(target)
        self._lineage.taking_back, self._lineage.best = "", None

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
        self._pipeline.event(data, generation=self._lineage.generation)

    def _tell_progress(self, verdict: str) -> None:
        self._progress(
            Progress(
                generation=self._lineage.generation,
                of=self._bounds.generations,
                accepted=self._lineage.changes,
                public=self._lineage.best,
                verdict=verdict,
                findings=self._pipeline.status().findings_in_all,
            )
        )


def _by_person(by: str) -> bool:
    """Whether an order was given by a person, who will also know when to release it."""
    return not by.startswith(BY_PREFIX) and by not in OURSELVES
