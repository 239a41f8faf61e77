"""Names of tiles as tlog-tiles gives them, and bytes that a reader can check on its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlog_world import tree

from subcritical.errors import InputError
from subcritical.ledger.tlog import (
    EMPTY_ROOT,
    Bundle,
    FormatError,
    Tile,
    Tree,
    bundles_for_size,
    format_bundle,
    node_hash,
    parse_bundle,
    parse_tile_path,
    tile_bytes,
    tiles_for_size,
)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 272), "tile/0/272"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
        (Tile(1, 1, 17), "tile/1/001.p/17"),
        (Tile(2, 0, 1), "tile/2/000.p/1"),
        (Tile(63, 1000, 255), "tile/63/x001/000.p/255"),
        (Bundle(0), "tile/entries/000"),
        (Bundle(273, 112), "tile/entries/273.p/112"),
        (Bundle(999_999), "tile/entries/x999/999"),
        (Bundle(2**55 - 1), "tile/entries/x036/x028/x797/x018/x963/967"),
    ],
)
def test_paths(tile, path):
    assert tile.path == path
    assert parse_tile_path(path.encode()) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/1000",
        "tile/0/001/000",
        "tile/0/x000/001",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000\n",
        "/tile/0/000",
        "tile/0/../000",
        "tile/Entries/000",
        "tile/8/0/000",
        "tile/0/x999/x999/x999/x999/x999/999",
        "tile/0/" + "x001/" * 20 + "000",
        "tile/0/\u0660\u0660\u0661",
    ],
)
def test_paths_that_are_none(path):
    with pytest.raises(FormatError):
        parse_tile_path(path.encode())


@pytest.mark.parametrize("values", [(-1, 0), (64, 0), (0, -1), (0, 2**55), (0, 0, 0), (0, 0, 257), (True, 0), (0, 1.0)])
def test_tiles_that_no_log_has(values):
    with pytest.raises(FormatError):
        Tile(*values)


def paths(size, since=0):
    return [tile.path for tile in tiles_for_size(size, since)]


def test_tiles_of_some_sizes():
    assert paths(0) == []
    assert paths(1) == ["tile/0/000.p/1"]
    assert paths(255) == ["tile/0/000.p/255"]
    assert paths(256) == ["tile/0/000", "tile/1/000.p/1"]
    assert paths(257) == ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]
    assert paths(65_536)[-3:] == ["tile/0/255", "tile/1/000", "tile/2/000.p/1"]
    assert paths(70_000)[:273] == [f"tile/0/{at:03d}" for at in range(273)]
    assert paths(70_000)[273:] == ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]
    assert [bundle.path for bundle in bundles_for_size(70_000)][-2:] == ["tile/entries/272", "tile/entries/273.p/112"]
    assert len(list(bundles_for_size(70_000))) == 274


def test_only_what_is_new_since_the_last_size():
    assert paths(70_000, 70_000) == []
    assert paths(257, 256) == ["tile/0/001.p/1"]
    assert paths(70_000, 69_999) == ["tile/0/273.p/112"]
    assert [bundle.path for bundle in bundles_for_size(600, 300)] == ["tile/entries/001", "tile/entries/002.p/88"]


@given(st.integers(0, 200_000), st.integers(0, 200_000))
def test_what_is_new_is_exactly_the_difference(one, two):
    since, size = sorted((one, two))
    known = set(paths(since))
    assert paths(size, since) == [path for path in paths(size) if path not in known]


@pytest.mark.parametrize(("size", "since"), [(-1, 0), (2**63, 0), (5, 6), (True, 0), (5, -1), (1.5, 0)])
def test_sizes_out_of_range(size, since):
    for make in (tiles_for_size, bundles_for_size):
        with pytest.raises(FormatError):
            list(make(size, since))


def test_a_root_can_be_computed_from_the_tiles_alone():
    whole = tree(66_000)
    for size in (1, 255, 256, 257, 65_535, 65_536, 65_793, 66_000):
        content = {tile: tile_bytes(whole, tile) for tile in tiles_for_size(size)}
        assert all(len(data) == 32 * tile.width for tile, data in content.items())
        levels = {}
        for tile, data in content.items():
            levels.setdefault(tile.level, []).append(data)
        assert root_from(levels, size) == whole.root(size)


def root_from(levels, size):
    """Take from each level only what no higher level covers, and fold from the right."""
    result = None
    for level in sorted(levels):
        hashes = b"".join(levels[level])
        count = size >> (8 * level)
        for bit in range(8):
            if count >> bit & 1:
                end = count >> bit << bit
                part = Tree(hashes[32 * at : 32 * at + 32] for at in range(end - (1 << bit), end)).root()
                result = part if result is None else node_hash(part, result)
    return EMPTY_ROOT if result is None else result


def test_a_tile_beyond_the_tree():
    small = tree(300)
    for tile in (Tile(0, 2, 1), Tile(0, 1, 45), Tile(1, 0, 2), Tile(2, 0, 1)):
        with pytest.raises(InputError):
            tile_bytes(small, tile)


def test_bundles():
    assert format_bundle([b"", b"ab"]) == b"\x00\x00\x00\x02ab"
    assert parse_bundle(b"\x00\x00\x00\x02ab", 2) == (b"", b"ab")
    longest = b"x" * 65_535
    assert parse_bundle(format_bundle([longest] * 256)) == (longest,) * 256
    for entries in ([], [b""] * 257, [longest + b"x"]):
        with pytest.raises(InputError):
            format_bundle(entries)


@pytest.mark.parametrize(
    ("data", "width"),
    [
        (b"", 1),
        (b"\x00", 1),
        (b"\x01", 1),
        (b"\x00\x01", 1),
        (b"\x00\x00\x00", 1),
        (b"\x00\x00", 2),
        (b"\x00\x00\x00\x00", 1),
        (b"\x00\x02a", 1),
        (b"\x00\x00", 0),
        (b"\x00\x00", 257),
        (b"\x00\x00", True),
        (b"\x00" * (256 * 65_537 + 1), 256),
    ],
)
def test_bundles_that_are_none(data, width):
    with pytest.raises(FormatError):
        parse_bundle(data, width)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundles_round_trip(entries):
    data = format_bundle(entries)
    assert parse_bundle(data, len(entries)) == tuple(entries)
    for cut in {0, 1, len(data) // 2, len(data) - 1}:
        with pytest.raises(FormatError):
            parse_bundle(data[:cut], len(entries))
