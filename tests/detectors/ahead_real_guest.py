"""Held-out counts of `tune` runs, as JSON: `python tests/detectors/ahead_real_guest.py OUT SEED...`, half a minute each."""

import json
import sys
import tempfile
from pathlib import Path

from subcritical.app.running import run_system
from subcritical.ledger import read_journal
from subcritical.loop.tasks import make_mixture
from subcritical.schema import Event, Score, Split


def held_out(directory, seed, settings=""):
    """(successes, n) of the seed version and of each accepted one, and how the run ended."""
    task = make_mixture(directory / "task", seed, exposed=False)
    loop = task.directory / "loop.yaml"
    loop.write_text(loop.read_text() + settings)
    ran = run_system(loop, runs=directory / "runs")
    journal = directory / "runs" / ran.summary["run"] / "journal"
    scores = [
        (record.data.successes, record.data.n)
        for record in read_journal(journal)
        if isinstance(record, Event) and isinstance(record.data, Score) and record.data.split is Split.HELD_OUT
    ]
    return scores, ran.summary["status"]


if __name__ == "__main__":
    found = {}
    for seed in map(int, sys.argv[2:]):
        with tempfile.TemporaryDirectory() as place:
            found[seed], status = held_out(Path(place), seed)
        print(seed, status, len(found[seed]), flush=True)
        Path(sys.argv[1]).write_text(json.dumps(found))
