"""What the guard costs: the product's loop against the same evaluations in plain subprocesses.

One guest proposes N versions; each costs 100 ms of evaluation work. Interleaved in one process run:

* guarded: the product, journal and detectors included;
* cold: an evaluator and a candidate, plain subprocesses started when they are needed;
* warm: the same, started ahead of time to the product's own depth.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

from perf.plain import PlainContainment, machine_cpu_s
from subcritical.clock import SystemClock
from subcritical.loop.assembly import run_loop
from subcritical.loop.evaluation import Pair, PairPool, Plan, Rules
from subcritical.loop.loopfile import load_loop
from subcritical.loop.options import RunOptions
from subcritical.loop.run_directory import RunDirectory
from subcritical.sandbox import Limits, probe

PAIRS = 5
DEPTH = 2
WORK = """\
import time
{imports}

def evaluate(candidate, data):
    value = candidate.call("value", 1)
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    return {{"metrics": {{"score": {{"value": value}}}}, "primary": "score"}}
"""
GUEST = """\
import json, os
requests = os.fdopen(int(os.environ["SUBCRITICAL_REQUEST_FD"]), "w")
answers = os.fdopen(int(os.environ["SUBCRITICAL_ANSWER_FD"]))
for number in range({count}):
    open("solution.py", "w").write(f"def value(x):\\n    return {{-number}}\\n")
    requests.write(json.dumps({{"op": "propose"}}) + "\\n"); requests.flush()
    if not answers.readline(): break
"""


class Kind(NamedTuple):
    """What the evaluator imports, how many evaluations a run has, and the bar against an equally warm pool."""

    name: str
    imports: str
    evaluations: int
    warm_bar: float


KINDS = (
    Kind("numpy only", "import numpy", 60, 1.5),
    Kind("scikit-learn in the evaluator", "import sklearn.linear_model", 20, 1.25),
)
PRELOAD = ("numpy",)


class _Nobody:
    def check(self):
        return None

    def paused_ns(self):
        return 0


def make_task(directory: Path, kind: Kind) -> Path:
    """A loop file, and beside it all that it names."""
    (directory / "seed").mkdir(parents=True)
    (directory / "seed" / "solution.py").write_text("def value(x):\n    return 1\n")
    (directory / "evaluate.py").write_text(WORK.format(imports=kind.imports))
    (directory / "guest.py").write_text(GUEST.format(count=kind.evaluations))
    np.savez(directory / "public.npz", x=np.arange(3))
    settings = {
        "system": "perf",
        "guest": {"kind": "command", "run": ["python", "guest.py"]},
        "workspace": "seed",
        "artifacts": [{"path": "solution.py", "is": "code"}],
        "evaluate": {"run": "evaluate.py", "public": "public.npz"},
        "limits": {"generations": kind.evaluations},
        "oversight": {"review": "assumed"},
    }
    (directory / "loop.yaml").write_text(yaml.safe_dump(settings))
    return directory / "loop.yaml"


def _guarded(directory: Path, loop_file: Path, kind: Kind) -> None:
    run = RunDirectory.create(directory, "guarded")
    result = run_loop(load_loop(loop_file), run, options=RunOptions(rung=probe().strongest), clock=SystemClock())
    assert result.generations == kind.evaluations, result


def _plain(directory: Path, loop_file: Path, kind: Kind, *, warm: bool) -> None:
    clock, containment = SystemClock(), PlainContainment(directory)
    evaluator = {"evaluate.py": (loop_file.parent / "evaluate.py").read_bytes()}
    plan = Plan(
        run="evaluate.py",
        data=loop_file.parent / "public.npz",
        module="solution",
        isolation="split",
        preload=PRELOAD,
        rules=Rules(),
        timeout_s=20,
        limits=Limits(),
    )

    def make(number: int) -> Pair:
        return Pair(containment, plan, number=number, split="public", clock=clock)

    pool = PairPool(make, evaluator=evaluator, depth=DEPTH, paused_ns=lambda: 0) if warm else None
    for number in range(kind.evaluations + 1):
        candidate = {"solution.py": f"def value(x):\n    return {-number}\n".encode()}
        pair = pool.take(_Nobody()) if pool else make(number)
        if not pool:
            pair.load(evaluator)
        outcome = pair.evaluate(candidate, seeds=[1], watch=_Nobody())
        assert outcome.status == "ok", outcome
        pool.retire(pair) if pool else pair.close()
    if pool:
        pool.close()


def _timed(call) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), machine_cpu_s()
    call()
    return time.perf_counter() - wall, machine_cpu_s() - cpu


def main(only: str = "") -> None:
    """Print medians of the paired ratios, wall and CPU, beside their bars; of kinds whose name holds `only`."""
    for kind in KINDS:
        if only not in kind.name:
            continue
        rows = [_row(kind) for _ in range(PAIRS)]
        for name, place, limit in (("cold plain subprocesses", 1, 1.0), ("equally warm plain pool", 2, kind.warm_bar)):
            wall = statistics.median(row[0][0] / row[place][0] for row in rows)
            cpu = statistics.median(row[0][1] / row[place][1] for row in rows)
            print(
                f"guarded loop / {name}, {kind.name}: wall {wall:.2f} (bar {limit}), machine CPU {cpu:.2f}; "
                f"{PAIRS} interleaved pairs of {kind.evaluations} evaluations of 100 ms",
                flush=True,
            )


def _row(kind: Kind) -> tuple[tuple[float, float], ...]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        loop_file = make_task(directory / "task", kind)
        return (
            _timed(lambda: _guarded(directory / "a", loop_file, kind)),
            _timed(lambda: _plain(directory / "b", loop_file, kind, warm=False)),
            _timed(lambda: _plain(directory / "c", loop_file, kind, warm=True)),
        )
