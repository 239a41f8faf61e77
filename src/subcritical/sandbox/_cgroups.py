"""Control groups: found from the mount table, never assumed to be anywhere.

Freeze and kill are core files of version 2 and need no controller. Memory and process limits come
from version 2 controllers where our parent group has them, otherwise from version 1 hierarchies: a
process can be in both.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from subcritical.clock import Clock

PREFIX = "subcritical-"
_LARGEST_FILE = 1 << 20
_DEEPEST = 8
_MOST_GROUPS = 4096


class Hierarchies(msgspec.Struct, frozen=True, kw_only=True):
    """Where new groups can be made. `unified` is version 2; `memory` and `pids` are version 1 parents.

    `controllers` are the version 2 controllers that a new child of `unified` will have.
    """

    unified: Path | None
    controllers: frozenset[str]
    memory: Path | None
    pids: Path | None

    @property
    def limits_memory(self) -> bool:
        """Whether the memory of a whole group can be bounded."""
        return "memory" in self.controllers or self.memory is not None

    @property
    def limits_processes(self) -> bool:
        """Whether the number of processes of a whole group can be bounded."""
        return "pids" in self.controllers or self.pids is not None


def read_small(path: Path) -> str:
    """Text of a kernel file, bounded; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE).decode("ascii", "replace")
    except OSError:
        return ""


