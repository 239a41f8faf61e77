"""Hashes published files and says which of them do not belong to a signed tree.

Two independent copies of every leaf are published, in bundles (the entries) and in tiles (their hashes). Whichever of
the two leads to the signed root is right, so a changed file can be named. If neither does, nothing there can be
believed.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from subcritical.ledger.files import OsFiles
from subcritical.ledger.monitor._entry_checks import MonitorFinding
from subcritical.ledger.tlog import (
    HASH_BYTES,
    TILE_WIDTH,
    Bundle,
    Checkpoint,
    FormatError,
    Tile,
    Tree,
    bundles_for_size,
    leaf_hash,
    parse_bundle,
    tile_bytes,
    tiles_for_size,
)
from subcritical.ledger.tlog.tiles import BUNDLE_BYTES_MAX

_PROBLEMS_MAX = 100


class Rehashed(NamedTuple):
    """The tree that the checkpoint signs, or None if the files do not give it; and what is wrong with the files."""

    tree: Tree | None
    findings: list[MonitorFinding]


def rehash(directory: Path, checkpoint: Checkpoint, base: Tree) -> Rehashed:
    """Hash what follows on `base` and compare it with a checkpoint whose signature was checked.

    Args:
        directory: A published log.
        checkpoint: Has at least `base.size` entries.
        base: What was hashed and verified before; an empty tree for everything. It is not changed.

    Cost: about 4 microseconds an entry, and a copy of `base` (64 bytes an entry).
    """
    bundles: list[Bundle] = []
    chunks: list[bytes] = []
    problems: dict[str, MonitorFinding] = {}
    # One by one: a checkpoint may claim any size, and the first hundred files that are not there end it.
    for bundle in bundles_for_size(checkpoint.size, base.size - base.size % TILE_WIDTH):
        entries = read_bundle(directory, bundle)
        bundles.append(bundle)
        if isinstance(entries, MonitorFinding):
            problems[bundle.path] = entries
            chunks.append(b"")
        else:
            chunks.append(b"".join(map(leaf_hash, entries)))
        if len(problems) >= _PROBLEMS_MAX:
            return Rehashed(None, list(problems.values()))
    tree = None if problems else _grown(base, bundles, chunks, checkpoint)
    if tree is None:
        hashes = [_tile(directory, Tile(0, bundle.index, bundle.width)) for bundle in bundles]
        tree = _grown(base, bundles, [each for each in hashes if isinstance(each, bytes)], checkpoint)
    if tree is None:
        return Rehashed(None, _disagreement(directory, checkpoint, bundles, chunks, problems))
    findings = [
        problems.get(bundle.path) or _changed_entry(directory, bundle, chunk, tree)
        for bundle, chunk in zip(bundles, chunks, strict=True)
    ]
    findings += [_changed_tile(directory, tile, tree) for tile in tiles_for_size(checkpoint.size, base.size)]
    return Rehashed(tree, [finding for finding in findings if finding is not None])


def read_bundle(directory: Path, bundle: Bundle) -> tuple[bytes, ...] | MonitorFinding:
    """Entries of a bundle, or what is wrong with its file."""
    first = bundle.index * TILE_WIDTH
    data = _read(directory / bundle.path, first)
    if isinstance(data, MonitorFinding):
        return data
    try:
        return parse_bundle(data, bundle.width)
    except FormatError as error:
        return MonitorFinding("changed", first, f"{directory / bundle.path}: {error}")


def _grown(base: Tree, bundles: Sequence[Bundle], chunks: Sequence[bytes], checkpoint: Checkpoint) -> Tree | None:
    """`base` and the leaf hashes of chunks, if that is the tree of the checkpoint."""
    if len(chunks) != len(bundles) or any(
        len(chunk) != bundle.width * HASH_BYTES for bundle, chunk in zip(bundles, chunks, strict=True)
    ):
        return None
    overlap = base.size % TILE_WIDTH
    leaves = b"".join(chunks)
    if overlap and leaves and leaves[: overlap * HASH_BYTES] != base.hashes(0, base.size - overlap, overlap):
        return None
    tree = copy.deepcopy(base)
    tree.extend(leaves[at : at + HASH_BYTES] for at in range(overlap * HASH_BYTES, len(leaves), HASH_BYTES))
    return tree if (tree.size, tree.root()) == (checkpoint.size, checkpoint.root) else None


def _changed_entry(directory: Path, bundle: Bundle, chunk: bytes, tree: Tree) -> MonitorFinding | None:
    first = bundle.index * TILE_WIDTH
    signed = tree.hashes(0, first, bundle.width)
    if chunk == signed:
        return None
    index = first + next(byte for byte in range(len(chunk)) if chunk[byte] != signed[byte]) // HASH_BYTES
    return MonitorFinding("changed", index, f"{directory / bundle.path}: entry {index} is not the one that was signed")


def _changed_tile(directory: Path, tile: Tile, tree: Tree) -> MonitorFinding | None:
    data = _tile(directory, tile)
    if isinstance(data, MonitorFinding):
        return data
    expected = tile_bytes(tree, tile)
    if data == expected:
        return None
    at = next(byte for byte in range(len(data)) if data[byte] != expected[byte]) // HASH_BYTES
    first = (tile.index * TILE_WIDTH + at) * TILE_WIDTH**tile.level
    return MonitorFinding(
        "changed", first, f"{directory / tile.path}: hash {at} is not that of its entries, {first} and later"
    )


def _disagreement(
    directory: Path,
    checkpoint: Checkpoint,
    bundles: Sequence[Bundle],
    chunks: Sequence[bytes],
    problems: dict[str, MonitorFinding],
) -> list[MonitorFinding]:
    """Neither copy leads to the signed root: name what is wrong in itself, and where the copies differ."""
    findings = list(problems.values())
    for bundle, chunk in zip(bundles, chunks, strict=True):
        tile = Tile(0, bundle.index, bundle.width)
        hashes = _tile(directory, tile)
        first = bundle.index * TILE_WIDTH
        if isinstance(hashes, MonitorFinding):
            findings.append(hashes)
        elif bundle.path not in problems and hashes != chunk:
            findings.append(
                MonitorFinding("changed", first, f"{directory}: {bundle.path} and {tile.path} differ, one is changed")
            )
        if len(findings) >= _PROBLEMS_MAX:
            break
    start = bundles[0].index * TILE_WIDTH if bundles else 0
    findings.append(
        MonitorFinding(
            "root", start, f"{directory}: its files do not give the root that was signed at size {checkpoint.size}"
        )
    )
    return findings


def _tile(directory: Path, tile: Tile) -> bytes | MonitorFinding:
    first = tile.index * TILE_WIDTH ** (tile.level + 1)
    data = _read(directory / tile.path, first)
    if isinstance(data, bytes) and len(data) != tile.width * HASH_BYTES:
        return MonitorFinding(
            "changed", first, f"{directory / tile.path}: {len(data)} bytes, {tile.width} hashes have {tile.width * 32}"
        )
    return data


def _read(path: Path, first: int) -> bytes | MonitorFinding:
    try:
        with OsFiles().reader(path) as stream:
            return stream.read(BUNDLE_BYTES_MAX + 1)
    except FileNotFoundError:
        return MonitorFinding("missing", first, f"{path} is missing: entries from {first} on")
    except OSError as error:
        return MonitorFinding("missing", first, f"{path} cannot be read: {error.strerror or error}")
