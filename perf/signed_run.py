"""What signing the log during a run costs: the guarded loop with its notary against the same loop without, in pairs.

Whole runs, start and end of the notary included; the order within a pair alternates.
"""

import math
import statistics
import tempfile
import time
from pathlib import Path

from scipy import stats

from perf.guarded_loop import KINDS, make_task
from subcritical.clock import SystemClock
from subcritical.ledger.notary import Notary
from subcritical.loop.assembly import run_loop
from subcritical.loop.loopfile import load_loop
from subcritical.loop.options import RunOptions
from subcritical.loop.run_directory import RunDirectory
from subcritical.sandbox import probe

PAIRS = 24
BAR = 1.05


def main(_only: str = "") -> None:
    """Print the mean ratio with its interval beside the bar."""
    kind = KINDS[0]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        loop_file = make_task(place / "task", kind)
        ratios = []
        for pair in range(PAIRS):
            times = {}
            for signed in (True, False) if pair % 2 else (False, True):
                times[signed] = _run(RunDirectory.create(place, f"{pair}-{signed}"), loop_file, place, signed=signed)
            ratios.append(math.log(times[True] / times[False]))
    middle, spread = statistics.mean(ratios), statistics.stdev(ratios) / math.sqrt(PAIRS)
    reach = float(stats.t.ppf(0.975, PAIRS - 1)) * spread
    low, mean, high = (math.exp(at) for at in (middle - reach, middle, middle + reach))
    print(
        f"guarded loop signed while it runs / not signed: {mean:.3f}, 95 % interval {low:.3f} to {high:.3f} "
        f"(bar: upper end {BAR}); {PAIRS} interleaved pairs of {kind.evaluations} evaluations of 100 ms",
        flush=True,
    )


def _run(directory: RunDirectory, loop_file: Path, home: Path, *, signed: bool) -> float:
    loop, options, clock = load_loop(loop_file), RunOptions(rung=probe().strongest), SystemClock()
    started = time.perf_counter()
    if not signed:
        run_loop(loop, directory, options=options, clock=clock)
        return time.perf_counter() - started
    notary = Notary(directory.journal, directory.ledger, home / "home")
    run_loop(loop, directory, options=options, clock=clock, beside=lambda run: notary.watched(run.stand_still))
    said = notary.close()
    took = time.perf_counter() - started
    assert said.size, said
    assert not said.refused, said
    return took
