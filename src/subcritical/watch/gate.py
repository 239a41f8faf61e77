"""The gate: judges one tool call after another, and fails to a pause."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from subcritical.canonical import digest
from subcritical.detectors import acts_of
from subcritical.gateway import Quorum
from subcritical.gateway.ballot_box import Tally
from subcritical.pipeline import Pipeline
from subcritical.schema import (
    PROTECTED,
    Approval,
    Artifact,
    Event,
    EventData,
    FileChange,
    Order,
    Proposal,
    RunState,
    ToolCall,
    ToolResult,
    visible,
)
from subcritical.watch.calls import Call, Decision
from subcritical.watch.gate_file import GateSettings
from subcritical.watch.integrity import Integrity
from subcritical.watch.reach import Reach, Touched
from subcritical.watch.words import unclear

_GONE = (RunState.KILLING, RunState.KILLED, RunState.FINISHED)
_COMMAND_MAX = 100_000
_ACTS_MAX = 500
_PATH_MAX = 4096
_CHANGING = frozenset({"write", "empty", "delete", "move"})
_READING = re.compile(r"(?i)^(mcp__\w+?__)?(read|view|list|ls|glob|grep|search|get|fetch|find|web|todo|notebookread)")


class _Refusal(msgspec.Struct, frozen=True):
    why: str
    touched: Touched | None = None


class Gate:
    """One gate for any number of hosts; calls are judged one at a time.

    A call is on disk, and every detector has seen it, before it is approved; while the gate is held, calls are denied
    and not recorded. What changed a protected file holds the gate until a person has looked.

    Args:
        settings: The gate file.
        pipeline: Records, detects, trips.
        reach: Which files a call touches.
        integrity: Whether what is protected is as it was.
    """

    def __init__(self, settings: GateSettings, pipeline: Pipeline, reach: Reach, integrity: Integrity) -> None:
        """Bind the parts."""
        self._settings = settings
        self._pipeline = pipeline
        self._reach = reach
        self._integrity = integrity
        self._quorum = Quorum()
        self._lock = threading.Lock()
        self._calls = 0
        self._reported: dict[Path, str] = {}

    def decide(self, call: Call) -> Decision:
        """Judge a call. Whatever goes wrong here holds the gate."""
        with self._lock:
            try:
                decision = self._decide(call)
            except Exception as error:  # noqa: BLE001 - unknown means unsafe
                self._pipeline.stand_still(f"the gate crashed: {type(error).__name__}: {error}")
                decision = Decision(decision="pause", reason="the gate crashed; a person must look")
            return decision

    def alive(self) -> None:
        """Say that the gate is open, and look after what is protected while nobody asks."""
        with self._lock:
            self._pipeline.process()
            self._look()

    def _decide(self, call: Call) -> Decision:
        if held := self._held():
            return held
        if call.asks == "go_on":
            self._look()
            return self._held() or Decision(decision="approve")
        self._calls += 1
        event = self._pipeline.event(_recorded(call), generation=self._calls, producer=f"host/{call.host}"[:100])
        self._pipeline.process()
        self._look()
        refusals = self._refusals(event, call)
        enforced = self._settings.file.mode == "enforce"
        if refusals:
            self._record_attempt(call, refusals, refused=enforced)
        if held := self._held():  # a tripwire, an order, or a changed file
            return self._told(call, held)
        why = "; ".join(refusal.why for refusal in refusals)[:1000]
        if refusals and enforced:
            return self._told(call, Decision(decision="reject", reason=why))
        return Decision(decision="approve", reason=why)

    def _held(self) -> Decision | None:
        latch = self._pipeline.latch
        if latch.state in _GONE:
            return Decision(decision="terminate", reason="stopped: no call is approved any more")
        if latch.down:
            why = "; ".join(latch.reasons) or "held by a person"
            return Decision(decision="pause", reason=f"paused: {visible(why, 600)}")
        return None

    def _refusals(self, event: Event, call: Call) -> list[_Refusal]:
        acts = acts_of(event)
        runs = [act for act in acts if act.kind == "run"]
        changes = any(act.kind in _CHANGING for act in acts)
        # A tool that nothing is known about may change whatever it is given.
        mentioned = [] if runs or changes or _READING.match(call.tool) else list(_texts(call.input))
        touched = self._reach.touched(acts, call.cwd, mentioned)
        found = [_Refusal(why, one) for one in touched if (why := self._refused(one))]
        if len(acts) >= _ACTS_MAX or (runs and len(str(call.input)) > _COMMAND_MAX):
            found.append(_Refusal("it is too long to be read to its end"))
        if self._settings.file.unclear == "reject":
            found += [_Refusal(f"what `{visible(act.text, 200)}` does cannot be read") for act in runs if unclear(act)]
        return found

    def _refused(self, touched: Touched) -> str:
        if touched.artifact is Artifact.UNLISTED:
            return f"{visible(touched.path, 200)}: outside the project"
        if touched.artifact in PROTECTED:
            return f"{visible(touched.path, 200)}: {touched.artifact} is protected"
        missing = self._quorum.missing(touched.artifact, 0, Tally())
        return f"{visible(touched.path, 200)}: {missing}" if missing else ""

    def _record_attempt(self, call: Call, refusals: Sequence[_Refusal], *, refused: bool) -> None:
        """Record what a call asks for as the proposal that it is, and let detectors and tripwires judge it."""
        asked = digest(json.dumps(call.input).encode())
        changes = tuple(
            FileChange(path=one.touched.path, artifact=one.touched.artifact, before="", after=asked)
            for one in refusals
            if one.touched is not None
        )
        name = f"{call.call[:100] or 'call'}-{self._calls}"
        system = self._settings.file.system
        self._event(Proposal(proposal=name, base="", tree="", requester=system, changes=changes))
        verdict: Literal["accepted", "refused"] = "refused" if refused else "accepted"
        reasons = tuple(one.why for one in refusals)
        self._event(Approval(proposal=name, tree="", verdict=verdict, by="gate", reasons=reasons))
        self._pipeline.process()

    def _look(self) -> None:
        """Hold the gate for a changed file; what a person has been told of and lets go on with is good from then on."""
        changes = self._integrity.changes()
        if not self._pipeline.latch.down and changes and changes == self._reported:
            self._integrity.accept()
            changes = {}
        if changes and changes != self._reported:
            why = f"protected files changed: {self._integrity.describe(changes)}"
            self._pipeline.order(Order.PAUSE, "gate", visible(why, 1000))
        self._reported = changes

    def _told(self, call: Call, decision: Decision) -> Decision:
        """Put a refusal on the record, as what the tool gave back."""
        result = ToolResult(tool=call.tool[:200], text=f"{decision.decision}: {decision.reason}", call=call.call[:200])
        self._event(result)
        self._pipeline.process()
        return decision

    def _event(self, data: EventData) -> None:
        self._pipeline.event(data, generation=self._calls, producer="gate")


def _recorded(call: Call) -> ToolCall:
    arguments = call.input if isinstance(call.input, str) else json.dumps(call.input, ensure_ascii=True)
    return ToolCall(tool=call.tool[:200], arguments=arguments, call=call.call[:200])


def _texts(value: Any) -> Iterator[str]:
    """Texts in an argument that are short enough to be a path."""
    if isinstance(value, str):
        if len(value) <= _PATH_MAX and "\n" not in value:
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
