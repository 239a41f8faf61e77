"""Agent events for the stream measurement, from a fixed seed: the same bytes on the same Python.

Five kinds, 20,000 agents (half of the draws uniform, half skewed to low numbers), log-normal lengths, text cut from
Python's standard library, planted phrases, and 5 % of the lines written with escapes that most writers do not use.
"""

import json
import os
import random
import sys
import tempfile
from pathlib import Path

import msgspec

from perf.stream_rules import PLANTED

SEED, VERSION = 20261128, 3
AGENTS = 20_000
KINDS = ["message"] * 28 + ["reasoning"] * 10 + ["tool_call"] * 26 + ["tool_result"] * 26 + ["code_diff"] * 10
ODD = 0.05
PLANTS = 0.002
BEYOND = "é \u2014 \u4e2d\u6587 \U0001f600 \u2028"


def events_file(size: int) -> Path:
    """The file of at least that many bytes, written where it is not there yet."""
    folder = Path(tempfile.gettempdir()) / f"subcritical-perf-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"events-{VERSION}-{sys.version_info[1]}-{size}.jsonl"
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("wb", buffering=1 << 20) as file:
            written = 0
            for line in _lines():
                written += file.write(line)
                if written >= size:
                    break
        part.rename(path)
    return path


def source_text() -> str:
    """Modules of the standard library, one after another."""
    folder = Path(os.__file__).parent
    names = sorted(path for path in folder.glob("*.py") if path.is_file())
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in names)[:8_000_000]


def _lines():
    dice, text = random.Random(SEED), source_text()
    last, seq, time = len(text) - 20_000, [0] * AGENTS, 1.7e9
    encode = msgspec.json.encode
    while True:
        agent = dice.randrange(AGENTS) if dice.random() < 0.5 else int(AGENTS * dice.random() ** 4)
        kind = KINDS[dice.randrange(100)]
        seq[agent] += 1
        time += 0.002
        begin = dice.randrange(last)
        said = text[begin : begin + min(int(dice.lognormvariate(6.38, 0.75)), 19_000)]
        if dice.random() < PLANTS:
            at = dice.randrange(len(said) + 1)
            said = f"{said[:at]} {PLANTED[dice.randrange(len(PLANTED))]} {said[at:]}"
        odd = dice.random() < ODD
        if odd or dice.random() < ODD:
            said += BEYOND
        event = _event(dice, kind, agent, seq[agent], round(time, 3), said)
        yield (json.dumps(event).replace("/", "\\/").encode() if odd else encode(event)) + b"\n"


def _event(dice, kind, agent, seq, time, said):
    event = {
        "ts": time,
        "agent_id": f"agent-{agent:05d}",
        "seq": seq,
        "kind": kind,
        "trace_id": f"{dice.getrandbits(128):032x}",
        "span_id": f"{dice.getrandbits(64):016x}",
        "parent_id": f"{dice.getrandbits(64):016x}",
        "run_id": f"run-{agent // 8:05d}",
        "model": "model-large-2026",
    }
    if kind in {"message", "reasoning"}:
        return {**event, "role": "assistant", "content": said}
    if kind == "code_diff":
        return {**event, "path": f"src/module_{agent % 97}.py", "content": said}
    call = {"name": ("bash", "python", "edit", "browser")[agent % 4], "call_id": f"call-{seq}"}
    if kind == "tool_result":
        return {**event, "tool": {**call, "result": said, "is_error": False, "duration_ms": 12.5}}
    arguments = {"command": said, "cwd": "/srv/project", "timeout": 60}
    if dice.random() < 0.25:
        arguments = json.dumps(arguments)
    return {**event, "tool": {**call, "arguments": arguments}}
