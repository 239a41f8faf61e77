"""Sandboxes for tests: every rung that works here, and guards that can be taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from subcritical.clock import SystemClock
from subcritical.sandbox import Containment, ExecPayload, Exit, Limits, Output, PythonPayload, Rung, SandboxSpec, probe

SMALL = Limits(memory_bytes=512 << 20, processes=32, disk_bytes=8 << 20, inodes=512, cpu_s=20, output_bytes=1 << 16)

Make = Callable[..., Containment]
Run = Callable[..., tuple[Exit, Output]]


def available(*wanted: Rung) -> list[Rung]:
    """Rungs that work on this machine, of some."""
    return [rung for rung in probe().available if not wanted or rung in wanted]


@pytest.fixture(params=[str(rung) for rung in probe().available])
def rung(request: pytest.FixtureRequest) -> Rung:
    return Rung(request.param)


@pytest.fixture(params=[str(rung) for rung in available(Rung.R1, Rung.R2)])
def namespaced(request: pytest.FixtureRequest) -> Rung:
    """Only rungs with namespaces."""
    return Rung(request.param)


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes containments and closes them."""
    made: list[Containment] = []

    def begin(rung: Rung, *without: str, **more: Any) -> Containment:
        made.append(Containment(run="test", rung=rung, clock=SystemClock(), _without=frozenset(without), **more))
        return made[-1]

    yield begin
    for containment in made:
        containment.close()


@pytest.fixture
def run_code(make: Make) -> Run:
    """Runs Python source in a sandbox of its own and waits for it."""

    def begin(rung: Rung, code: str, *without: str, timeout_s: float = 20.0, **more: Any) -> tuple[Exit, Output]:
        containment = make(rung, *without)
        more = {"limits": SMALL, "name": "code", **more}
        more["files"] = {"main.py": code.encode(), **more.get("files", {})}
        sandbox = containment.launch(SandboxSpec(payload=PythonPayload(script=Path("main.py")), **more))
        ended = sandbox.wait(timeout_s)
        if ended is None:
            sandbox.handle.kill(5.0)
            ended = sandbox.wait(5.0)
        assert ended is not None
        return ended, sandbox.output()

    return begin


@pytest.fixture
def sleeper() -> Callable[..., SandboxSpec]:
    """Specifications of a sandbox that only waits."""

    def build(name: str = "sleeper", **more: Any) -> SandboxSpec:
        more = {"limits": SMALL, "payload": ExecPayload(argv=("sleep", "600")), **more}
        return SandboxSpec(name=name, **more)

    return build
