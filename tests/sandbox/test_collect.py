"""A hostile tree is read within bounds, and nothing of it reaches further."""

import os
import socket
import subprocess

import pytest

from subcritical.sandbox import CollectLimits, collect, escape_path, open_beneath
from subcritical.sandbox.collect import _open_stepwise


@pytest.fixture
def tree(tmp_path):
    handle = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield tmp_path, handle
    os.close(handle)


def reasons(collected):
    return dict(collected.refused)


def test_plain_files_come_sorted(tree):
    place, handle = tree
    (place / "b").mkdir()
    (place / "b" / "two.txt").write_bytes(b"2")
    (place / "a.txt").write_bytes(b"")
    collected = collect(handle)
    assert list(collected.files.items()) == [("a.txt", b""), ("b/two.txt", b"2")]
    assert collected.complete
    assert collected.refused == ()


def test_links_fifos_sockets_and_hard_links_are_refused(tree, tmp_path_factory):
    place, handle = tree
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_text("secret")
    (place / "soft").symlink_to(outside)
    (place / "dir").symlink_to(outside.parent)
    os.link(outside, place / "hard")
    os.mkfifo(place / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "sock"))
        collected = collect(handle)
    assert collected.files == {}
    seen = reasons(collected)
    assert seen["soft"] == seen["dir"] == "is a symbolic link"
    assert seen["fifo"] == "is a FIFO"
    assert seen["sock"] == "is a socket"
    assert "hard link" in seen["hard"]


def test_sparse_and_large_files_are_not_read(tree):
    place, handle = tree
    with (place / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    (place / "large").write_bytes(b"x" * 2000)
    with (place / "holes").open("wb") as file:
        file.truncate(1 << 20)
    collected = collect(handle, CollectLimits(file_bytes=1 << 21))
    assert set(collected.files) == {"large"}
    assert "larger" in reasons(collected)["sparse"]
    assert reasons(collected)["holes"] == "is sparse"
    assert "larger" in reasons(collect(handle, CollectLimits(file_bytes=1000)))["large"]


def test_a_thousand_directories_deep_end_at_the_limit(tree):
    place, handle = tree
    current = os.dup(handle)
    for _ in range(1000):
        os.mkdir("d", dir_fd=current)
        below = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=current)
        os.close(current)
        current = below
    os.close(os.open("end", os.O_CREAT | os.O_WRONLY, dir_fd=current))
    os.close(current)
    collected = collect(handle)
    assert collected.files == {}
    assert "deeper" in collected.refused[0][1]
    deep = collect(handle, CollectLimits(depth=300))
    assert "deeper than 300" in deep.refused[0][1]
    shutil_free_removal(place)


def shutil_free_removal(place):
    """Python 3.11's rmtree recurses and would fail here, and pytest uses it for its own directory."""
    subprocess.run(["rm", "-rf", str(place / "d")], check=True)


def test_entries_and_totals_are_bounded(tree):
    place, handle = tree
    for number in range(50):
        (place / f"{number:02}").write_bytes(b"x" * 100)
    few = collect(handle, CollectLimits(entries=10))
    assert len(few.files) == 10
    assert not few.complete
    small = collect(handle, CollectLimits(total_bytes=1000))
    assert sum(map(len, small.files.values())) <= 1000
    assert not small.complete


@pytest.mark.parametrize(
    "name", [b"esc\x1b[2Jape", b"new\nline", "right\u202eleft".encode(), b"not\xffutf8", "zero\u200bwidth".encode()]
)
def test_names_that_could_deceive_are_refused_and_escaped(tree, name):
    _, handle = tree
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    collected = collect(handle)
    assert collected.files == {}
    ((shown, reason),) = collected.refused
    assert "name" in reason
    assert shown.isprintable()
    assert "\x1b" not in shown


def test_escape_is_reversible_enough_to_tell_names_apart():
    assert escape_path("a\\nb") != escape_path("a\nb")


@pytest.mark.parametrize("opener", [open_beneath, _open_stepwise])
@pytest.mark.parametrize("path", ["../x", "link/x", "soft", "a/../../x", "/etc/passwd"])
def test_nothing_is_opened_outside(tree, opener, path):
    place, handle = tree
    (place.parent / "x").write_text("outside")
    (place / "link").symlink_to(place.parent)
    (place / "soft").symlink_to(place.parent / "x")
    (place / "a").mkdir()
    with pytest.raises(OSError, match=r".*"):
        opener(handle, path, os.O_RDONLY)


@pytest.mark.parametrize("opener", [open_beneath, _open_stepwise])
def test_what_is_inside_is_opened(tree, opener):
    place, handle = tree
    (place / "a").mkdir()
    (place / "a" / "b").write_text("x")
    number = opener(handle, "a/b", os.O_RDONLY)
    assert os.read(number, 2) == b"x"
    os.close(number)


def test_ignored_directories_are_passed_over(tree):
    place, handle = tree
    (place / "__pycache__").mkdir()
    (place / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert collect(handle, CollectLimits(ignore=("__pycache__",))).files == {}
