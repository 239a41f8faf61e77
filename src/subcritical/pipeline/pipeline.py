"""The supervisor's heart: events to findings to tripwires to actions to receipts, composed once.

Every event is on disk before a detector sees it, every finding and every action of a rule before its
effect. Orders of people come from any thread and never wait for the thread that evaluates.

What this does not protect against: code in this process. Guests run in the sandbox, never here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from subcritical.actuators import Notify, Timeouts
from subcritical.clock import Clock
from subcritical.detectors import Detector
from subcritical.errors import InputError, LedgerError
from subcritical.ids import Ids
from subcritical.pipeline.judging import Judging
from subcritical.pipeline.orders import First, Orders, Wanted, loosens
from subcritical.pipeline.pulse import Heartbeats, Pulse
from subcritical.pipeline.recorder import Recorder, Writable
from subcritical.pipeline.status import OURSELVES, Seen, Status, stopped_by
from subcritical.pipeline.timing import Timing, fitted
from subcritical.schema import (
    Approval,
    Ballot,
    Control,
    Event,
    EventData,
    Finding,
    Handle,
    Heartbeat,
    Measurement,
    Order,
    Proposal,
    Receipt,
    Record,
    Review,
    RunState,
    visible,
)
from subcritical.tripwires import BY_PREFIX, START, Latch, Request, Tripwires

ResultT = TypeVar("ResultT")

_BATCH = 256
_MOST_UNPROCESSED = 2048
_KILL_RETRIES = 20
_HELD = (RunState.PAUSING, RunState.PAUSED)
_GONE = (RunState.KILLING, RunState.KILLED, RunState.FINISHED)


class Pipeline:
    """One run. `event` and `process` belong to the loop's thread, everything else to any thread.

    Whoever waits for something long (an evaluation, a guest) calls `alive` at least every
    `heartbeat_s`, otherwise silence rules take the loop for dead. Not for use in signal handlers.
    """

    def __init__(
        self,
        journal: Writable,
        detectors: Sequence[Detector],
        tripwires: Tripwires,
        handle: Handle,
        clock: Clock,
        *,
        run: str = "",
        ids: Ids | None = None,
        timing: Timing | None = None,
        notify: Notify | None = None,
        history: Sequence[Record] = (),
    ) -> None:
        """Compose a run; nothing acts before `start`.

        Args:
            journal: Where every record goes.
            detectors: Judge every event.
            tripwires: Judge every finding and measurement, and silence.
            handle: Everything the run starts, and nothing else.
            clock: The only source of time.
            run: Name shown in the status.
            ids: Makes action and finding ids.
            timing: Timeouts and intervals.
            notify: Shows one line to a person, escaped by the callee.
            history: Records of the same run's earlier process: latch, detectors and rules go on from them.
        """
        self._clock = clock
        self._ids = ids or Ids()
        self._timing = fitted(timing or Timing(), tripwires)
        self._judging = Judging(detectors, tripwires)
        self._handle = handle
        self._run = run or next((record.run for record in history), "")
        self._seen = Seen()
        latch = Latch()
        for record in history:
            latch = latch.apply(record)
            self._seen.add(record)
        self._recorder = Recorder(journal, latch)
        self._recorder.on_failure = self._journal_failed
        self._history = tuple(history)
        timeouts = Timeouts(freeze_s=self._timing.freeze_timeout_s, kill_s=self._timing.kill_timeout_s)
        self._orders = Orders(
            self._recorder,
            handle,
            clock,
            self._ids,
            # A rule engine that crashes on a receipt crashes on the next event too, and pauses then.
            observe=self._judging.observe,
            timeouts=timeouts,
            record_timeout_s=self._timing.record_timeout_s,
            notify=notify,
        )
        self._processing = threading.RLock()
        self._unprocessed = 0
        self._heartbeats = Heartbeats(clock.boot_ns(), self._timing.heartbeat_s)
        self._kill_retries = 0
        self._pulse: Pulse | None = None
        self._closed = False

    @property
    def latch(self) -> Latch:
        """What holds the run. `latch.down`: nothing may be applied."""
        return self._recorder.latch

    @property
    def state(self) -> RunState:
        """Where the run stands."""
        return self._recorder.latch.state

    @property
    def contained(self) -> bool:
        """False while something may still run although it was ordered not to: exit code 6."""
        return self._orders.failed is None

    def start(self, *, by: str = "pipeline", reason: str = "", threads: bool = True) -> None:
        """Record the start of the guest, which must have been launched, and take up what history left open.

        A run whose latch is down starts paused. With `threads` False nothing beats or writes in the
        background; the caller calls `tick` (tests with a fake clock).

        Raises:
            LedgerError, OSError: The journal cannot be written.
        """
        findings, requests = self._judging.take_up(self._history, _BATCH)
        self._history = ()
        self.event(Control(order=START, by=by, reason=reason), generation=self._seen.generation, producer="pipeline")
        self._guarded(self._recorder.commit)
        if threads:
            self._recorder.start()
            self._pulse = Pulse(self.tick, self._pulse_crashed, self._timing.tick_s)
        self.alive()
        if self.state is RunState.PAUSING:
            self._by_itself(Order.PAUSE, "latch", "the latch was down when the guest was started")
        for request in requests + self._judging.observe(self._record_findings(findings)):
            self._request(request, "record")
        if self._pulse is not None:
            self._pulse.start()

    def event(self, data: EventData, *, generation: int, producer: str = "loop") -> Event:
        """Record one observed fact; durable with the next `process`.

        Raises:
            InputError: The journal cannot hold it (a lone surrogate, more than 8 MiB).
            LedgerError, OSError: The journal cannot be written; the run has been paused.
        """
        # A loop that never processes would fill the memory; unjudged events are judged here then.
        if self._unprocessed >= _MOST_UNPROCESSED:
            self.process()
        event = Event(seq=0, time_ns=0, run="", producer=producer, generation=generation, data=data)
        recorded = self._guarded(partial(self._recorder.append, event))
        self._take_in(recorded)
        return recorded

    def accept(self, approval: Approval, *, generation: int) -> Event | None:
        """Record that a self-change is accepted, or None: a latch fell or the throttle is used up.

        Checked and recorded in one step, so no order can come between the two. Raises like `event`.
        """
        event = Event(seq=0, time_ns=0, run="", producer="loop", generation=generation, data=approval)
        recorded = self._guarded(partial(self._recorder.append_if, event, lambda latch: latch.may_accept))
        if recorded is not None:
            self._take_in(recorded)
        return recorded

    def apply(self, change: Callable[[], None]) -> bool:
        """Move the head, say, while no order can come in between; False, and not done, where a latch is down."""
        return self._orders.unless_held(change)

    def measurement(self, measurement: Measurement) -> Measurement:
        """Record a measurement; rules see it with the next `process`. Raises like `event`."""
        return self._guarded(partial(self._recorder.append, measurement))

    def review(self, by: str, reason: str) -> Event:
        """Record that a person looked. It opens the throttle for the next changes. Raises like `event`.

        Raises:
            InputError: Nobody is named.
        """
        if not by.strip():
            raise InputError("a review needs the name of the person who looked")
        return self._now(Review(by=by, reason=reason), "pipeline")

    def by_people(self, data: Ballot | Proposal | Control) -> Event:
        """Record what people are asked, what they say or want; on disk when this returns. Raises like `event`."""
        return self._now(data, "gateway")

    def process(self) -> list[Finding]:
        """Commit, judge what is new, let the rules act. Returns the new findings, all on disk.

        Raises:
            LedgerError, OSError: The journal cannot be written; the run has been paused.
        """
        findings: list[Finding] = []
        with self._processing:
            for _ in range(1 + _MOST_UNPROCESSED // _BATCH * 4):
                self._guarded(self._recorder.commit)
                batch = self._recorder.take(_BATCH)
                if not batch:
                    self._unprocessed = 0
                    break
                findings += self._judge(batch)
        self.alive("loop")
        return findings

    def order(
        self,
        order: Order,
        by: str,
        reason: str,
        findings: Sequence[str] = (),
        *,
        argument: str = "",
        dry_run: bool = False,
        mark: str = "",
    ) -> Receipt:
        """Carry out a person's order; from any thread, at any time, also while an evaluation runs.

        What contains happens before it is recorded, what loosens or changes only after. A refusal is
        a receipt with outcome `refused` and the reason in `detail`.
        """
        # A person cannot sign as a rule: rules may only tighten, and their latches outlive a start.
        by = f"somebody who calls himself {by}" if by.startswith(BY_PREFIX) or by in OURSELVES else by
        wanted = Wanted(order=order, by=by, reason=reason, findings=tuple(findings), argument=argument, mark=mark)
        if dry_run:
            return self._orders.preview(wanted)
        first: First = "must_record" if loosens(order, argument, self.latch) else "act"
        return self._orders.carry_out(wanted, first)

    def alive(self, producer: str = "loop") -> None:
        """Say that `producer` is alive. Cheap; memory only."""
        self._heartbeats.alive(producer)

    def gate(self, roll_back: Callable[[str], str] | None = None) -> None:
        """Return when the run may go on; blocks while it is paused.

        With `roll_back`, an ordered rollback is carried out here, in the caller's thread, while the
        run stands still, and recorded by the order that it returns. Without it the caller looks at `latch.roll_back`.

        Raises:
            Stopped: The run was killed, or is finished.
        """
        while True:
            latch = self.latch
            if latch.state in _GONE:
                raise stopped_by(latch, contained=self.contained)
            if latch.state is RunState.PAUSED and latch.roll_back is not None and roll_back is not None:
                done = Control(order=roll_back(latch.roll_back), by="gateway", reason=latch.roll_back)
                self.event(done, generation=self._seen.generation, producer="pipeline")
                self.process()
                continue
            if latch.state not in _HELD:
                return
            self.alive()
            self._recorder.wait_for_change(self._timing.tick_s)

    def tick(self) -> None:
        """One beat: heartbeats of those alive, silence rules, and kills not yet confirmed. Waits for no disk."""
        now_ns = self._clock.boot_ns()
        for beat in self._heartbeats.due(now_ns, self.state, self._seen.generation):
            # A journal that has refused thousands of records takes no heartbeat; the producer lives all the same.
            with contextlib.suppress(LedgerError):
                self._recorder.put(beat)
            self._judging.observe([beat])
        for request in self._judging.tick(now_ns, paused=self.state is RunState.PAUSED):
            self._request(request, "act")
        if self._orders.failed is not None and self._kill_retries < _KILL_RETRIES:
            self._kill_retries += 1
            self._by_itself(Order.STOP, "pipeline", "an earlier kill is not confirmed")

    def status(self) -> Status:
        """Where the run stands, for people."""
        return self._seen.status(
            run=self._run,
            latch=self.latch,
            rung=self._handle.rung,
            contained=self.contained,
            unrecorded=self._recorder.unsettled + self._recorder.lost,
        )

    def close(self) -> None:
        """End the run's record: last events judged, END written, threads ended. Harmless when repeated.

        Processes are the containment's to end; close it first where they should be gone.

        Raises:
            LedgerError, OSError: The last records could not be written.
        """
        if self._closed:
            return
        self._closed = True
        if self._pulse is not None:
            self._pulse.stop(self._timing.kill_timeout_s)
        try:
            self.process()
            end = Heartbeat(state=self.state.value, end=True)
            self.event(end, generation=self._seen.generation, producer="pipeline")
            self.process()
        finally:
            self._recorder.stop(self._timing.record_timeout_s)

    def _now(self, data: EventData, producer: str) -> Event:
        event = self.event(data, generation=self._seen.generation, producer=producer)
        self._guarded(self._recorder.commit)
        return event

    def _take_in(self, event: Event) -> None:
        self._unprocessed += 1
        self._seen.add(event)
        if event.producer == "loop":
            self.alive()
        for request in self._judging.observe([event]):
            self._request(request, "record")

    def _judge(self, batch: Sequence[Record]) -> list[Finding]:
        """Detect, record, trip, act, for one run of records that are on disk."""
        events = [record for record in batch if isinstance(record, Event)]
        found = self._record_findings(self._judging.detect(events))
        measured = [record for record in batch if isinstance(record, Measurement)]
        requests = self._judging.observe([*measured, *found])
        for request in requests:
            self._request(request, "record")
        if found or requests:
            self._guarded(self._recorder.commit)
        return found

    def _record_findings(self, findings: Sequence[Finding]) -> list[Finding]:
        recorded: list[Finding] = []
        for finding in findings:
            named = msgspec.structs.replace(finding, id=self._ids.record("f"))
            kept = self._guarded(partial(self._recorder.append, named))
            recorded.append(kept)
            self._seen.add(kept)
        return recorded

    def _request(self, request: Request, first: First) -> Receipt:
        """Carry out what a rule wants. A rollback needs a run that stands still, so a pause goes before it."""
        wanted = Wanted(
            order=request.order,
            by=request.by,
            reason=request.reason,
            findings=request.findings,
            argument=request.argument,
        )
        if request.order is Order.ROLL_BACK:
            self._orders.carry_out(msgspec.structs.replace(wanted, order=Order.PAUSE, argument=""), first)
            first = "must_record"
        return self._orders.carry_out(wanted, first)

    def _by_itself(self, order: Order, by: str, reason: str) -> Receipt:
        """An order of the supervisor's own: it contains, so it acts first."""
        return self._orders.carry_out(Wanted(order=order, by=by, reason=reason), "act")

    def _guarded(self, call: Callable[[], ResultT]) -> ResultT:
        """Run `call`; a run whose journal cannot be written is paused before the error goes up."""
        try:
            return call()
        except (LedgerError, OSError) as error:
            self._journal_failed(error)
            raise

    def stand_still(self, why: str) -> None:
        """Pause by the supervisor's own decision, until a person has looked: something it relies on has failed."""
        if self.state not in (*_GONE, *_HELD):
            self._by_itself(Order.PAUSE, "pipeline", visible(why, 400))

    def _journal_failed(self, error: Exception) -> None:
        """What cannot be recorded must not happen."""
        self.stand_still(f"the journal cannot be written: {error}")

    def _pulse_crashed(self, error: Exception) -> None:
        """Nobody watches for silence any more."""
        self.stand_still(f"the pulse crashed: {type(error).__name__}")
