"""Where a run lives on disk, owner-only: the loop file as it was, journal, store, socket, report."""

from __future__ import annotations

import os
from pathlib import Path

from subcritical.errors import InputError

RUNS = Path("runs")


class RunDirectory:
    """Paths of one run.

    Attributes:
        path: `runs/<run>`; its name is the run's name.
    """

    def __init__(self, path: Path) -> None:
        """Name the paths; creates nothing."""
        self.path = path
        self.loop_file = path / "loop.yaml"
        self.origin = path / "origin"
        self.journal = path / "journal"
        self.ledger = path / "ledger"
        self.store = path / "store"
        self.pristine = path / "evaluator.json"
        self.report = path / "report.html"
        self.summary = path / "summary.json"

    @property
    def run(self) -> str:
        """The run's name."""
        return self.path.name

    @classmethod
    def create(cls, parent: Path, run: str) -> RunDirectory:
        """Make a new, owner-only run directory.

        Raises:
            InputError: It exists, or cannot be made.
        """
        directory = cls(parent / run)
        try:
            directory.path.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise InputError(f"cannot make the run directory {directory.path}: {error.strerror}") from error
        return directory

    @classmethod
    def find(cls, name: str, parent: Path = RUNS) -> RunDirectory:
        """The run that a person means: a path, a run's name, or `latest`.

        Raises:
            InputError: There is none, or `name` fits more than one.
        """
        if name == "latest":
            runs = sorted(path for path in parent.glob("*") if (path / "journal").is_dir())
            if not runs:
                raise InputError(f"no run in {parent}/; start one with `subcritical run LOOP`")
            return cls(runs[-1])
        for candidate in (Path(name), parent / name):
            if (candidate / "journal").is_dir():
                return cls(candidate)
        # Only a name is completed; a path means exactly one place.
        fitting = sorted(parent.glob(f"{_literal(name)}*")) if name and os.sep not in name else []
        if len(fitting) == 1:
            return cls(fitting[0])
        known = ", ".join(sorted(path.name for path in parent.glob("*"))[-5:]) or "none"
        raise InputError(f"no run `{name}` in {parent}/ (latest runs: {known}); name one, or its folder with --runs")

    def remember(self, loop_file: Path) -> None:
        """Keep the loop file as it was when the run started, and where it lay."""
        self.loop_file.write_bytes(loop_file.read_bytes())
        self.origin.write_text(os.fspath(loop_file.resolve()), encoding="utf-8")

    def original_loop_file(self) -> Path:
        """The loop file the run was started from; paths in it resolve beside it.

        Raises:
            InputError: It is gone, or no longer what the run was started with.
        """
        original = Path(self.origin.read_text(encoding="utf-8"))
        try:
            same = original.read_bytes() == self.loop_file.read_bytes()
        except OSError as error:
            raise InputError(f"{original}: the loop file of run {self.run} cannot be read: {error.strerror}") from error
        if not same:
            raise InputError(
                f"{original} has changed since {self.run} started; restore it from {self.loop_file}, or start anew"
            )
        return original


def _literal(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
