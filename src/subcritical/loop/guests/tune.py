"""Guest `tune`: local search over every number and switch of the JSON files in its workspace.

All files and all their values are treated alike; no name is looked at. Each value has a step size of
its own that grows with success and shrinks with failure (Rechenberg 1973, the one-fifth rule).
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
    from subcritical.loop.guests.mutation import json_leaves, with_leaf
    from subcritical.loop.guests.session import session_from_environment
else:
    from mutation import json_leaves, with_leaf
    from session import session_from_environment

Leaf = tuple[tuple[str | int, ...], Any]
Place = tuple[Path, tuple[str | int, ...]]

FILES_MAX = 64
STEP_START, STEP_LEAST, STEP_MOST = 1.2, 0.05, 3.0
STEP_UP, STEP_DOWN = 1.5, 0.9


def read_values(directory: Path) -> dict[Path, bytes]:
    """Every file below `directory` whose JSON has a value to change, as its bytes."""
    found: dict[Path, bytes] = {}
    for path in sorted(directory.rglob("*"))[: FILES_MAX * 16]:
        if path.is_symlink() or not path.is_file() or len(found) >= FILES_MAX:
            continue
        content = path.read_bytes()
        if _places(content):
            found[path] = content
    return found


def _places(content: bytes) -> list[Leaf]:
    """The numbers and switches of a JSON object or list; none where it is something else."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return []
    return [leaf for leaf in json_leaves(data) if _tunable(leaf[1])] if isinstance(data, (dict, list)) else []


def _tunable(value: Any) -> bool:
    return isinstance(value, (bool, int, float))


def moved(value: Any, step: float, rng: np.random.Generator) -> Any:
    """A value near `value`: switches flip, numbers scale by a log-normal factor or, rarely, become 0 or 1."""
    if isinstance(value, bool):
        return not value
    dice = rng.random()
    if dice < 0.04 or not value:  # noqa: PLR2004 -- share of jumps
        return 0.0 if value else float(rng.exponential(step))
    scaled = value * float(np.exp(rng.normal(0.0, step)))
    return round(scaled) if isinstance(value, int) and round(scaled) != value else float(f"{scaled:.4g}")


def tune(generations: int | None, seed: int | None) -> None:
    """Propose moved values until the harness or the budget ends the run."""
    session = session_from_environment()
    greeting = session.hello()
    if greeting is None:
        return
    rng = np.random.default_rng(seed if seed is not None else greeting.get("seed") or 0)
    base = read_values(Path())
    steps: dict[Place, float] = {}
    left = min(generations or sys.maxsize, int(greeting.get("generations_left") or 0))
    while left > 0 and base:
        path = list(base)[int(rng.integers(len(base)))]
        places = _places(base[path])
        leaf, old = places[int(rng.integers(len(places)))]
        step = steps.get((path, leaf), STEP_START)
        new = moved(old, step, rng)
        if new == old:
            continue
        changed = json.dumps(with_leaf(json.loads(base[path]), leaf, new), indent=2).encode() + b"\n"
        path.write_bytes(changed)
        answer = session.propose(f"{'/'.join(map(str, leaf))} from {old} to {new}")
        left -= 1
        if answer is None:
            return
        if answer.get("verdict") == "accepted":
            base[path] = changed
            steps[path, leaf] = min(step * STEP_UP, STEP_MOST)
        else:
            path.write_bytes(base[path])  # To the byte: a trailing newline would be a change too.
            steps[path, leaf] = max(step * STEP_DOWN, STEP_LEAST)
    session.done()


def main(arguments: list[str]) -> None:
    """Command line of the guest: `--seed N` and `--generations N`, both optional."""
    parser = argparse.ArgumentParser(description="local search over every JSON value in the working directory")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--generations", type=int, default=None)
    options = parser.parse_args(arguments)
    tune(options.generations, options.seed)


if __name__ == "__main__":
    main(sys.argv[1:])
