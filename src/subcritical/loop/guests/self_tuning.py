"""Guest `self_tuning`: an optimiser whose next parameters are found by itself.

The improver of generation g (six parameters, in `improver.json`) searches for better parameters with a
fixed number of judged proposals; the best it found is the improver of generation g + 1, which then does
the searching. With `--frozen` the first improver does all the searching: the control without recursion.
Stand-alone: it runs inside the sandbox and imports the standard library and numpy alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or __package__:
    from subcritical.loop.guests.session import Session, session_from_environment
    from subcritical.loop.guests.strategy import search
else:
    from session import Session, session_from_environment
    from strategy import search

PER_GENERATION = 30
WORST = float("inf")


class _HarnessGoneError(Exception):
    """The harness closed the session in the middle of a search."""


class Judged:
    """The objective: negative public score of an improver, each value one proposal to the harness."""

    def __init__(self, session: Session, path: Path) -> None:
        """Propose by writing `path`; what it holds now is in force."""
        self._session = session
        self._path = path
        self._in_force = path.read_bytes()
        self._names = json.loads(self._in_force).get("names")
        self.generation = 0
        self.left = sys.maxsize

    def __call__(self, points: Any) -> list[float]:
        """Values of the rows of `points`, one proposal each."""
        return [self._judge([round(float(value), 6) for value in point]) for point in points]

    def _judge(self, parameters: list[float]) -> float:
        if self.left <= 0:
            raise _HarnessGoneError
        self.left -= 1
        record = {"generation": self.generation, "parameters": parameters, "names": self._names}
        content = json.dumps(record, indent=2).encode() + b"\n"
        self._path.write_bytes(content)
        answer = self._session.propose(f"improver of generation {self.generation}")
        if answer is None:
            raise _HarnessGoneError
        if answer.get("verdict") == "accepted":
            self._in_force = content
        else:
            self._path.write_bytes(self._in_force)
        score = answer.get("score")
        return -float(score) if isinstance(score, (int, float)) else WORST


def self_tune(path: Path, per_generation: int, seed: int | None, *, frozen: bool) -> None:
    """Let each improver find the next one until the harness or the budget ends the run."""
    session = session_from_environment()
    greeting = session.hello()
    if greeting is None:
        return
    rng = np.random.default_rng(seed if seed is not None else greeting.get("seed") or 0)
    judged = Judged(session, path)
    judged.left = int(greeting.get("generations_left") or 0)
    improver = first = json.loads(path.read_bytes())["parameters"]
    best = -float(greeting["score"]) if isinstance(greeting.get("score"), (int, float)) else WORST
    try:
        while judged.left > 0:
            judged.generation += 1
            searcher = first if frozen else improver
            found, value = search(judged, improver, searcher, budget=min(per_generation, judged.left), rng=rng)
            if value < best:
                improver, best = [float(number) for number in found], value
    except _HarnessGoneError:
        return
    session.done()


def main(arguments: list[str]) -> None:
    """Command line: `--seed N`, `--per-generation N`, `--frozen`, `--parameters FILE`, all optional."""
    parser = argparse.ArgumentParser(description="an optimiser that tunes itself")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--per-generation", type=int, default=PER_GENERATION)
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--parameters", type=Path, default=Path("improver.json"))
    options = parser.parse_args(arguments)
    self_tune(options.parameters, options.per_generation, options.seed, frozen=options.frozen)


if __name__ == "__main__":
    main(sys.argv[1:])
