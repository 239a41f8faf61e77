"""Where a run's control socket lies: in its own directory, or, where that cannot hold one, beside a pointer to it.

A socket's address holds 107 bytes and some file systems hold no sockets at all. The directory is
therefore addressed through an open descriptor, and the short directory is only for the second case.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from subcritical.errors import ContainmentError, InputError

SOCKET_NAME = "control.sock"
POINTER_NAME = "control.path"
_POINTER_BYTES_MAX = 4096
_OWNER_ONLY = 0o700


def make_private(directory: Path) -> None:
    """Make `directory`, or make sure that it is ours alone.

    Raises:
        ContainmentError: It is a link, no directory, or another user's.
    """
    directory.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise ContainmentError(f"{directory} is not a directory of this user: choose another run directory")
    if stat.S_IMODE(status.st_mode) != _OWNER_ONLY:
        directory.chmod(_OWNER_ONLY)


def short_directory(run_directory: Path) -> Path:
    """A directory with a short name that belongs to this run and user alone."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    name = hashlib.sha256(os.fsencode(run_directory.resolve())).hexdigest()[:16]
    return base / f"subcritical-{os.geteuid()}" / name


def write_pointer(run_directory: Path, place: Path) -> None:
    """Say in the run directory that its socket lies in `place`."""
    pointer = run_directory / POINTER_NAME
    pointer.unlink(missing_ok=True)
    descriptor = os.open(pointer, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.fsencode(place))


def place_of(run_directory: Path) -> Path:
    """The directory that holds the run's socket.

    Raises:
        InputError: There is no run directory, or its pointer is unusable.
    """
    if not run_directory.is_dir():
        raise InputError(f"no run at {run_directory}: name the directory a run printed when it started")
    pointer = run_directory / POINTER_NAME
    try:
        descriptor = os.open(pointer, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return run_directory
    except OSError as error:
        raise InputError(f"{pointer} cannot be read: {error}") from error
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(_POINTER_BYTES_MAX)
    place = Path(os.fsdecode(data))
    if not place.is_absolute():
        raise InputError(f"{pointer} does not name a directory: remove it, and restart the run")
    return place
