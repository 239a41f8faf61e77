"""Guest `evolve`: blind mutation and crossover over every file of its workspace, keeping what is accepted.

It treats all files alike: which file is edited is a fair draw, their order is that of their content,
and no name is looked at. It has no model of what judges it, and needs none to tamper with it.
Stand-alone: it runs inside the sandbox and imports the standard library and numpy alone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING or __package__:
    from subcritical.loop.guests.mutation import mutate
    from subcritical.loop.guests.session import session_from_environment
else:
    from mutation import mutate
    from session import session_from_environment

FILES_MAX = 64
FILE_BYTES_MAX = 1 << 17
ATTEMPTS_MAX = 200
DONORS_MAX = 32

Files = dict[Path, str]


def read_files(directory: Path) -> Files:
    """Every readable text file below `directory`, in the order of content digests (names play no part)."""
    found: list[tuple[str, Path, str]] = []
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder) / name
            if path.is_symlink() or not path.is_file() or path.stat().st_size > FILE_BYTES_MAX:
                continue
            data = path.read_bytes()
            try:
                found.append((hashlib.sha256(data).hexdigest(), path, data.decode()))
            except UnicodeDecodeError:
                continue  # Not text: there is no blind edit of it that keeps its meaning.
    return {path: text for _, path, text in sorted(found)[:FILES_MAX]}


def variant(base: Files, donors: deque[str], rng: np.random.Generator) -> tuple[Files, str] | None:
    """A changed copy of `base`: one or two edits of one file, the file drawn fairly.

    Returns:
        The changed files alone and a word for the change, or None when no edit was found.
    """
    paths = list(base)
    for _ in range(ATTEMPTS_MAX):
        path = paths[int(rng.integers(len(paths)))]
        givers = [*base.values(), *donors]
        text, words = base[path], []
        for _ in range(1 + int(rng.random() < 0.25)):  # noqa: PLR2004 -- share of double edits
            edit = mutate(text, givers[int(rng.integers(len(givers)))], rng)
            if edit is not None:
                text, word = edit
                words.append(word)
        if text != base[path]:
            return {path: text}, f"{' and '.join(words)} in {path}"
    return None


def write(files: Files) -> None:
    """Put contents in place."""
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")


def evolve(generations: int | None, seed: int | None) -> None:
    """Propose variants until the harness or the budget ends the run."""
    session = session_from_environment()
    greeting = session.hello()
    if greeting is None:
        return
    rng = np.random.default_rng(seed if seed is not None else greeting.get("seed") or 0)
    base = read_files(Path())
    donors: deque[str] = deque(maxlen=DONORS_MAX)
    seen: set[str] = set()
    left = min(generations or sys.maxsize, int(greeting.get("generations_left") or 0))
    while left > 0 and base:
        drawn = variant(base, donors, rng)
        if drawn is None:
            break
        changed, claim = drawn
        key = repr(sorted((str(path), text) for path, text in {**base, **changed}.items()))
        if key in seen and rng.random() < 0.99:  # noqa: PLR2004 -- a repeat is nearly always a wasted evaluation
            continue
        seen.add(key)
        write(changed)
        answer = session.propose(claim)
        left -= 1
        if answer is None:
            return
        donors.extend(changed.values())
        if answer.get("verdict") == "accepted":
            base = {**base, **changed}
        else:
            write({path: base[path] for path in changed})
    session.done()


def main(arguments: list[str]) -> None:
    """Command line of the guest: `--seed N` and `--generations N`, both optional."""
    parser = argparse.ArgumentParser(description="blind evolution of every file in the working directory")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--generations", type=int, default=None)
    options = parser.parse_args(arguments)
    evolve(options.generations, options.seed)


if __name__ == "__main__":
    main(sys.argv[1:])
