"""A supervisor of its own process, for attacks that need one that hangs or dies. Started by the tests, not collected.

Arguments: one JSON object with `rung`, `without`, `file`, `forged`, `settings`, `witness`. It prints the pid of the
sandbox's main process when the payload runs, and then only exists.
"""

import json
import os
import sys
import time
from pathlib import Path

from subcritical.clock import SystemClock
from subcritical.sandbox import Containment, PythonPayload, Rung, SandboxSpec


def main() -> None:
    wanted = json.loads(sys.argv[1])
    containment = Containment(
        run="supervised",
        rung=Rung(wanted["rung"]),
        clock=SystemClock(),
        lease_s=1.5,
        _without=frozenset(wanted["without"]),
    )
    orders_in, orders_out = os.pipe()
    passed = {7: orders_in, 10: wanted["witness"]}
    if wanted["forged"]:
        passed[20] = containment._watcher.line.fileno()
    os.write(orders_out, json.dumps(wanted["settings"]).encode() + b"\n")
    sandbox = containment.launch(
        SandboxSpec(
            name="forger",
            payload=PythonPayload(script=Path("attack.py"), argv=("forge",)),
            files={"attack.py": Path(wanted["file"]).read_bytes()},
            pass_fds=passed,
        )
    )
    os.close(wanted["witness"])
    while b"live" not in sandbox.output().stdout:
        time.sleep(0.01)
    print("live", flush=True)
    time.sleep(60)


if __name__ == "__main__":
    main()
