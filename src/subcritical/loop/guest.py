"""The guest: a program that improves itself, in its sandbox, and how it asks for judgement.

Two ways to drive one. *Session*: one process for the whole run, JSON lines over two descriptors.
*Generation*: one process per generation, which finds `feedback.json` in its workspace, edits files and
ends. In both, the supervisor writes a workspace only before the guest's first instruction in it.

Protocol of a session (docs/reference/guest-protocol.md), one JSON object a line:

    guest -> {"op": "hello"}
    guest <- {"op": "hello", "system": ..., "generation": 0, "score": 0.41, "generations_left": 60, "seed": 3}
    guest -> {"op": "propose", "claim": "...", "reported": 0.47}
    guest <- {"op": "answer", "verdict": "accepted", "score": 0.46, "n": 360, "reason": "", "generation": 1}
    guest -> {"op": "done"}
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from subcritical.clock import Clock
from subcritical.loop.evaluation.pair import Watch
from subcritical.sandbox import (
    Collected,
    CollectLimits,
    Containment,
    Exit,
    Limits,
    Output,
    Sandbox,
    SandboxSpec,
    collect,
)

FEEDBACK = "feedback.json"
CLAIM = "claim.json"
_MAX_LINE = 1 << 16
_MAX_BAD_LINES = 100
_MAX_CLAIM = 4000
_POLL_S = 0.05
_LAST_WORDS_S = 1.0


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace handed in for judgement. `claim` and `reported` are the guest's own words.

    `reported_problem` says why a reported score is no number (a guest that reports NaN or text).
    """

    collected: Collected
    claim: str
    reported: float | None
    reported_problem: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the guest is told: public results only. `fitness` is there where selection goes by it, not by the score."""

    verdict: str
    score: float | None
    n: int | None
    reason: str
    generation: int
    fitness: float | msgspec.UnsetType | None = msgspec.UNSET


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Why no more proposals come."""

    reason: str
    orderly: bool
    limits_hit: tuple[str, ...] = ()


class GuestSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How to start a guest. `spec.files` is replaced by the files of the version in force."""

    spec: SandboxSpec
    timeout_s: float
    collect_limits: CollectLimits


class Guest(Protocol):
    """A guest, however it is driven."""

    def next(self, watch: Watch) -> Submission | Ended:
        """Block until it proposes or ends."""
        ...

    def answer(self, answer: Answer) -> None:
        """Tell it the public result of its last proposal."""
        ...

    def hold(self) -> None:
        """Freeze it for a held-out slot."""
        ...

    def release(self) -> None:
        """End a held-out slot."""
        ...

    def output(self) -> Output | None:
        """What it printed so far (hostile, capped)."""
        ...

    def close(self) -> None:
        """Kill it."""
        ...


class SessionGuest:
    """One long-lived process that speaks the protocol."""

    def __init__(
        self,
        containment: Containment,
        guest: GuestSpec,
        files: Mapping[str, bytes],
        hello: Mapping[str, Any],
        clock: Clock,
        watch: Watch,
    ) -> None:
        """Start it in a workspace that holds `files`."""
        self._guest = guest
        self._hello = {"op": "hello", **hello}
        self._clock = clock
        self._pending = b""
        self._bad_lines = 0
        requests, requests_inside = os.pipe2(os.O_CLOEXEC)
        answers_inside, answers = os.pipe2(os.O_CLOEXEC)
        self._requests, self._answers = requests, answers
        environment = {**guest.spec.env, "SUBCRITICAL_REQUEST_FD": "3", "SUBCRITICAL_ANSWER_FD": "4"}
        spec = msgspec.structs.replace(
            guest.spec, files=dict(files), env=environment, pass_fds={3: requests_inside, 4: answers_inside}
        )
        try:
            self._sandbox: Sandbox = containment.launch(spec, look=watch.check)
        except BaseException:
            os.close(requests)
            os.close(answers)
            raise
        finally:
            os.close(requests_inside)
            os.close(answers_inside)
        os.set_blocking(answers, False)

    def next(self, watch: Watch) -> Submission | Ended:
        """Serve `hello` until the guest proposes, says `done`, ends, or is silent for too long."""
        while True:
            line = self._line(watch)
            if isinstance(line, Ended):
                return line
            message = _parse(line)
            operation = message.get("op") if message else None
            if operation == "hello":
                self._write(self._hello)
            elif operation == "done":
                self._sandbox.wait(_LAST_WORDS_S)
                return Ended(reason="the guest said it is done", orderly=True)
            elif operation == "propose" and message is not None:
                collected = collect(self._sandbox.workspace_fd, self._guest.collect_limits)
                return _submission(collected, message)
            else:
                self._bad_lines += 1
                if self._bad_lines > _MAX_BAD_LINES:
                    return Ended(reason=f"more than {_MAX_BAD_LINES} requests that are not the protocol", orderly=False)
                self._write({"op": "error", "reason": "expected one JSON object with op hello, propose or done"})

    def answer(self, answer: Answer) -> None:
        """Write the answer; a guest that does not read loses it."""
        self._hello["generation"] = answer.generation
        self._write({"op": "answer", **msgspec.to_builtins(answer)})

    def hold(self) -> None:
        """Freeze the guest alone; the evaluation goes on."""
        self._sandbox.handle.freeze(1.0)

    def release(self) -> None:
        """Let the guest run again."""
        self._sandbox.handle.thaw()

    def output(self) -> Output | None:
        """What the guest printed."""
        return self._sandbox.output()

    def close(self) -> None:
        """Kill the guest and close the pipes; idempotent."""
        self._sandbox.close()
        for name in ("_requests", "_answers"):
            descriptor = getattr(self, name)
            if descriptor >= 0:
                os.close(descriptor)
                setattr(self, name, -1)

    def _line(self, watch: Watch) -> bytes | Ended:
        started, paused = self._clock.boot_ns(), watch.paused_ns()
        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        while b"\n" not in self._pending:
            watch.check()
            waited_ns = self._clock.boot_ns() - started - (watch.paused_ns() - paused)
            if waited_ns > self._guest.timeout_s * 1e9:
                return Ended(
                    reason=f"no request for {self._guest.timeout_s:g} s", orderly=False, limits_hit=("silence",)
                )
            if not poll.poll(_POLL_S * 1000):
                continue
            part = os.read(self._requests, _MAX_LINE)
            if not part:
                return _ended(self._sandbox.wait(2.0))
            self._pending += part
            if len(self._pending) > 2 * _MAX_LINE:
                return Ended(reason=f"a request longer than {_MAX_LINE} bytes", orderly=False)
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _write(self, message: Mapping[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        with contextlib.suppress(BlockingIOError, BrokenPipeError):  # a guest that does not read has no answer
            os.write(self._answers, line)


class GenerationGuest:
    """A fresh process in a fresh workspace for every generation."""

    def __init__(
        self,
        containment: Containment,
        guest: GuestSpec,
        files: Mapping[str, bytes],
        hello: Mapping[str, Any],
        clock: Clock,
        _watch: Watch,
    ) -> None:
        """Nothing runs until `next`."""
        self._containment = containment
        self._guest = guest
        self._files = dict(files)
        self._feedback: dict[str, Any] = {**hello, "last": None}
        self._clock = clock
        self._sandbox: Sandbox | None = None
        self._proposed: dict[str, bytes] = {}
        self._count = 0

    def next(self, watch: Watch) -> Submission | Ended:
        """Run one generation to its end and collect what it left."""
        self.close()
        self._count += 1
        files = {**self._files, FEEDBACK: json.dumps(self._feedback).encode()}
        name = f"{self._guest.spec.name}-{self._count}"
        spec = msgspec.structs.replace(self._guest.spec, name=name, files=files)
        self._sandbox = self._containment.launch(spec, look=watch.check)
        started, paused = self._clock.boot_ns(), watch.paused_ns()
        while (ended := self._sandbox.wait(_POLL_S)) is None:
            watch.check()
            waited_ns = self._clock.boot_ns() - started - (watch.paused_ns() - paused)
            if waited_ns > self._guest.timeout_s * 1e9:
                return Ended(
                    reason=f"a generation took over {self._guest.timeout_s:g} s", orderly=False, limits_hit=("wall",)
                )
        watch.check()
        if ended.code != 0 or ended.limits_hit:
            return _ended(ended)
        collected = collect(self._sandbox.workspace_fd, self._guest.collect_limits)
        self._proposed = dict(collected.files)
        message = _parse(self._proposed.get(CLAIM, b"{}")) or {}
        return _submission(collected, message)

    def answer(self, answer: Answer) -> None:
        """Keep what was accepted as the next start; leave the result for the next generation."""
        if answer.verdict == "accepted":
            self._files = {p: data for p, data in self._proposed.items() if p != FEEDBACK}
        self._feedback = {**self._feedback, "generation": answer.generation, "last": msgspec.to_builtins(answer)}

    def hold(self) -> None:
        """Nothing of the guest runs between generations."""

    def release(self) -> None:
        """Nothing to thaw."""

    def output(self) -> Output | None:
        """What the latest generation printed."""
        return self._sandbox.output() if self._sandbox else None

    def close(self) -> None:
        """Kill the latest generation."""
        if self._sandbox:
            self._sandbox.close()
            self._sandbox = None


def guest_limits(*, memory: int, processes: int, disk: int, inodes: int, cpu_s: float, output: int) -> Limits:
    """Limits of a guest's sandbox."""
    return Limits(
        memory_bytes=memory, processes=processes, disk_bytes=disk, inodes=inodes, cpu_s=cpu_s, output_bytes=output
    )


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _claim(message: Mapping[str, Any]) -> str:
    claim = message.get("claim", "")
    return claim[:_MAX_CLAIM].encode("utf-8", "replace").decode() if isinstance(claim, str) else ""


def _submission(collected: Collected, message: Mapping[str, Any]) -> Submission:
    value = message.get("reported")
    if value is None:
        return Submission(collected=collected, claim=_claim(message), reported=None)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        problem = f"the guest reported {str(value)[:80]!r}, which is not a finite number"
        return Submission(collected=collected, claim=_claim(message), reported=None, reported_problem=problem)
    return Submission(collected=collected, claim=_claim(message), reported=float(value))


def _ended(ended: Exit | None) -> Ended:
    if ended is None:
        return Ended(reason="the guest closed its request descriptor and went on running", orderly=False)
    if ended.limits_hit:
        return Ended(
            reason="the guest was stopped at: " + ", ".join(ended.limits_hit),
            orderly=False,
            limits_hit=ended.limits_hit,
        )
    return Ended(reason=f"the guest ended with code {ended.code}, signal {ended.signal}", orderly=ended.code == 0)
