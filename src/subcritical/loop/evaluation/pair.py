"""One evaluation: a fresh evaluator and a fresh candidate, each in its own sandbox, used once.

Both are started, and have imported what they need, before any candidate byte exists. What this does
not protect: with `isolation: shared` the candidate runs in the evaluator's interpreter and can write
the verdict.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from subcritical.clock import Clock
from subcritical.errors import SourceError
from subcritical.ids import nonce
from subcritical.loop.evaluation.inside import wire
from subcritical.loop.evaluation.verdicts import MAX_VERDICT_BYTES, Rules, Scored, read_verdicts
from subcritical.sandbox import Containment, Limits, PythonPayload, Sandbox, SandboxSpec

_INSIDE = Path(__file__).resolve().parent / "inside"
_POLL_S = 0.05
_MAX_DETAIL = 2000
_START_S = 30.0
# Short: in a held-out slot a longer wait for sandboxes that a timeout left running would outlast the slot's margin.
_EXIT_S = 0.02
_READY = b"ready"

Files = Mapping[str, bytes]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How to evaluate on one split.

    `run` is the evaluator's file within the evaluator tree; `data` is the split on the host, bound
    read-only into the evaluator's sandbox alone. `preload` is imported in the candidate's sandbox
    ahead of time; the evaluator's own imports happen when its pair is loaded.
    """

    run: str
    data: Path
    module: str
    isolation: Literal["split", "shared"]
    preload: tuple[str, ...]
    rules: Rules
    timeout_s: float
    limits: Limits


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one evaluation. `scored` is None unless `status` is `ok`; `detail` says why.

    `output` is what the sandboxes printed (hostile, capped): for the journal only.
    """

    status: Literal["ok", "crashed", "timeout", "limit", "invalid"]
    scored: Scored | None
    detail: str
    duration_s: float
    output: str = ""


class Watch(Protocol):
    """Lets a blocking wait notice orders: raises when the run was stopped; paused time is not charged."""

    def check(self) -> None:
        """Raise if the run must not go on."""
        ...

    def paused_ns(self) -> int:
        """Total time the run has been frozen."""
        ...


class Pair:
    """A pre-warmed evaluator and candidate. Use `evaluate` once, then `close`."""

    def __init__(self, containment: Containment, plan: Plan, *, number: int, split: str, clock: Clock) -> None:
        """Start both sandboxes; returns while they are still importing."""
        self._plan = plan
        self._clock = clock
        self._open: list[int] = []
        self._sandboxes: list[Sandbox] = []
        self._received = b""
        self._warm = False
        try:
            self._start(containment, number, split)
        except BaseException:
            self.close()
            raise

    def _start(self, containment: Containment, number: int, split: str) -> None:
        orders_in, self._orders = self._pipe()
        self._verdict, verdict_out = self._pipe()
        inside = [orders_in, verdict_out]
        fds = {5: orders_in, 6: verdict_out}
        if self._plan.isolation == "split":
            requests_in, requests_out = self._pipe()
            answers_in, answers_out = self._pipe()
            files_in, self._files = self._pipe()
            inside += [requests_in, requests_out, answers_in, answers_out, files_in]
            settings = {"module": self._plan.module, "preload": self._plan.preload}
            candidate_fds = {3: requests_in, 4: answers_out, 5: files_in}
            self._launch(containment, f"candidate-{split}-{number}", "candidate_main.py", settings, candidate_fds)
            fds |= {3: answers_in, 4: requests_out}
        settings = {
            "run": self._plan.run,
            "data": str(self._plan.data),
            "module": self._plan.module,
            "isolation": self._plan.isolation,
        }
        data = self._plan.data
        self._launch(containment, f"evaluator-{split}-{number}", "evaluator_main.py", settings, fds, data)
        for descriptor in inside:
            self._close_descriptor(descriptor)

    def load(self, evaluator: Files) -> None:
        """Give the evaluator's files; a pre-warmed pair imports them at once."""
        with contextlib.suppress(BrokenPipeError):  # the evaluator died: `evaluate` says so
            self._send(self._orders, dict(evaluator), deadline_ns=self._clock.boot_ns() + 10**10)

    def evaluate(self, candidate: Files, *, seeds: list[int], watch: Watch, timeout_s: float | None = None) -> Outcome:
        """Judge one candidate.

        Args:
            candidate: The approved bytes.
            seeds: One repeat per seed.
            watch: Raises when the run was stopped while we wait.
            timeout_s: Instead of the plan's timeout.
        """
        failed = self.warm(watch)
        if failed is not None:
            return failed
        started = self._clock.boot_ns()
        limit_ns = int((self._plan.timeout_s if timeout_s is None else timeout_s) * 1e9)
        paused = watch.paused_ns()

        def left_s() -> float:
            watch.check()
            used = self._clock.boot_ns() - started - (watch.paused_ns() - paused)
            return (limit_ns - used) / 1e9

        token = nonce()
        line = b""
        failure: tuple[Literal["crashed", "timeout"], str] | None = None
        try:
            if self._plan.isolation == "split":
                self._send(self._files, dict(candidate), left_s=left_s)
            order = {"nonce": token, "seeds": seeds, "files": dict(candidate)}
            self._send(self._orders, order, left_s=left_s)
            line = self._receive(left_s)
        except TimeoutError:
            failure = ("timeout", f"no verdict within {limit_ns / 1e9:g} s")
        except BrokenPipeError:
            failure = ("crashed", "a sandbox ended before it was asked")
        duration_s = (self._clock.boot_ns() - started - (watch.paused_ns() - paused)) / 1e9
        return self._outcome(line, token, failure, duration_s)

    def close(self) -> None:
        """Kill both sandboxes and close every descriptor; idempotent."""
        for sandbox in self._sandboxes:
            sandbox.close()
        self._sandboxes.clear()
        while self._open:
            os.close(self._open.pop())

    def _outcome(
        self, line: bytes, token: str, failure: tuple[Literal["crashed", "timeout"], str] | None, duration_s: float
    ) -> Outcome:
        limits = self._limits_hit() if failure or not line else ()
        status: Literal["ok", "crashed", "timeout", "limit", "invalid"]
        if limits:
            status, detail = "limit", "stopped at: " + ", ".join(limits)
        elif failure:
            status, detail = failure
        elif not line:
            status, detail = "crashed", "the evaluator ended without a verdict"
        else:
            try:
                scored = read_verdicts(line, nonce=token, rules=self._plan.rules)
                return Outcome(status="ok", scored=scored, detail="", duration_s=duration_s)
            except SourceError as error:
                status, detail = "invalid", str(error)
            limits = self._limits_hit() if "process ended" in detail else ()
            if limits:
                status, detail = "limit", f"{detail}; stopped at: {', '.join(limits)}"
        return Outcome(
            status=status, scored=None, detail=detail[:_MAX_DETAIL], duration_s=duration_s, output=self._printed()
        )

    def warm(self, watch: Watch) -> Outcome | None:
        """Wait until the evaluator is loaded; start-up is charged to no candidate. None, or what went wrong."""
        if self._warm:
            return None
        limit_s = max(_START_S, self._plan.timeout_s)
        started, paused = self._clock.boot_ns(), watch.paused_ns()

        def left_s() -> float:
            watch.check()
            return limit_s - (self._clock.boot_ns() - started - (watch.paused_ns() - paused)) / 1e9

        try:
            line = self._receive(left_s)
        except TimeoutError:
            return self._outcome(b"", "", ("timeout", f"the evaluator did not load within {limit_s:g} s"), limit_s)
        self._warm = line == _READY
        return None if self._warm else self._outcome(b"", "", ("crashed", "the evaluator ended while loading"), 0.0)

    def _limits_hit(self) -> tuple[str, ...]:
        hit: list[str] = []
        for sandbox in self._sandboxes:
            ended = sandbox.wait(_EXIT_S)
            if ended is not None:
                hit += [f"{limit} ({sandbox.name.split('-')[0]})" for limit in ended.limits_hit]
        return tuple(hit)

    def _printed(self) -> str:
        parts = []
        for sandbox in self._sandboxes:
            output = sandbox.output()
            text = (output.stdout + output.stderr).decode("utf-8", "backslashreplace")
            if text:
                parts.append(f"[{sandbox.name}] {text[-_MAX_DETAIL:]}")
        return "\n".join(parts)

    def _launch(
        self,
        containment: Containment,
        name: str,
        script: str,
        settings: Mapping[str, object],
        fds: Mapping[int, int],
        data: Path | None = None,
    ) -> None:
        spec = SandboxSpec(
            name=name,
            payload=PythonPayload(script=_INSIDE / script, argv=(json.dumps(settings),), paths=(str(_INSIDE),)),
            limits=self._plan.limits,
            read_only=tuple((path, str(path)) for path in (_INSIDE, data) if path is not None),
            env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            pass_fds=fds,
        )
        self._sandboxes.append(containment.launch(spec))

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe2(os.O_CLOEXEC)
        self._open.extend(ends)
        return ends

    def _close_descriptor(self, descriptor: int) -> None:
        self._open.remove(descriptor)
        os.close(descriptor)

    def _send(
        self,
        descriptor: int,
        value: object,
        *,
        left_s: Callable[[], float] | None = None,
        deadline_ns: int = 0,
    ) -> None:
        """Write a frame without ever blocking longer than allowed: the reader is not trusted to read."""
        remaining = left_s or (lambda: (deadline_ns - self._clock.boot_ns()) / 1e9)
        os.set_blocking(descriptor, False)
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        view = memoryview(wire.encode(value))
        while view:
            left = remaining()
            if left <= 0:
                raise TimeoutError
            if poll.poll(min(left, _POLL_S) * 1000):
                with contextlib.suppress(BlockingIOError):
                    view = view[os.write(descriptor, view[: 1 << 16]) :]

    def _receive(self, left_s: Callable[[], float]) -> bytes:
        """One line from the verdict descriptor; empty at its end, cut at the cap."""
        parts: list[bytes] = [self._received]
        self._received = b""
        poll = select.poll()
        poll.register(self._verdict, select.POLLIN)
        while b"\n" not in parts[-1] and sum(map(len, parts)) <= MAX_VERDICT_BYTES:
            left = left_s()
            if left <= 0:
                raise TimeoutError
            if not poll.poll(min(left, _POLL_S) * 1000):
                continue
            part = os.read(self._verdict, 1 << 16)
            if not part:
                break
            parts.append(part)
        line, _, self._received = b"".join(parts).partition(b"\n")
        return line
