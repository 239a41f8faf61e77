"""A log as files that anybody's tools can read (C2SP tlog-tiles): checkpoint, tiles, entry bundles.

DIRECTORY/
├── checkpoint              latest signed note
├── tile/entries/000.p/12   entries
└── tile/0/000.p/12         hashes

No published checkpoint lacks a tile it needs: tiles are on disk before the checkpoint takes its name. Partial tiles of
earlier sizes are left behind. What is there already and differs is never overwritten: that would hide a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from subcritical.errors import LedgerError
from subcritical.ledger.files import FileLayer, OsFiles, store, wait_for_lock
from subcritical.ledger.tlog import (
    TILE_WIDTH,
    Bundle,
    Checkpoint,
    FormatError,
    Tree,
    bundles_for_size,
    format_bundle,
    leaf_hash,
    parse_bundle,
    parse_checkpoint,
    parse_note,
    tile_bytes,
    tiles_for_size,
)
from subcritical.ledger.tlog.notes import NOTE_BYTES_MAX
from subcritical.ledger.tlog.tiles import BUNDLE_BYTES_MAX

CHECKPOINT = "checkpoint"


class Publication:
    """The published form of one log. Safe for several processes."""

    def __init__(self, directory: Path, files: FileLayer | None = None) -> None:
        """Use `directory`; it is made with the first checkpoint."""
        self._directory = directory
        self._files = files or OsFiles()

    def checkpoint(self) -> bytes | None:
        """The published note, unchecked, or None where nothing was published.

        Raises:
            LedgerError: It cannot be read.
        """
        try:
            return self._read(CHECKPOINT, NOTE_BYTES_MAX)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(f"{self._directory / CHECKPOINT}: {error.strerror or error}") from error

    def publish(self, tree: Tree, entries: Sequence[bytes], note: bytes) -> None:
        """Publish a log at the size that `note` is about.

        Args:
            tree: Has at least that many leaves.
            entries: All of them, in order.
            note: Signed checkpoint; its signatures are not checked here.

        Raises:
            LedgerError: The checkpoint is not of this tree, an older file differs, or the file system refuses.
        """
        checkpoint = parse_checkpoint(parse_note(note).text)
        if checkpoint.size > tree.size or tree.root(checkpoint.size) != checkpoint.root:
            raise LedgerError(f"{checkpoint.origin}: a checkpoint of size {checkpoint.size} that is not of this log")
        try:
            self._files.make_directory(self._directory)
            # Beside the folder, which may be served to others as it is.
            lock = wait_for_lock(self._files, self._directory.with_name(f".{self._directory.name}.lock"))
        except OSError as error:
            raise LedgerError(
                f"{self._directory}: {error.strerror or error}; is another process publishing?"
            ) from error
        try:
            self._publish(tree, entries, note, checkpoint)
        finally:
            lock.release()

    def _publish(self, tree: Tree, entries: Sequence[bytes], note: bytes, checkpoint: Checkpoint) -> None:
        before = self.checkpoint()
        since = parse_checkpoint(parse_note(before).text).size if before is not None else 0
        if since > checkpoint.size:
            raise LedgerError(f"{self._directory}: size {since} is published, so size {checkpoint.size} cannot be")
        try:
            for path, content in files_of(tree, entries, checkpoint.size, since):
                self._add(path, content)
            self._put(self._directory / CHECKPOINT, note)
        except OSError as error:
            raise LedgerError(f"the log could not be published in {self._directory}: {error}") from error

    def entries(self, size: int) -> Iterator[bytes]:
        """Read the published entries of a log of `size` entries back, bundle by bundle.

        Raises:
            LedgerError: A bundle is missing or not in the format; `seq` is the first entry that is lost.
        """
        for bundle in bundles_for_size(size):
            yield from self._bundle(bundle)

    def verify(self, size: int, root: bytes) -> Tree:
        """Hash every published entry again and compare every tile. Cost: about 4 us an entry.

        Args:
            size: Size of a checkpoint whose signatures were checked.
            root: Its root.

        Returns:
            The tree.

        Raises:
            LedgerError: A file is missing or changed: which one, and in `seq` from which entry on.
        """
        tree = Tree()
        for bundle in bundles_for_size(size):
            tree.extend(leaf_hash(entry) for entry in self._bundle(bundle))
        for tile in tiles_for_size(size):
            first = tile.index * TILE_WIDTH ** (tile.level + 1)
            if self._required(tile.path, first) != tile_bytes(tree, tile):
                raise LedgerError(
                    f"{self._directory / tile.path} does not fit its entries, {first} and later", seq=first
                )
        if tree.root() != root:
            raise LedgerError(f"{self._directory}: its {size} entries do not give the root of the checkpoint", seq=0)
        return tree

    def _bundle(self, bundle: Bundle) -> tuple[bytes, ...]:
        first = bundle.index * TILE_WIDTH
        try:
            return parse_bundle(self._required(bundle.path, first), bundle.width)
        except FormatError as error:
            raise LedgerError(
                f"{self._directory / bundle.path}: {error}; entries from {first} on", seq=first
            ) from error

    def _required(self, path: str, first: int) -> bytes:
        try:
            return self._read(path, BUNDLE_BYTES_MAX)
        except FileNotFoundError as error:
            raise LedgerError(f"{self._directory / path} is missing: entries from {first} on", seq=first) from error
        except OSError as error:
            raise LedgerError(f"{self._directory / path}: {error.strerror or error}", seq=first) from error

    def _read(self, path: str, most: int) -> bytes:
        with self._files.reader(self._directory / path) as stream:
            return stream.read(most + 1)

    def _add(self, path: str, content: bytes) -> None:
        """Write a tile or bundle that is not there yet; one that is must be the same."""
        try:
            found = self._read(path, BUNDLE_BYTES_MAX)
        except FileNotFoundError:
            self._put(self._directory / path, content)
            return
        if found != content:
            raise LedgerError(f"{self._directory / path} is not what was published; it is left as it is")

    def _put(self, path: Path, content: bytes) -> None:
        self._files.make_directory(path.parent)
        store(self._files, path, content)


def files_of(tree: Tree, entries: Sequence[bytes], size: int, since: int = 0) -> Iterator[tuple[str, bytes]]:
    """Bundles and tiles of a log of `size` entries, less those that were complete at size `since`, by their paths."""
    for bundle in bundles_for_size(size, since):
        start = bundle.index * TILE_WIDTH
        yield bundle.path, format_bundle(entries[start : start + bundle.width])
    for tile in tiles_for_size(size, since):
        yield tile.path, tile_bytes(tree, tile)
