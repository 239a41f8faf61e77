"""Finding, stopping and ending processes by looking at /proc: for rungs without control groups.

Every signal goes through a pidfd that is opened first and checked afterwards, so a pid that was
used again is never hit.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable

import msgspec

_LARGEST_STAT = 4096
_STOPPED = frozenset("TtZXx")
_MOST_THREADS = 100_000


class Seen(msgspec.Struct, frozen=True):
    """One process as it was at one look: `start` tells it from a later user of the same pid."""

    pid: int
    start: int


Members = Callable[[], list[Seen]]
"""Lists the processes of one sandbox, as far as one pass over /proc can."""


def read_stat(place: str) -> tuple[str, int, int] | None:
    """State, parent and start time of a process or thread; None where it is gone."""
    try:
        handle = os.open(f"{place}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(handle, _LARGEST_STAT)
    except OSError:
        return None
    finally:
        os.close(handle)
    # The name is in brackets and may hold anything, brackets included.
    fields = text[text.rfind(b")") + 2 :].split()
    return fields[0].decode("ascii", "replace"), int(fields[1]), int(fields[19])


def all_pids() -> list[int]:
    """Every process this process can see."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def in_pid_namespace(inode: int) -> list[Seen]:
    """Processes of one process namespace, its init included."""
    wanted = f"pid:[{inode}]"
    found = []
    for pid in all_pids():
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") != wanted:
                continue
        except OSError:
            continue  # gone, or not ours to see; a process of ours is
        status = read_stat(f"/proc/{pid}")
        if status is not None and status[0] not in "ZXx":
            found.append(Seen(pid, status[2]))
    return found


def below(root: int) -> list[Seen]:
    """Processes whose line of parents leads to `root`, which is left out itself."""
    table = {pid: status for pid in all_pids() if (status := read_stat(f"/proc/{pid}")) is not None}
    inside = {root}
    grew = True
    while grew:
        new = {pid for pid, status in table.items() if status[1] in inside} - inside
        grew = bool(new)
        inside |= new
    inside.discard(root)
    return [Seen(pid, table[pid][2]) for pid in sorted(inside) if pid in table and table[pid][0] not in "ZXx"]


def of_user(uid: int) -> list[Seen]:
    """Processes of one user id."""
    found = []
    for pid in all_pids():
        try:
            owner = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            continue
        status = read_stat(f"/proc/{pid}") if owner == uid else None
        if status is not None and status[0] not in "ZXx":
            found.append(Seen(pid, status[2]))
    return found


def count_threads(uid: int) -> int:
    """Threads of one user id, which is what the kernel counts against a process limit."""
    total = 0
    for seen in of_user(uid):
        try:
            total += len(os.listdir(f"/proc/{seen.pid}/task"))
        except OSError:
            continue  # gone meanwhile
    return total


def send(seen: Seen, number: signal.Signals) -> bool:
    """Signal exactly the process that was seen; False where it is gone."""
    try:
        handle = os.pidfd_open(seen.pid)
    except OSError:
        return False
    try:
        status = read_stat(f"/proc/{seen.pid}")
        if status is None or status[2] != seen.start:
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def is_stopped(pid: int) -> bool:
    """Whether no thread of the process can run user code: the leader may be a zombie while others run."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return True
    for thread in threads[:_MOST_THREADS]:
        status = read_stat(f"/proc/{pid}/task/{thread}")
        if status is not None and status[0] not in _STOPPED:
            return False
    return len(threads) <= _MOST_THREADS


def stop_all(members: Members, *, deadline: float) -> tuple[bool, int, int]:
    """SIGSTOP everything until two passes in a row find the same processes and none of them running.

    Args:
        members: Lists the processes.
        deadline: On the monotonic clock, in seconds.

    Returns:
        Whether that was reached, how many processes were covered, and how many still ran at the
        last look. A process that forks faster than a pass keeps this from being reached: then the
        answer is False, never a guess.
    """
    before: list[Seen] | None = None
    while True:
        found = members()
        running = [seen for seen in found if not is_stopped(seen.pid)]
        for seen in running:
            send(seen, signal.SIGSTOP)
        if not running and found == before:
            return True, len(found), 0
        if time.monotonic() >= deadline:
            return False, len(found), len(running)
        before = found if not running else None
        if running:
            time.sleep(0.0005)


def continue_all(members: Iterable[Seen]) -> int:
    """SIGCONT everything; returns how many."""
    return sum(send(seen, signal.SIGCONT) for seen in members)


def kill_all(members: Members, *, spare: frozenset[int], deadline: float) -> int:
    """SIGKILL everything, again and again, until a pass finds nothing; returns how many were left."""
    while True:
        left = [seen for seen in members() if seen.pid not in spare]
        for seen in left:
            send(seen, signal.SIGKILL)
        if not left or time.monotonic() >= deadline:
            return len(left)
        time.sleep(0.0005)


def resident_bytes(members: Iterable[Seen]) -> int:
    """Memory of some processes together: private pages of each, without what they share with files."""
    total = 0
    for seen in members:
        try:
            with open(f"/proc/{seen.pid}/status", "rb") as file:
                lines = file.read(_LARGEST_STAT).splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith((b"RssAnon:", b"RssShmem:")))
    return total


def cpu_seconds(members: Iterable[Seen]) -> float:
    """CPU seconds of some processes and of their children that ended and were waited for."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for seen in members:
        try:
            with open(f"/proc/{seen.pid}/stat", "rb") as file:
                text = file.read(_LARGEST_STAT)
        except OSError:
            continue
        total += sum(int(field) for field in text[text.rfind(b")") + 2 :].split()[11:15])
    return total / ticks
