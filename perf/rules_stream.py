"""A hundred rules over a stream of agent events, on one core, as ratios to reading the file and counting its lines.

Each measurement is a process of its own, which reads and counts before and after it scans: CPU time, and peak memory.
`python -m perf rules_stream [megabytes]`; 1000 where nothing is said. The events stay in the temporary directory.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from perf.peer_invariant import peer
from perf.stream_data import events_file
from perf.stream_rules import rules
from subcritical.matching import WAYS, RuleStream
from subcritical.matching.agents import AGENTS_MAX

MEGABYTE = 10**6
BARS = {"exact": 0.09, "prefiltered": 0.15}


def main(size: str = "") -> None:
    """Print the rates and ratios beside their bars, and whether both ways found the same."""
    large = int(size or 1000)
    files = {megabytes: events_file(megabytes * MEGABYTE) for megabytes in (large // 4, large)}
    found = {}
    for way, agents in ((way, agents) for agents in (0, AGENTS_MAX) for way in WAYS):
        peaks = []
        for megabytes, path in files.items():
            told = _told(way, agents, path)
            found[way, megabytes] = told
            peaks.append(f"{told['peak_kb'] / 1000:.0f} MB at {megabytes} MB")
        rate, yard = told["bytes"] / told["cpu_s"] / MEGABYTE, told["bytes"] / told["yard_s"] / MEGABYTE
        print(
            f"rules, {way}, {'with' if agents else 'without'} the state of agents: {rate:.0f} MB/s, "
            f"{told['events'] / told['cpu_s'] / 1000:.0f} thousand events/s, CPU; "
            f"read and count newlines {yard:.0f} MB/s; ratio {rate / yard:.3f} (bar {BARS[way]}); "
            f"peak memory {' and '.join(peaks)}; {told['events']} events, {len(told['rows'])} findings, "
            f"{told['broken']} broken lines, way in use {told['way']}, compiled in {told['compile_s']:.1f} s",
            flush=True,
        )
    same = all(found["exact", m]["rows"] == found["prefiltered", m]["rows"] for m in files)
    print(f"both ways row by row: {'the same' if same else 'DIFFERENT'}", flush=True)
    assert same
    peer(files[large // 4])


def _told(way: str, agents: int, path: Path) -> dict:
    command = [sys.executable, "-m", "perf.rules_stream", way, str(agents), str(path)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def read_and_count(path: Path) -> int:
    """The yardstick: unbuffered reads of 1 MiB, newlines counted."""
    count = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 20):
            count += block.count(b"\n")
    return count


def _yard(path: Path) -> float:
    began = time.process_time()
    read_and_count(path)
    return time.process_time() - began


def _measured(way: str, agents: int, path: Path) -> dict:
    lines = read_and_count(path)  # into the page cache
    before = _yard(path)
    began = time.process_time()
    stream = RuleStream(rules(), way=way, agents_max=agents)
    compiling = time.process_time() - began
    rows, broken, events = [], 0, 0
    began = time.process_time()
    for batch in stream.scan(path):
        rows += [(row.line, row.rule, row.agent, row.seq) for row in batch.rows]
        broken += len(batch.broken)
        events += batch.events
    took = time.process_time() - began
    yard = (before + _yard(path)) / 2  # the machine may have grown slower or faster meanwhile
    assert events + broken == lines
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0])
    return {
        "bytes": path.stat().st_size, "cpu_s": took, "yard_s": yard, "compile_s": compiling, "events": events,
        "rows": rows, "broken": broken, "peak_kb": peak, "way": stream.way,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(_measured(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
