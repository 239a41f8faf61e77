"""Names and bytes of the files from which anybody can read a whole log: tiles of 256 hashes, bundles of 256 entries.

Nothing in a tile is signed. A reader hashes the bundles, compares with the tiles, and compares the root with a
checkpoint; only the last step makes the others worth anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from subcritical.errors import InputError
from subcritical.ledger.tlog._encoding import check_limit, check_range, from_decimal
from subcritical.ledger.tlog.errors import FormatError
from subcritical.ledger.tlog.hashing import SIZE_MAX
from subcritical.ledger.tlog.tree import Tree

TILE_WIDTH = 256
TILE_HEIGHT = 8
"""Levels of the tree from one tile level to the next."""
LEVEL_MAX = 63
INDEX_MAX = SIZE_MAX >> TILE_HEIGHT
ENTRY_BYTES_MAX = 0xFFFF
BUNDLE_BYTES_MAX = TILE_WIDTH * (2 + ENTRY_BYTES_MAX)
PATH_BYTES_MAX = 64
"""Longest path read; the longest that is ever written has 44 bytes."""

_TILE = re.compile(rb"tile/(0|[1-9][0-9]?|entries)/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class Tile(msgspec.Struct, frozen=True):
    """Hashes `index * 256` up to `index * 256 + width` of a tile level.

    `level` is 0 (leaf hashes) to 63, `index` 0 to 2^55 - 1, `width` 1 to 256; 256 is a full tile. Making one outside
    these ranges raises `FormatError`.
    """

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        """Refuse what no log can have."""
        check_range(self.level, "tile level", most=LEVEL_MAX)
        _check_place(self.index, self.width)

    @property
    def path(self) -> str:
        """Path below the log's prefix, as tlog-tiles 0.1.0 names it."""
        return f"tile/{self.level}/{_place(self.index, self.width)}"


class Bundle(msgspec.Struct, frozen=True):
    """Entries `index * 256` up to `index * 256 + width`; ranges as in `Tile`."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        """Refuse what no log can have."""
        _check_place(self.index, self.width)

    @property
    def path(self) -> str:
        """Path below the log's prefix, as tlog-tiles 0.1.0 names it."""
        return f"tile/entries/{_place(self.index, self.width)}"


def parse_tile_path(path: bytes) -> Tile | Bundle:
    """The tile or bundle that a path names.

    Raises:
        FormatError: Not exactly a path that `Tile.path` or `Bundle.path` gives.

    Source: tlog-tiles 0.1.0, "Merkle Tree" and "Log entries".
    """
    check_limit(path, "tile path", PATH_BYTES_MAX)
    found = _TILE.fullmatch(path)
    if found is None:
        raise FormatError(f"tile path {path!r}: not tile/<level or entries>/<index>[.p/<width>]")
    kind, upper, last, partial = found.groups()
    digits = upper.replace(b"x", b"").replace(b"/", b"") + last
    index = from_decimal(digits.lstrip(b"0") or b"0", f"tile path {path!r}: index", most=INDEX_MAX)
    width = TILE_WIDTH if partial is None else from_decimal(partial, f"tile path {path!r}: width", most=TILE_WIDTH - 1)
    tile = Bundle(index, width) if kind == b"entries" else Tile(int(kind), index, width)
    # Leading groups of zeros and a level above 63 match the pattern, but are not how the path is written.
    if tile.path.encode() != path:
        raise FormatError(f"tile path {path!r}: written as {tile.path!r}")
    return tile


def tiles_for_size(size: int, since: int = 0) -> Iterator[Tile]:
    """Every tile that a tree of `size` entries consists of, lowest level first, less those of a tree of `since`.

    Args:
        size: From 0 to 2^63 - 1.
        since: From 0 to `size`: the size published before; tiles it already had are left out.

    Raises:
        FormatError: A size is out of range.

    Source: tlog-tiles 0.1.0, "Partial Tiles".
    """
    check_range(size, "tiles: size")
    check_range(since, "tiles: since", most=size)
    level = 0
    while size >> (TILE_HEIGHT * level):
        for index, width in _runs(size >> (TILE_HEIGHT * level), since >> (TILE_HEIGHT * level)):
            yield Tile(level, index, width)
        level += 1


def bundles_for_size(size: int, since: int = 0) -> Iterator[Bundle]:
    """Every entry bundle of a log of `size` entries, less those of one of `since`; ranges as in `tiles_for_size`."""
    check_range(size, "bundles: size")
    check_range(since, "bundles: since", most=size)
    for index, width in _runs(size, since):
        yield Bundle(index, width)


def tile_bytes(tree: Tree, tile: Tile) -> bytes:
    """Content of a tile: `tile.width` hashes of 32 bytes.

    Raises:
        InputError: The tree is too small to have it.
    """
    return tree.hashes(tile.level * TILE_HEIGHT, tile.index * TILE_WIDTH, tile.width)


def format_bundle(entries: Sequence[bytes]) -> bytes:
    """Content of an entry bundle.

    Args:
        entries: 1 to 256 entries of at most 65,535 bytes each: the length field has 16 bits.

    Raises:
        InputError: Too many, none, or one is too long.

    Source: tlog-tiles 0.1.0, "Log entries".
    """
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise InputError(f"entry bundle: {len(entries)} entries, it holds 1 to {TILE_WIDTH}")
    parts: list[bytes] = []
    for at, entry in enumerate(entries):
        if len(entry) > ENTRY_BYTES_MAX:
            raise InputError(
                f"entry bundle: entry {at} has {len(entry)} bytes; at most {ENTRY_BYTES_MAX}, log a digest"
            )
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def parse_bundle(data: bytes, width: int = TILE_WIDTH) -> tuple[bytes, ...]:
    """The entries of a bundle.

    Args:
        data: At most 256 * 65,537 bytes.
        width: How many entries it must hold, 1 to 256.

    Raises:
        FormatError: It ends early, holds more, or `width` is out of range.
    """
    check_limit(data, "entry bundle", BUNDLE_BYTES_MAX)
    check_range(width, "entry bundle: width", least=1, most=TILE_WIDTH)
    entries, at = [], 0
    for number in range(width):
        start = at + 2
        # A length field that is cut off reads as a smaller number, so it is the end that is compared.
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data):
            raise FormatError(f"entry bundle: it ends within entry {number} of {width}")
        entries.append(data[start:at])
    if at != len(data):
        raise FormatError(f"entry bundle: {len(data) - at} bytes after entry {width - 1}")
    return tuple(entries)


def _runs(count: int, before: int) -> Iterator[tuple[int, int]]:
    """Index and width of the tiles over `count` hashes, less those that `before` hashes had in the same width."""
    for index in range(before // TILE_WIDTH, count // TILE_WIDTH):
        yield index, TILE_WIDTH
    if count % TILE_WIDTH and count != before:
        yield count // TILE_WIDTH, count % TILE_WIDTH


def _check_place(index: int, width: int) -> None:
    check_range(index, "tile index", most=INDEX_MAX)
    check_range(width, "tile width", least=1, most=TILE_WIDTH)


def _place(index: int, width: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:  # noqa: PLR2004 -- three digits a group is what the next line says
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups)) + ("" if width == TILE_WIDTH else f".p/{width}")
