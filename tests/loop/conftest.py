"""Real sandboxes on the strongest rung of this machine."""

import sys
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import EVALUATOR, GOOD

from subcritical.clock import SystemClock
from subcritical.loop.evaluation import Pair, Plan, Rules
from subcritical.sandbox import Containment, Limits, probe

# Keys of people are shared with the gateway's tests.
sys.path.insert(0, str(Path(__file__).parent.parent / "gateway"))


class Watching:
    """Nobody stops or pauses."""

    def check(self):
        return None

    def paused_ns(self):
        return 0


@pytest.fixture
def rung():
    strongest = probe().strongest
    if strongest is None:
        pytest.skip("no containment rung works on this machine")
    return strongest


@pytest.fixture
def containment(rung):
    with Containment(run="test", rung=rung, clock=SystemClock()) as made:
        yield made


@pytest.fixture
def split(tmp_path):
    path = tmp_path / "split.npz"
    np.savez(path, x=np.arange(20.0), y=np.arange(20) % 2)
    return path


@pytest.fixture
def judge_once(containment, split):
    """Evaluate one candidate with one evaluator; returns the outcome."""
    count = 0

    def run(
        candidate=GOOD, evaluator=EVALUATOR, *, seeds=(1,), timeout_s=5.0, watch=None, limits=None, files=None, **plan
    ):
        nonlocal count
        count += 1
        settings = Plan(
            run="evaluate.py",
            data=split,
            module="solution",
            isolation=plan.pop("isolation", "split"),
            preload=("numpy",),
            rules=plan.pop("rules", Rules(bounds={"accuracy": (0.0, 1.0)})),
            timeout_s=timeout_s,
            limits=limits or Limits(memory_bytes=512 << 20, cpu_s=20.0),
        )
        pair = Pair(containment, settings, number=count, split="test", clock=SystemClock())
        try:
            pair.load({"evaluate.py": evaluator, **plan.pop("beside", {})})
            return pair.evaluate(
                {"solution.py": candidate, **(files or {})}, seeds=list(seeds), watch=watch or Watching()
            )
        finally:
            pair.close()

    return run
