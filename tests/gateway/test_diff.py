"""The diff that people approve is the one that difflib makes of the whole files."""

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subcritical.gateway import diff_of, is_cut

LINES = st.lists(st.sampled_from(["a", "b", "c", "", "@@ -1 +1 @@", "-x", "+y"]), max_size=40)


@settings(max_examples=300, deadline=None)
@given(LINES, LINES, LINES, LINES)
def test_leaving_out_what_is_common_changes_no_diff(lead, old, new, tail):
    before, after = [*lead, *old, *tail], [*lead, *new, *tail]
    applied = diff_of("f", "\n".join(before).encode(), "\n".join(after).encode())
    # Two diffs may differ where lines repeat; both must turn the one text into the other.
    assert patched("\n".join(before).splitlines(), applied) == "\n".join(after).splitlines()


def patched(old, diff):
    """`old` after a unified diff, by the numbers in its hunks."""
    new, place = [], 0
    for line in diff.split("\n")[2:] if diff else []:
        if line.startswith("@@ ") and line.endswith(" @@") and line[3] == "-" and line.count("@@") == 2:
            start, _, length = line.split()[1][1:].partition(",")
            begin = int(start) - (length != "0")
            new += old[place:begin]
            place = begin
        elif line.startswith("+"):
            new.append(line[1:])
        elif line.startswith("-"):
            assert old[place] == line[1:]
            place += 1
        else:
            assert old[place] == line[1:]
            new.append(old[place])
            place += 1
    return new + old[place:]


def test_a_small_change_in_a_large_file_is_shown():
    before = [f"line {number}" for number in range(100_000)]
    after = [*before[:70_000], "changed", *before[70_001:]]
    shown = diff_of("f", "\n".join(before).encode(), "\n".join(after).encode())
    whole = difflib.unified_diff(before[69_990:70_010], after[69_990:70_010], "a/f", "b/f", lineterm="", n=3)
    assert "-line 70000" in shown
    assert "@@ -69998,7 +69998,7 @@" in shown
    assert len(shown.split("\n")) == len(list(whole))


def test_binary_content_has_none():
    assert diff_of("f", b"x", b"\xff\xfe") == ""


@pytest.mark.parametrize("after", [b"y" * 300_000, b"y\n" * 100_000])
def test_of_a_large_change_the_beginning_is_shown_and_said_to_be_cut(after):
    shown = diff_of("f", b"x", after)
    assert shown.endswith("… diff cut here")
    assert "-x" in shown
    assert len(shown) < 21_000


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=60), st.lists(st.integers(0, 30), max_size=60))
def test_a_diff_turns_the_old_text_into_the_new_one(old, new):
    before, after = (list(map(str, lines)) for lines in (old, new))
    assert patched(before, diff_of("f", "\n".join(before).encode(), "\n".join(after).encode())) == after


def test_lines_that_moved_or_stayed_are_no_changes():
    before = [f"line {number}" for number in range(200)]
    after = [line for line in before if line != "line 50"] + ["new"]
    shown = diff_of("f", "\n".join(before).encode(), "\n".join(after).encode()).split("\n")[2:]
    assert [line for line in shown if line[0] in "+-"] == ["-line 50", "+new"]


def test_of_a_text_that_is_written_anew_both_sides_are_shown():
    before, after = ("".join(f"{word} {n}\n" for n in range(20_000)).encode() for word in ("old", "new"))
    shown = diff_of("f", before, after)
    assert shown.count("\n-old") > 500
    assert shown.count("\n+new") > 500
    assert "more removed lines" in shown
    assert is_cut(shown)
    assert not is_cut(diff_of("f", before, after, most=2_000_000))


def test_a_text_cannot_say_that_its_diff_was_cut():
    end = diff_of("f", b"x", ("y" * 30_000).encode()).rsplit("\n", 1)[1]
    assert not is_cut(diff_of("f", b"x", f"y\n{end}".encode()))
