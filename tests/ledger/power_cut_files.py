"""A file layer in memory whose power can be cut between, and inside, any two operations.

After a cut each file holds what its last sync covered, plus any part of what was written since: writes dropped, torn at
sectors or at any byte, applied out of order, or present as zeros (size updated, data lost). A name that no directory
sync covered may be gone; a removed one may be back.
"""

from __future__ import annotations

import io
import random
from pathlib import Path

SECTOR = 512


class PowerCut(BaseException):
    """The machine is off. No handler of the code under test may run on as if nothing had happened."""


class Content:
    def __init__(self, durable: bytes = b"") -> None:
        self.durable = durable
        self.now = bytearray(durable)
        self.pending: list[tuple[int, bytes]] = []

    def write(self, offset: int, data: bytes) -> None:
        put(self.now, offset, data)
        self.pending.append((offset, data))

    def settle(self) -> None:
        self.durable = bytes(self.now)
        self.pending = []

    def after_cut(self, chance: random.Random) -> bytes:
        disk = bytearray(self.durable)
        pending = list(self.pending)
        mode = chance.choice(["drop", "all", "prefix", "reorder"])
        if mode == "drop":
            return bytes(disk)
        if mode == "prefix":
            pending = pending[: chance.randint(0, len(pending))]
        if mode == "reorder":
            chance.shuffle(pending)
            pending = pending[: chance.randint(0, len(pending))]
        for offset, data in pending:
            tear(disk, offset, data, chance)
        return bytes(disk)


def put(target: bytearray, offset: int, data: bytes) -> None:
    if len(target) < offset:
        target.extend(bytes(offset - len(target)))
    target[offset : offset + len(data)] = data


def tear(disk: bytearray, offset: int, data: bytes, chance: random.Random) -> None:
    how = chance.choice(["whole", "byte", "sectors", "zeros"])
    if how == "whole":
        put(disk, offset, data)
    elif how == "byte":
        put(disk, offset, data[: chance.randint(0, len(data))])
    elif how == "sectors":
        for start in range(0, len(data), SECTOR):
            if chance.random() < 0.5:
                put(disk, offset + start, data[start : start + SECTOR])
    elif len(disk) < offset + len(data):  # the size arrived, the data did not
        put(disk, len(disk), bytes(offset + len(data) - len(disk)))


class MemoryFile:
    def __init__(self, layer: PowerCutFiles, content: Content) -> None:
        self._layer = layer
        self._content = content

    def append(self, data: bytes) -> None:
        self._layer.count("append", self._content, len(self._content.now), data)
        self._content.write(len(self._content.now), data)

    def overwrite(self, data: bytes) -> None:
        self._layer.count("overwrite", self._content, 0, data)
        self._content.write(0, data)

    def truncate(self, size: int) -> None:
        self._layer.count("truncate")
        del self._content.now[size:]
        self._layer.settle(self._content)

    def sync(self) -> None:
        self._layer.count("sync")
        self._layer.settle(self._content)

    def close(self) -> None:
        pass


class PowerCutFiles:
    """`cut_after` operations the power goes. `syncs=False` and `directory_syncs=False` are the planted failures."""

    def __init__(self, *, cut_after: int = 1 << 60, syncs: bool = True, directory_syncs: bool = True) -> None:
        self.files: dict[Path, Content] = {}
        self.durable_names: dict[Path, Content] = {}
        self.left = cut_after
        self.operations: list[str] = []
        self.syncs = syncs
        self.directory_syncs = directory_syncs
        self.locked: set[Path] = set()

    def count(self, name: str, content: Content | None = None, offset: int = 0, data: bytes = b"") -> None:
        self.operations.append(name)
        self.left -= 1
        if self.left < 0:
            if content is not None:  # the write under way may have got anywhere
                content.write(offset, data)
            raise PowerCut

    def settle(self, content: Content) -> None:
        if self.syncs:
            content.settle()

    def power_back(self, chance: random.Random, *, cut_after: int = 1 << 60) -> PowerCutFiles:
        """The disk as the next boot finds it."""
        after = PowerCutFiles(cut_after=cut_after, syncs=self.syncs, directory_syncs=self.directory_syncs)
        for path in sorted({*self.files, *self.durable_names}):
            durable, now = path in self.durable_names, path in self.files
            content = self.files.get(path) or self.durable_names[path]
            if durable and now and chance.random() < 0.5:
                content = self.durable_names[path]  # another file may have taken the name, but not durably
            if (durable and now) or chance.random() < 0.5:
                after.files[path] = Content(content.after_cut(chance))
                after.durable_names[path] = after.files[path]
        return after

    def exists(self, directory: Path) -> bool:
        return any(path.parent == directory for path in self.files)

    def make_directory(self, directory: Path) -> None:
        self.count(f"make_directory {directory}")

    def names(self, directory: Path) -> list[str]:
        return sorted(path.name for path in self.files if path.parent == directory)

    def create(self, path: Path) -> MemoryFile:
        self.count("create")
        if path in self.files:
            raise FileExistsError(path)
        self.files[path] = Content()
        return MemoryFile(self, self.files[path])

    def open(self, path: Path) -> MemoryFile:
        return MemoryFile(self, self.files[path])

    def reader(self, path: Path) -> io.BytesIO:
        if path not in self.files:
            raise FileNotFoundError(path)
        return io.BytesIO(bytes(self.files[path].now))

    def remove(self, path: Path) -> None:
        self.count("remove")
        del self.files[path]

    def replace(self, new: Path, old: Path) -> None:
        self.count("replace")
        self.files[old] = self.files.pop(new)

    def sync_directory(self, directory: Path) -> None:
        self.count(f"sync_directory {directory}")
        if self.directory_syncs:
            self.durable_names = dict(self.files)

    def lock(self, path: Path) -> MemoryLock:
        if path in self.locked:
            raise BlockingIOError
        self.locked.add(path)
        return MemoryLock(self, path)


class MemoryLock:
    def __init__(self, layer: PowerCutFiles, path: Path) -> None:
        self._layer = layer
        self._path = path

    def release(self) -> None:
        self._layer.locked.discard(self._path)
