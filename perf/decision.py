"""A decision of the policy of changes that nothing remembers, and a hook's whole question to an open gate; as ratios.

The yardsticks: JSON of the question written and read once; an empty interpreter started as the hook starts its own.
"""

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from subcritical.clock import SystemClock
from subcritical.policy.cedar.changes import ChangeRequest, change_policy, changes
from subcritical.schema import Artifact
from subcritical.watch.gate_file import load_gate
from subcritical.watch.hooks import commands_of, install
from subcritical.watch.opening import keep_open

ROUNDS = 20
HOOKS = 30


def timed(call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def decisions() -> None:
    policy = changes(change_policy())
    asked = [
        ChangeRequest(by=by, artifact=a, approvals=n) for by in ("Agent", "Person") for a in Artifact for n in (0, 2)
    ]
    requests = [request.asked() for request in asked]
    for request in requests:
        policy.decide(request)
    took = [timed(lambda r=request: policy.decide(r)) for _ in range(ROUNDS) for request in requests]
    yard = [timed(lambda r=r: json.loads(json.dumps(r.values))) for _ in range(ROUNDS) for r in requests]
    median, plain = statistics.median(took), statistics.median(yard)
    print(f"decision, not cached: {median * 1e6:.0f} us median of {len(took)}, {median / plain:.1f} times JSON")


def hooks() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "project").mkdir()
        (place / "project" / "evaluate.py").write_text("")
        gate_file = place / "gate.yaml"
        gate_file.write_text("{system: perf, root: project, artifacts: [{path: evaluate.py, is: evaluator}]}")
        run = place / "g"
        run.mkdir()
        began, ended = threading.Event(), threading.Event()
        gate = threading.Thread(
            target=lambda: keep_open(
                load_gate(gate_file), journal=run / "journal", directory=run, besides=(), clock=SystemClock(),
                beside=lambda _: contextlib.nullcontext(), opened=lambda _: began.set(), ended=ended,
            )
        )  # fmt: skip
        gate.start()
        began.wait(20)
        settings = place / "settings.json"
        install("claude-code", gate_socket=run / "gate.sock", folder=place / "hooks", settings=settings)
        (command,) = commands_of(settings)
        event = json.dumps({"tool_name": "Bash", "tool_input": {"command": "ls -la"}, "session_id": "s"}).encode()
        took, yard = [], []
        for _ in range(HOOKS):
            took.append(timed(lambda: subprocess.run(["/bin/sh", "-c", command], input=event, check=True)))
            yard.append(timed(lambda: subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)))
        ended.set()
        gate.join()
        median, plain = statistics.median(took), statistics.median(yard)
        print(f"a hook's question: {median * 1e3:.0f} ms median of {HOOKS}, {median / plain:.1f} empty interpreters")


def main(_only: str = "") -> None:
    decisions()
    hooks()
