import sys
from pathlib import Path

import pytest
from run_doubles import Run

from subcritical.ledger import Journal

# Keys of people are shared with the gateway's tests.
sys.path.insert(0, str(Path(__file__).parent.parent / "gateway"))


@pytest.fixture
def make_run(tmp_path):
    made = []

    def make(**settings):
        run = Run(tmp_path / f"run{len(made)}", **settings)
        made.append(run)
        return run

    yield make
    for run in made:
        if run.journal.__class__ is Journal:
            run.pipeline.close()
            run.journal.close()
