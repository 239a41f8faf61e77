"""A supervisor that a test kills: it launches a payload, prints the pids it contains, and waits."""

import sys
import time
from pathlib import Path

from subcritical.clock import SystemClock
from subcritical.sandbox import Containment, Limits, PythonPayload, Rung, SandboxSpec

rung, without, lease = Rung(sys.argv[1]), frozenset(filter(None, sys.argv[2].split(","))), float(sys.argv[3])
payload = (Path(__file__).parent / "disarming_payload.py").read_bytes()
containment = Containment(run="doomed", rung=rung, clock=SystemClock(), lease_s=lease, _without=without)
sandbox = containment.launch(
    SandboxSpec(
        name="doomed",
        payload=PythonPayload(script=Path("main.py")),
        files={"main.py": payload},
        limits=Limits(processes=40, memory_bytes=1 << 30),
    )
)
deadline = time.monotonic() + 60
while b"up" not in sandbox.output().stdout:
    if time.monotonic() > deadline:
        sys.exit("the payload does not come up")
    if sandbox.wait(0.01) is not None:
        sys.exit(f"the payload ended too soon: {sandbox.output()}")
helpers = containment._spawner.process.pid, containment._watcher.process.pid if containment._watcher else 0
print(
    *helpers,
    containment._group.path if containment._group else "-",
    *(seen.pid for seen in sandbox.members()),
    flush=True,
)
if sys.argv[4:] == ["end"]:
    containment.close()
time.sleep(60)
