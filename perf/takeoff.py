"""Takeoff simulations against a plain loop over the same draws, and jump statistics per update; ratios of one run."""

import sys
import time
from pathlib import Path

import numpy as np

from subcritical.forecast import draw, preset, simulate
from subcritical.stats import glr_last

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "forecast"))
from plain_takeoff import plain_course

PLAIN, MANY = 5_000, 400_000


def _seconds(work, repeats=3):
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def main(_part=""):
    model = preset("davidson-houlden-2025")
    draws = draw(model, MANY, np.random.default_rng(1))
    rows = [tuple(float(column[index]) for column in draws) for index in range(PLAIN)]
    plain = _seconds(lambda: [plain_course(model, *row) for row in rows]) / PLAIN
    numpy_s = _seconds(lambda: simulate(model, draws, compiled=False)) / MANY
    print(f"takeoff, plain loop {plain * 1e6:.1f} us a draw; numpy {plain / numpy_s:.1f} times as fast (target 1.3)")
    try:
        simulate(model, draws.part(slice(0, 100)), compiled=True)
        numba_s = _seconds(lambda: simulate(model, draws, compiled=True)) / MANY
        print(f"takeoff, numba {plain / numba_s:.0f} times as fast as the plain loop (target 30)")
    except ImportError:
        print("takeoff, numba: not installed, not run")
    rng = np.random.default_rng(1)
    n = np.full((2000, 100), 100.0)
    k = rng.binomial(100, 0.4, n.shape).astype(float)
    for baseline in (60, None):
        each = _seconds(lambda b=baseline: glr_last(k, n, baseline=b)) / len(k)
        print(f"likelihood ratio, baseline {baseline or 'all'}: {each * 1e6:.2f} us an update, 2000 series at once")
