"""`experiment`: run a shipped study and write its pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from subcritical.app.running import choose_rung
from subcritical.bench.experiment import run_study, table
from subcritical.bench.facts import StudyRun
from subcritical.bench.pages import write_pages
from subcritical.bench.studies import STUDIES
from subcritical.clock import SystemClock
from subcritical.errors import InputError
from subcritical.sandbox import Rung


def run_experiment(
    name: str,
    *,
    seeds: int,
    first_seed: int,
    work: Path,
    pages: Path,
    jobs: int,
    rung: Rung | None,
    finished: Callable[[StudyRun], None],
) -> tuple[dict[str, Any], list[Path]]:
    """Run a study on `seeds` seeds.

    Returns:
        The result object, and the files that were written.

    Raises:
        InputError: No such study; or the work folder is not empty.
    """
    if name not in STUDIES:
        raise InputError(f"no experiment `{name}`; there are {', '.join(STUDIES)}")
    study = STUDIES[name]
    chosen = choose_rung(Rung.R3, allow_rung=None, exactly=rung)
    facts = run_study(
        study,
        seeds=range(first_seed, first_seed + seeds),
        directory=work,
        rung=chosen,
        clock=SystemClock(),
        jobs=jobs,
        finished=finished,
    )
    result = table(study, facts)
    return result, write_pages(study, result, facts, pages)
