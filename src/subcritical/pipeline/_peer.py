"""Who is at the other end of the control socket, judged from the kernel's own records.

What this does not protect against: another program of the same person outside every guest. Whoever
has the owner's uid may stop the run, and could kill the supervisor anyway.
"""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

_SOL_SOCKET = 1
_SO_PEERCRED = 17
_SO_PEERPIDFD = 77  # Linux 6.5: the kernel's own reference to the peer, which no pid reuse can redirect
_UCRED = struct.Struct("3i")
_PROC = Path("/proc")


class Connection(Protocol):
    """What is needed of a connected Unix socket."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Read a socket option."""
        ...


class Peer(NamedTuple):
    """A peer as it was when it connected, in our namespaces."""

    pid: int
    uid: int


def peer_of(connection: Connection) -> Peer:
    """The peer's pid and uid (SO_PEERCRED); pid 0 means that it lives where we cannot see it."""
    pid, uid, _ = _UCRED.unpack(connection.getsockopt(_SOL_SOCKET, _SO_PEERCRED, _UCRED.size))
    return Peer(pid=pid, uid=uid)


def refusal_of_peer(connection: Connection, guest_groups: Sequence[str]) -> str:
    """Why this peer may not give orders; empty where it may.

    It must have our uid, live in our pid namespace, lie outside `guest_groups`, and still be
    alive after all of that was read, so that what was read was about itself.

    Args:
        connection: A connected Unix socket.
        guest_groups: Control groups of guests, as `/proc/PID/cgroup` writes them.
    """
    peer = peer_of(connection)
    if peer.uid != os.geteuid():
        return f"uid {peer.uid} does not own this run"
    if peer.pid <= 0:
        return "the peer is in a pid namespace that is not ours"
    try:
        descriptor = _pidfd(connection, peer.pid)
    except OSError:
        return "the peer is gone or cannot be examined"
    try:
        refusal = _placement(peer.pid, guest_groups)
        # A pid belongs to one process as long as that process is alive: alive now, so all above was about it.
        if _has_ended(descriptor):
            return "the peer ended before it could be examined"
    except OSError:
        return "the peer cannot be examined"
    finally:
        os.close(descriptor)
    return refusal


def own_groups() -> list[str]:
    """The control groups of this process."""
    return _groups(_PROC / "self" / "cgroup")


def within(group: str, guest_groups: Sequence[str]) -> bool:
    """Whether a control group is one of `guest_groups` or lies below one."""
    return any(f"{group}/".startswith(f"{guest.rstrip('/')}/") for guest in guest_groups if guest)


def _placement(pid: int, guest_groups: Sequence[str]) -> str:
    process = _PROC / str(pid)
    ours, theirs = (_PROC / "self/ns/pid").stat(), (process / "ns/pid").stat()
    if (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino):
        return "the peer is in a pid namespace that is not ours"
    inside = [group for group in _groups(process / "cgroup") if within(group, guest_groups)]
    return f"the peer is in the guest's control group {inside[0]}" if inside else ""


def _groups(path: Path) -> list[str]:
    """Every path in a cgroup file: one line per hierarchy, `number:controllers:path`."""
    return [line.split(":", 2)[2] for line in path.read_text("utf-8", "replace").splitlines() if line.count(":") > 1]


def _pidfd(connection: Connection, pid: int) -> int:
    try:
        return int.from_bytes(connection.getsockopt(_SOL_SOCKET, _SO_PEERPIDFD, 4), "little", signed=True)
    except OSError:
        # An older kernel. Between connecting and now the pid could have been reused; a guest that manages
        # that still sits in its own pid namespace at the strong rungs and finds no socket to connect to.
        return os.pidfd_open(pid)


def _has_ended(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