def write_small(path: Path, text: str) -> bool:
    """Write a kernel file in one call; False where the kernel refused."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(handle, text.encode())
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def keyed(path: Path, key: str) -> int:
    """The number behind `key` in a kernel file of `key number` lines; 0 where there is none."""
    for line in read_small(path).splitlines():
        name, _, value = line.partition(" ")
        if name == key and value.strip().isdigit():
            return int(value)
    return 0


def discover() -> Hierarchies:
    """Find the hierarchies in which this process may make groups that it can freeze and kill."""
    mounts = _mounts()
    own = _own_groups()
    unified, controllers = None, frozenset[str]()
    for root, mount_point, kind, _ in mounts:
        if kind == "cgroup2" and unified is None:
            for parent in _candidates(mount_point, root, own.get("", "/")):
                if _can_make(parent, "cgroup.freeze", "cgroup.kill"):
                    unified, controllers = parent, _enable_controllers(parent)
                    break
    found: dict[str, Path | None] = {"memory": None, "pids": None}
    for root, mount_point, kind, options in mounts:
        for name, proof in (("memory", "memory.limit_in_bytes"), ("pids", "pids.max")):
            if kind == "cgroup" and name in options and found[name] is None:
                candidates = reversed(_candidates(mount_point, root, own.get(name, "/")))
                found[name] = next((parent for parent in candidates if _can_make(parent, proof)), None)
    return Hierarchies(unified=unified, controllers=controllers, memory=found["memory"], pids=found["pids"])


def _mounts() -> list[tuple[str, Path, str, frozenset[str]]]:
    found = []
    for line in read_small(Path("/proc/self/mountinfo")).splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(" "), after.split(" ", 2)
        if kind in {"cgroup", "cgroup2"}:
            place = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4]))
            found.append((fields[3], place, kind, frozenset(options.split(","))))
    return found


def name_of(run: str, *, unique: str) -> str:
    """Name of a run's group: ours, this process's, and readable."""
    safe = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in run)[:60]
    return f"{PREFIX}{os.getpid()}-{unique}-{safe}"


def as_proc_writes(path: Path) -> tuple[str, ...]:
    """A version 2 group as `/proc/PID/cgroup` names it; empty where no mount shows it."""
    for root, mount_point, kind, _ in _mounts():
        if kind == "cgroup2" and path.is_relative_to(mount_point):
            return (f"{root.rstrip('/')}/{path.relative_to(mount_point)}",)
    return ()


def _own_groups() -> dict[str, str]:
    """Our group per version 1 controller; the key of version 2 is empty."""
    own = {}
    for line in read_small(Path("/proc/self/cgroup")).splitlines():
        number, controllers, path = line.split(":", 2)
        for name in controllers.split(",") if number != "0" else [""]:
            own[name] = path
    return own


def _candidates(mount_point: Path, root: str, own: str) -> list[Path]:
    """The top of the mount, and our own group where the mount shows it."""
    places = [mount_point]
    if own != "/" and ".." not in own:
        relative = own.removeprefix(root.rstrip("/")).lstrip("/")
        if relative and (mount_point / relative).is_dir():
            places.append(mount_point / relative)
    return places


def _can_make(parent: Path, *proof: str) -> bool:
    trial = parent / f"{PREFIX}trial-{os.getpid()}-{time.monotonic_ns()}"
    try:
        trial.mkdir()
    except OSError:
        return False
    try:
        # Entering a group needs write access to it and, in version 2, to the common ancestor.
        writable = os.access(trial / "cgroup.procs", os.W_OK) and os.access(parent / "cgroup.procs", os.W_OK)
        return writable and all(os.access(trial / name, os.W_OK) for name in proof)
    finally:
        trial.rmdir()


def _enable_controllers(parent: Path) -> frozenset[str]:
    available = set(read_small(parent / "cgroup.controllers").split())
    for name in ("memory", "pids"):
        if name in available:
            write_small(parent / "cgroup.subtree_control", f"+{name}")
    return frozenset(read_small(parent / "cgroup.subtree_control").split())


class Group:
    """One control group that we made: a run's, or one sandbox's below it."""

    def __init__(self, unified: Path, limiting: tuple[Path, ...] = ()) -> None:
        """Make the directories. `limiting` are the version 1 groups that belong to it."""
        self.path = unified
        self.limiting = limiting
        for place in (unified, *limiting):
            place.mkdir(exist_ok=True)

    @classmethod
    def of_run(cls, hierarchies: Hierarchies, name: str) -> Group:
        """The group of a whole run, at the top of what we may make."""
        if hierarchies.unified is None:
            raise FileNotFoundError("no control group version 2 in which groups can be made")
        parents = [parent for parent in (hierarchies.memory, hierarchies.pids) if parent is not None]
        own = cls(hierarchies.unified / name, tuple(dict.fromkeys(parent / name for parent in parents)))
        for controller in hierarchies.controllers & {"memory", "pids"}:
            write_small(own.path / "cgroup.subtree_control", f"+{controller}")
        return own

    def child(self, name: str) -> Group:
        """A group of one sandbox below this one."""
        return Group(self.path / name, tuple(place / name for place in self.limiting))

    @property
    def entries(self) -> list[str]:
        """Version 1 files a new process of one thread writes `0` to in order to be in this group.

        `tasks`, not `cgroup.procs`: a thread that moves itself makes nobody wait.
        """
        return [str(place / "tasks") for place in self.limiting]

    def set_limits(self, *, memory_bytes: int | None, processes: int | None) -> frozenset[str]:
        """Set limits for the whole group; returns the names of those that are in force."""
        done = set()
        for place in (self.path, *self.limiting):
            if memory_bytes is not None:
                if write_small(place / "memory.max", str(memory_bytes)):
                    write_small(place / "memory.swap.max", "0")
                    done.add("memory")
                if write_small(place / "memory.limit_in_bytes", str(memory_bytes)):
                    write_small(place / "memory.memsw.limit_in_bytes", str(memory_bytes))
                    done.add("memory")
            if processes is not None and write_small(place / "pids.max", str(processes)):
                done.add("processes")
        return frozenset(done)

    def limits_hit(self) -> frozenset[str]:
        """Which limits of the group refused or killed something so far, by the kernel's own count."""
        hit = set()
        for place in (self.path, *self.limiting):
            if keyed(place / "memory.events", "oom_kill") or keyed(place / "memory.oom_control", "oom_kill"):
                hit.add("memory")
            if keyed(place / "pids.events", "max"):
                hit.add("processes")
        return frozenset(hit)

    def cpu_s(self) -> float:
        """CPU seconds of everything that ever ran in the group."""
        return keyed(self.path / "cpu.stat", "usage_usec") / 1e6

    def memory_peak_bytes(self) -> int:
        """Highest memory use of the group, or 0 where no controller measures it."""
        peaks = [0]
        for place in (self.path, *self.limiting):
            for name in ("memory.peak", "memory.max_usage_in_bytes"):
                text = read_small(place / name).strip()
                peaks.append(int(text) if text.isdigit() else 0)
        return max(peaks)

    def freeze(self) -> bool:
        """Order the kernel to stop all user code of the group; returns before it is confirmed."""
        return write_small(self.path / "cgroup.freeze", "1")

    def thaw(self) -> bool:
        """Let the group run again, unless a group above it is frozen."""
        return write_small(self.path / "cgroup.freeze", "0")

    def kill(self) -> bool:
        """Order SIGKILL for everything in the group, frozen or not, forks under way included."""
        return write_small(self.path / "cgroup.kill", "1")

    def state(self, key: str) -> bool:
        """`frozen` or `populated`, as the kernel says. A group that is gone is neither."""
        return keyed(self.path / "cgroup.events", key) == 1

    def populated(self, without: frozenset[Path]) -> bool:
        """Whether anything is in the group or below, a process that is just ending included, apart from some groups."""
        if not without:
            return self.state("populated")
        leaves = [place for place in self._tree() if place != self.path and place not in without]
        return any(keyed(place / "cgroup.events", "populated") == 1 for place in leaves)

    def wait_for(self, key: str, *, value: bool, timeout_s: float, clock: Clock) -> int:
        """Wait until the kernel says so; boot time in nanoseconds, or 0 if it did not in time.

        It sleeps between looks: reading without a pause takes the CPU that the tasks need to reach
        the frozen state (seen: 102 ms instead of 7).
        """
        deadline = time.monotonic() + timeout_s
        pause_s = 0.0003
        while True:
            if self.state(key) is value:
                return clock.boot_ns()
            if time.monotonic() >= deadline:
                return 0
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.3, 0.004)

    def pids(self, without: frozenset[Path] = frozenset()) -> list[int]:
        """Every process in the group and below, apart from some groups; the kernel lists no zombies."""
        found: list[int] = []
        for place in self._tree():
            if place in without:
                continue
            found += [int(word) for word in read_small(place / "cgroup.procs").split()]
        return found

    def _tree(self) -> Iterator[Path]:
        todo, seen = [(self.path, 0)], 0
        while todo and seen < _MOST_GROUPS:
            place, depth = todo.pop()
            seen += 1
            yield place
            if depth < _DEEPEST:
                try:
                    todo += [(Path(entry.path), depth + 1) for entry in os.scandir(place) if entry.is_dir()]
                except OSError:
                    continue  # removed meanwhile

    def remove(self) -> bool:
        """Remove the directories, deepest first; False where something is still in them."""
        done = True
        for place in (self.path, *self.limiting):
            below = (
                [entry for entry in sorted(place.rglob("*"), reverse=True) if entry.is_dir()] if place.exists() else []
            )
            for directory in (*below, place):
                try:
                    directory.rmdir()
                except FileNotFoundError:
                    continue
                except OSError:
                    done = False
        return done


def sweep(hierarchies: Hierarchies) -> int:
    """Remove empty groups that a supervisor left behind when it was killed; returns how many.

    Only groups with our prefix whose supervisor (its pid is in the name) is gone; whatever is
    still alive in one is killed first: a run without a supervisor must not go on.
    """
    removed = 0
    for parent in (hierarchies.unified, hierarchies.memory, hierarchies.pids):
        for place in parent.glob(f"{PREFIX}*") if parent is not None else ():
            owner = place.name.removeprefix(PREFIX).split("-", 1)[0]
            if not owner.isdigit() or Path(f"/proc/{owner}").exists():
                continue
            group = Group(place)
            group.kill()
            removed += group.remove()
    return removed
