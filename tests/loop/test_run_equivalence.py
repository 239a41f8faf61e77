"""A guest that is not deterministic ends as good with interruptions as without: two one-sided tests.

The margin is 0.2 standard deviations. Two independent samples need about 430 runs a side to reject with a chance of
0.9 when nothing differs, so the default number of runs only prints the interval; with
`SUBCRITICAL_EQUIVALENCE_RUNS=440` it must lie inside the margin.
"""

import os
import random
import threading
import time

import numpy as np
import pytest
from loop_cases import make_loop, run_case, walker
from scipy import stats

from subcritical.errors import SubcriticalError
from subcritical.pipeline.control import send_order
from subcritical.schema import Order, Receipt

RUNS = int(os.environ.get("SUBCRITICAL_EQUIVALENCE_RUNS", "40"))
ENOUGH = 430
MARGIN_SD = 0.2
WALK = walker(dice="random.SystemRandom()", tries=5, most=25)


def final_score(ran):
    """The public score of the version in force at the end."""
    return max(score.value for score in ran.scores("public"))


def run_once(directory, rung, *, interrupted):
    """One run; with pauses of a person beside it at random times, or without."""
    loop = make_loop(directory / "loop", WALK, evaluate={"held_out": None})
    over = threading.Event()

    def disturb():
        chance = random.SystemRandom()
        while not over.wait(chance.uniform(0.1, 0.8)):
            try:
                send_order(directory / "runs" / "run", Order.PAUSE, by="ana", reason="look")
                time.sleep(chance.uniform(0.0, 0.3))
                send_order(directory / "runs" / "run", Order.RESUME, by="ana", reason="looked")
            except SubcriticalError:
                continue

    thread = threading.Thread(target=disturb, daemon=True)
    if interrupted:
        thread.start()
    ran = run_case(loop, directory / "runs", rung, wait_when_paused=True)
    over.set()
    if interrupted:
        thread.join()
    pauses = sum(isinstance(r, Receipt) and r.order is Order.PAUSE and r.outcome == "confirmed" for r in ran.records)
    return final_score(ran), pauses


def equivalence(calm, disturbed):
    """Difference of means, its 90 % interval and the margin (two one-sided tests at 5 %; Schuirmann 1987), Welch."""
    difference = np.mean(disturbed) - np.mean(calm)
    parts = [np.var(side, ddof=1) / len(side) for side in (calm, disturbed)]
    freedom = sum(parts) ** 2 / sum(p**2 / (len(s) - 1) for p, s in zip(parts, (calm, disturbed), strict=True))
    half = stats.t.ppf(0.95, freedom) * np.sqrt(sum(parts))
    return difference, (difference - half, difference + half), MARGIN_SD * np.std(calm, ddof=1)


@pytest.mark.sim
@pytest.mark.timeout(7200)
def test_interruptions_change_nothing_about_a_guest_that_is_not_deterministic(tmp_path, rung):
    calm, disturbed, pauses = [], [], []
    for number in range(RUNS):  # one of each in turn, so that the machine's mood is the same for both
        calm.append(run_once(tmp_path / f"calm{number}", rung, interrupted=False)[0])
        score, held = run_once(tmp_path / f"held{number}", rung, interrupted=True)
        disturbed.append(score)
        pauses.append(held)
    difference, (low, high), margin = equivalence(calm, disturbed)
    print(
        f"{RUNS} runs a side, {np.mean(pauses):.1f} pauses a run: {np.mean(calm):.4f} and {np.mean(disturbed):.4f}, "
        f"difference {difference:+.4f} [{low:+.4f}, {high:+.4f}], margin {margin:.4f}"
    )
    assert np.mean(pauses) >= 1
    assert stats.ttest_ind(calm, disturbed, equal_var=False).pvalue > 0.001  # what fewer runs can say already
    if RUNS >= ENOUGH:
        assert -margin < low
        assert high < margin


def test_the_test_of_equivalence_sees_a_difference():
    chance = np.random.default_rng(1)
    calm = chance.normal(0, 1, 440)
    assert abs(equivalence(calm, calm)[0]) == 0
    difference, (low, high), margin = equivalence(calm, chance.normal(0.4, 1, 440))
    assert high > margin, (difference, low, high, margin)
