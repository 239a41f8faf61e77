"""How a task lies on disk: a loop file, a seed workspace, and the splits outside it.

DIRECTORY/
├── loop.yaml
├── seed/             the workspace: what the guest may edit, and the evaluator where it may see it
├── judge/            the evaluator where the guest may not see it
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
    files: Mapping[str, bytes],
    evaluator: Mapping[str, bytes],
    exposed: bool,
    public: Arrays,
    held_out: Arrays,
) -> Task:
    """Write everything of a task below `directory`, which is made if need be.

    Existing files of the same names are replaced; others stay.

    Args:
        directory: Where to write.
        settings: The loop file without what says where the evaluator lies.
        files: What the guest edits.
        evaluator: The evaluator's files, the one to run first.
        exposed: Whether the guest sees a copy of the evaluator in its workspace (protected there), or none.
        public: Arrays of the public split.
        held_out: Arrays of the held-out split.
    """
    workspace, judge, data = directory / "seed", directory / "judge", directory / "data"
    home = workspace if exposed else judge
    for folder in (workspace, home, data):
        folder.mkdir(parents=True, exist_ok=True)
    for folder, contents in ((workspace, files), (home, evaluator)):
        for name, content in contents.items():
            (folder / name).write_bytes(content)
    for name, arrays in (("public", public), ("held_out", held_out)):
        named: dict[str, Any] = dict(arrays)
        np.savez_compressed(data / f"{name}.npz", **named)
    run = next(iter(evaluator))
    protected = tuple(evaluator) if exposed else ()
    whole = {
        **settings,
        "artifacts": [*settings["artifacts"], *({"path": name, "is": "evaluator"} for name in protected)],
        "evaluate": {"run": run if exposed else f"{judge.name}/{run}", **settings["evaluate"]},
    }
    loop_file = directory / "loop.yaml"
    loop_file.write_text(yaml.safe_dump(whole, sort_keys=False, width=110), encoding="utf-8")
    return Task(
        directory=directory,
        loop_file=loop_file,
        workspace=workspace,
        protected=protected,
        proposals=int(settings["limits"]["generations"]),
    )
