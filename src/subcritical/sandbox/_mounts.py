"""Builds the file tree of one sandbox in a mount namespace of its own; runs in a forked child of the spawner.

Everything a payload will see is here: what is not mounted by these functions does not exist for it.
It is imported by the spawner alone, which has few imports on purpose.
"""

from __future__ import annotations

import ctypes
import os
from typing import TypedDict

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
_MOUNT_SETATTR, _OPEN_TREE, _MOVE_MOUNT = 442, 428, 429
_AT_RECURSIVE, _AT_FDCWD, _AT_EMPTY_PATH = 0x8000, -100, 0x1000
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV, _ATTR_IDMAP = 1, 2, 4, 0x100000
_OPEN_TREE_CLONE, _MOVE_EMPTY_SOURCE, _MNT_DETACH = 1, 4, 2


class Base(TypedDict):
    """What every sandbox of a run sees: `_stage.plan_base`."""

    root: str
    links: list[tuple[str, str]]
    texts: list[tuple[str, bytes]]
    read_only: list[tuple[str, str]]
    late: list[tuple[str, str]]
    devices: list[str]


class Stage(TypedDict):
    """What one sandbox adds: `_stage.plan_tree`."""

    read_only: list[tuple[str, str]]
    sockets: list[tuple[str, str]]
    workdir: str
    workspace: str | None
    disk_bytes: int
    inodes: int


def check(result: int, what: str) -> int:
    """Turn the failure of a C call into an OSError that says what failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    check(
        LIBC.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode() or None),
        f"mount {kind or 'bind'} {source} on {target}",
    )


def _set_attributes(target: str, attributes: int, *, handle: int = _AT_FDCWD, idmap: int = 0) -> None:
    """Add mount attributes to a tree of mounts; attributes that are there already stay."""
    block = b"".join(part.to_bytes(8, "little") for part in (attributes, 0, 0, idmap))
    flags = _AT_RECURSIVE | (_AT_EMPTY_PATH if handle != _AT_FDCWD else 0)
    result = LIBC.syscall(_MOUNT_SETATTR, handle, target.encode(), flags, block, len(block))
    check(result, f"mount attributes of {target}")


def _make_place(source: str, target: str) -> None:
    """Make the mount point: a directory for a directory, an empty file for everything else."""
    if os.path.isdir(source):
        os.makedirs(target, 0o755, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o644))


def _bind(root: str, source: str, inside: str, attributes: int) -> None:
    target = root + inside
    _make_place(source, target)
    _mount(source, target, "", _MS_BIND | _MS_REC)
    _set_attributes(target, attributes)


def _bind_workspace(source: str, target: str, owner: tuple[int, int], uid: int | None) -> None:
    """Bind a host directory for writing. As root its owner is shown as the payload's user, and the other way round.

    An id-mapped mount does that without changing a single owner on disk. File systems that cannot
    do it make the start fail with a message; nothing is weakened.
    """
    if uid is None:
        _mount(source, target, "", _MS_BIND)
        _set_attributes(target, _ATTR_NOSUID | _ATTR_NODEV)
        return
    ready, finish = os.pipe(), os.pipe()
    helper = os.fork()
    if helper == 0:
        failed = LIBC.unshare(CLONE_NEWUSER)
        os.write(ready[1], b"1" if failed else b"0")
        os.close(finish[1])
        os.read(finish[0], 1)
        os._exit(0)
    if os.read(ready[0], 1) != b"0":
        raise OSError("cannot make a user namespace for the owner mapping of the workspace")
    for name, number in (("uid_map", owner[0]), ("gid_map", owner[1])):
        with open(f"/proc/{helper}/{name}", "w") as table:
            table.write(f"{number} {uid} 1\n")
    space = os.open(f"/proc/{helper}/ns/user", os.O_RDONLY)
    tree = check(LIBC.syscall(_OPEN_TREE, _AT_FDCWD, source.encode(), _OPEN_TREE_CLONE), f"open {source}")
    _set_attributes("", _ATTR_IDMAP | _ATTR_NOSUID | _ATTR_NODEV, handle=tree, idmap=space)
    check(LIBC.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_EMPTY_SOURCE), f"mount {source}")
    for number in (*ready, *finish, space, tree):
        os.close(number)
    os.waitpid(helper, 0)


def build_base(base: Base) -> None:
    """Build what every sandbox sees; none of it depends on which one this will become."""
    root = base["root"]
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,nr_inodes=4096,mode=755")
    for inside, target in base["links"]:
        os.symlink(target, root + inside)
    for inside in ("/proc", "/dev/shm", "/tmp"):
        os.makedirs(root + inside, 0o755, exist_ok=True)
    for inside, content in base["texts"]:
        os.makedirs(os.path.dirname(root + inside), 0o755, exist_ok=True)
        with open(root + inside, "wb") as text:
            text.write(content)
    for source, inside in base["read_only"]:
        _bind(root, source, inside, _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV)
    for source in base["devices"]:
        _bind(root, source, source, _ATTR_NOSUID)


def finish_tree(root: str, stage: Stage, uid: int | None) -> int:
    """Add what is this sandbox's own, and return a descriptor of its workspace."""
    owner = os.getuid() if uid is None else uid
    group = os.getgid() if uid is None else uid
    # One bounded file system for everything that can be written, so that one size and one number
    # of inodes bound all of it. It is put together where bubblewrap will mount /proc over it.
    options = f"size={stage['disk_bytes']},nr_inodes={stage['inodes']},mode=700,uid={owner},gid={group}"
    scratch = root + "/proc"
    _mount("tmpfs", scratch, "tmpfs", _MS_NOSUID | _MS_NODEV, options)
    places = [("scratch", "tmp", "/tmp"), ("scratch", "shm", "/dev/shm")]
    if stage["workspace"] is None:
        places.append(("scratch", "workspace", stage["workdir"]))
    else:
        places.append(("workspace", stage["workspace"], stage["workdir"]))
    places += [("read_only", source, inside) for source, inside in stage["read_only"]]
    places += [("socket", source, inside) for source, inside in stage["sockets"]]
    for kind, source, inside in sorted(places, key=lambda place: place[2].count("/")):
        if kind == "scratch":
            os.mkdir(f"{scratch}/{source}", 0o700)
            os.chown(f"{scratch}/{source}", owner, group)
            _bind(root, f"{scratch}/{source}", inside, _ATTR_NOSUID | _ATTR_NODEV)
        elif kind == "workspace":
            status = os.stat(source)
            os.makedirs(root + inside, 0o755, exist_ok=True)
            _bind_workspace(source, root + inside, (status.st_uid, status.st_gid), uid)
        else:
            _bind(root, source, inside, (_ATTR_RDONLY if kind == "read_only" else 0) | _ATTR_NOSUID | _ATTR_NODEV)
    check(LIBC.umount2(scratch.encode(), _MNT_DETACH), "detach the scratch file system")
    workspace = os.open(root + stage["workdir"], os.O_RDONLY | os.O_DIRECTORY)
    # Only the root itself: the mounts below have what they need.
    block = b"".join(part.to_bytes(8, "little") for part in (_ATTR_RDONLY, 0, 0, 0))
    check(LIBC.syscall(_MOUNT_SETATTR, _AT_FDCWD, root.encode(), 0, block, len(block)), "read-only root")
    return workspace


def enter_user_namespace() -> None:
    """Make a user and a mount namespace in which we are ourselves, so that we may mount without being root."""
    uid, gid = os.getuid(), os.getgid()
    check(LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS), "user namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as table:
            table.write(text)
