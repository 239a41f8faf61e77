"""The private directory of a run on the host: made, removed, and swept up after a killed supervisor."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_PREFIX = "subcritical-"
_MOST_SWEPT = 100
_REMOVE_TIMEOUT_S = 60.0


def private_directory(*, for_all: bool) -> Path:
    """A directory that payload users can pass through but not list (`for_all`), or that is ours alone.

    As root it lies where every user can reach it. The name holds our pid, so that the next run can
    tell that its owner is gone.
    """
    parent = next((place for place in ("/run", "/tmp") if os.access(place, os.W_OK)), None) if for_all else None  # noqa: S108
    parent = parent or tempfile.gettempdir()
    _sweep(Path(parent))
    directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    directory.chmod(0o711 if for_all else 0o700)
    return directory


def _sweep(parent: Path) -> None:
    """Remove directories of ours whose supervisor was killed. A pid that is in use again keeps one until later."""
    for place in list(parent.glob(f"{_PREFIX}*-*"))[:_MOST_SWEPT]:
        owner = place.name.removeprefix(_PREFIX).split("-", 1)[0]
        if not owner.isdigit() or Path(f"/proc/{owner}").exists():
            continue
        try:
            status = place.lstat()
        except OSError:
            continue  # swept by another run
        if status.st_uid == os.getuid() and place.is_dir() and not place.is_symlink():
            remove_tree(place)


def remove_tree(directory: Path) -> None:
    """Remove a tree that a payload may have filled: `rm` walks any depth, Python's own rmtree recurses and fails.

    What cannot be removed stays, and harms nobody: it is private.
    """
    remove = shutil.which("rm", path=os.defpath) or "rm"
    command = [remove, "-rf", "--one-file-system", "--", str(directory)]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_REMOVE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return
