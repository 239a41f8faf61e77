"""Every detector over a chat log on one core: `scan` with first looks and in full, CPU time, and its peak memory.

Each measurement is a process of its own. `python -m perf scanned [events]`; 100,000 where nothing is said. The share in
full is measured on 2,000 events: it does not get faster with more. Text as in `stream_data`, read as chat messages.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from perf.stream_data import AGENTS, SEED, source_text
from subcritical.app.scanning import scan

BAR = 20_000
IN_FULL = 2000
TOOLS = ("bash", "python", "edit", "browser")


def main(size: str = "") -> None:
    """Print events a second beside the bar, how many times faster than in full, and memory at a quarter and at all."""
    events = int(size or 100_000)
    told = {number: _told(number, in_full=False) for number in (events // 4, events)}
    full = _told(IN_FULL, in_full=True)
    # What both runs pay once, for compiling and for the first events, drops out of the difference.
    more = (told[events]["cpu_s"] - told[events // 4]["cpu_s"]) / (events - events // 4)
    print(
        f"all detectors: {events / told[events]['cpu_s']:.0f} events/s of {events}, {1 / more:.0f} events/s after "
        f"the first {events // 4} (bar {BAR}); in full {IN_FULL / full['cpu_s']:.0f}; "
        f"{told[events]['findings']} findings, {told[events]['blind']} blind; peak memory "
        f"{told[events // 4]['peak_mb']} MB at {events // 4} events, {told[events]['peak_mb']} MB at {events}"
    )


def _told(events: int, *, in_full: bool) -> dict:
    command = [sys.executable, "-m", "perf.scanned", str(events), "full" if in_full else "spared"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def _written(folder: str, events: int) -> Path:
    dice, text = random.Random(SEED), source_text()
    path = Path(folder) / "chat.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(events):
            agent = dice.randrange(AGENTS) if dice.random() < 0.5 else int(AGENTS * dice.random() ** 4)
            begin = dice.randrange(len(text) - 20_000)
            said = text[begin : begin + min(int(dice.lognormvariate(6.38, 0.75)), 19_000)]
            event = {"ts": 1.7e9 + number * 0.002, "agent_id": f"agent-{agent:05d}", **_event(dice, said)}
            file.write(json.dumps(event) + "\n")
    return path


def _event(dice: random.Random, said: str) -> dict:
    kind = dice.randrange(100)
    if kind < 4:
        return {"role": "user", "content": said}
    if kind < 38:
        return {"role": "assistant", "content": said}
    tool = TOOLS[dice.randrange(4)]
    if kind < 64:
        return {"tool": tool, "arguments": {"command": said, "cwd": "/srv/project", "timeout": 60}}
    if kind < 90:
        return {"tool": tool, "result": said}
    return {"tool": "edit", "arguments": {"path": f"src/module_{dice.randrange(97)}.py", "new_string": said}}


def _measured(events: int, *, in_full: bool) -> dict:
    with tempfile.TemporaryDirectory(prefix=f"subcritical-perf-{os.getuid()}-") as folder:
        path = _written(folder, events)
        began = time.process_time()
        result = scan([path], in_full=in_full)
        took = time.process_time() - began
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1000
    return {"cpu_s": took, "findings": len(result.findings), "blind": len(result.blind), "peak_mb": peak}


if __name__ == "__main__":
    print(json.dumps(_measured(int(sys.argv[1]), in_full=sys.argv[2] == "full")))
