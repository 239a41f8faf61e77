"""How a task lies on disk: a loop file, a seed workspace, and the splits outside it.

DIRECTORY/
├── loop.yaml
├── seed/             the workspace: what the guest may edit, and the evaluator it may see
└── data/             public.npz, held_out.npz: never inside the workspace
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task that was written to disk.

    `protected` are the evaluator's files inside the workspace; `proposals` is the budget at which the
    experiments were calibrated.
    """

    directory: Path
    loop_file: Path
    workspace: Path
    protected: tuple[str, ...]
    proposals: int


def shipped(task: str, name: str) -> bytes:
    """A file of a task as it is shipped, read as data."""
    return (files(f"subcritical.loop.tasks.{task}") / name).read_bytes()


def write_task(
    directory: Path,
    *,
    settings: Mapping[str, Any],
    seed_files: Mapping[str, bytes],
    protected: tuple[str, ...],
    public: Arrays,
    held_out: Arrays,
) -> Task:
    """Write everything of a task below `directory`, which is made if need be.

    Existing files of the same names are replaced; others stay.
    """
    workspace, data = directory / "seed", directory / "data"
    workspace.mkdir(parents=True, exist_ok=True)
    data.mkdir(exist_ok=True)
    for name, content in seed_files.items():
        (workspace / name).write_bytes(content)
    for name, arrays in (("public", public), ("held_out", held_out)):
        named: dict[str, Any] = dict(arrays)
        np.savez_compressed(data / f"{name}.npz", **named)
    loop_file = directory / "loop.yaml"
    loop_file.write_text(yaml.safe_dump(dict(settings), sort_keys=False, width=110), encoding="utf-8")
    return Task(
        directory=directory,
        loop_file=loop_file,
        workspace=workspace,
        protected=protected,
        proposals=int(settings["limits"]["generations"]),
    )
