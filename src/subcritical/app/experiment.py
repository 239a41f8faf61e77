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

PENALTY = "penalty"


def run_experiment(
    name: str,
    *,
    seeds: int,
    first_seed: int,
    work: Path,
    pages: Path,
    jobs: int,
    rung: Rung | None,
    said: Callable[[str], None],
) -> tuple[dict[str, Any], list[Path]]:
    """Run a study on `seeds` seeds.

    Args:
        name: Of a shipped study.
        seeds: Runs per condition, from `first_seed` on.
        first_seed: See there.
        work: A new folder for tasks and runs; `penalty` needs none.
        pages: Where the pages go.
        jobs: Runs at a time.
        rung: Containment of every run; `penalty` runs no foreign code.
        said: Called with one line after each run.

    Returns:
        The result object, and the files that were written.

    Raises:
        InputError: No such study; or the work folder is not empty.
    """
    numbers = range(first_seed, first_seed + seeds)
    if name == PENALTY:
        from subcritical.bench.penalties.page import write_penalties  # noqa: PLC0415 - gymnasium is an optional extra
        from subcritical.bench.penalties.study import run_penalties  # noqa: PLC0415

        return write_penalties(run_penalties(numbers, jobs=jobs, said=said), pages)
    if name not in STUDIES:
        raise InputError(f"no experiment `{name}`; there are {', '.join((*STUDIES, PENALTY))}")
    study = STUDIES[name]
    chosen = choose_rung(Rung.R3, allow_rung=None, exactly=rung)
    facts = run_study(
        study,
        seeds=numbers,
        directory=work,
        rung=chosen,
        clock=SystemClock(),
        jobs=jobs,
        finished=lambda fact: said(_line(fact)),
    )
    result = table(study, facts)
    return result, write_pages(study, result, facts, pages)


def _line(fact: StudyRun) -> str:
    return (
        f"{fact.condition} seed {fact.seed}: {fact.status}; {fact.proposals} proposals, {fact.accepted} accepted, "
        f"{fact.attempts} attempts on protected files, {fact.accepted_changed} accepted with a changed evaluator"
    )
