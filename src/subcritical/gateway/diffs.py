"""A diff for people and detectors to read: of text, and only of the part that changed.

Its time grows with the text, not with the square of it: lines that stand once on both sides are the anchors, as in
the patience diff (Cohen, 2005), and what lies between two anchors is compared from both ends. A diff by difflib took
three times what all the rest of a review took.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

MAX_DIFF = 20_000
_CUT = "… diff cut here"
_CONTEXT = 3
_Lines = Sequence[str]


class _Change(msgspec.Struct, frozen=True):
    """Lines `first` to `last` of the old text gave way to those of the new one."""

    first: int
    last: int
    new_first: int
    new_last: int


def diff_of(path: str, before: bytes, after: bytes, *, most: int = MAX_DIFF) -> str:
    """Unified diff, cut after `most` characters, which it then says; empty for binary content.

    What both have in common at their beginning and end is not compared, nor what lies behind the first `most`
    characters of the rest. Of removed lines in one place at most half of `most` is shown, so that a file
    that is written anew is not shown as its old text only.
    """
    try:
        old, new = before.decode("utf-8").splitlines(), after.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return ""
    lead = _in_common(old, new)
    tail = _in_common(old[lead:][::-1], new[lead:][::-1])
    first, last = max(0, lead - _CONTEXT), max(0, tail - _CONTEXT)
    old, new = old[first : len(old) - last], new[first : len(new) - last]
    whole = len(old) + len(new)
    old, new = _beginning(old, most), _beginning(new, most)
    cut = len(old) + len(new) < whole
    shown, length = list[str](), -1
    for line in _unified(path, old, new, first, most // 2):
        shown.append(line)
        length += len(line) + 1
        if length > most:
            cut = True
            break
    text = "\n".join(shown)
    return f"{text[:most]}\n{_CUT}" if cut else text


def is_cut(diff: str) -> bool:
    """Whether `diff_of` cut it. No text can forge that: each line of a diff has its mark before it."""
    return diff.endswith(f"\n{_CUT}")


def _in_common(one: _Lines, other: _Lines) -> int:
    """Lines that two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _beginning(lines: list[str], most: int) -> list[str]:
    """As many lines as are compared; a long one is cut."""
    left = most
    for place, line in enumerate(lines):
        if len(line) >= left:
            return [*lines[:place], line[:left]]
        left -= len(line) + 1
    return lines


def _unified(path: str, old: _Lines, new: _Lines, offset: int, most_removed: int) -> Iterator[str]:
    for number, hunk in enumerate(_hunks(_changes(old, new))):
        if number == 0:
            yield from (f"--- a/{path}", f"+++ b/{path}")
        lead = min(hunk[0].first, hunk[0].new_first, _CONTEXT)
        tail = min(len(old) - hunk[-1].last, _CONTEXT)
        first, last = hunk[0].first - lead, hunk[-1].last + tail
        new_first, new_last = hunk[0].new_first - lead, hunk[-1].new_last + tail
        yield f"@@ -{_range(first + offset, last - first)} +{_range(new_first + offset, new_last - new_first)} @@"
        for change in hunk:
            yield from (f" {line}" for line in old[first : change.first])
            yield from _removed(old[change.first : change.last], most_removed)
            yield from (f"+{line}" for line in new[change.new_first : change.new_last])
            first = change.last
        yield from (f" {line}" for line in old[first:last])


def _removed(lines: _Lines, most: int) -> Iterator[str]:
    for number, line in enumerate(lines):
        if most <= 0:
            yield f"… {len(lines) - number} more removed lines"
            return
        yield f"-{line[:most]}"
        most -= len(line) + 1


def _range(start: int, length: int) -> str:
    beginning = start + (length != 0)
    return str(beginning) if length == 1 else f"{beginning},{length}"


def _hunks(changes: Sequence[_Change]) -> list[list[_Change]]:
    """Changes that share their context stand together."""
    hunks = list[list[_Change]]()
    for change in changes:
        if hunks and change.first - hunks[-1][-1].last <= 2 * _CONTEXT:
            hunks[-1].append(change)
        else:
            hunks.append([change])
    return hunks


def _changes(old: _Lines, new: _Lines) -> list[_Change]:
    found = list[_Change]()
    place, new_place = 0, 0
    for anchor, new_anchor in [*_anchors(old, new), (len(old), len(new))]:
        gap, new_gap = old[place:anchor], new[new_place:new_anchor]
        if gap or new_gap:
            lead = _in_common(gap, new_gap)
            tail = _in_common(gap[lead:][::-1], new_gap[lead:][::-1])
            change = _Change(place + lead, anchor - tail, new_place + lead, new_anchor - tail)
            if change.first < change.last or change.new_first < change.new_last:
                found.append(change)
        place, new_place = anchor + 1, new_anchor + 1
    return found


def _anchors(old: _Lines, new: _Lines) -> list[tuple[int, int]]:
    """The longest series of lines that stand once on both sides and in the same order on both."""
    counts, new_counts = Counter(old), Counter(new)
    places = {line: place for place, line in enumerate(new) if new_counts[line] == 1}
    pairs = [(place, places[line]) for place, line in enumerate(old) if counts[line] == 1 and line in places]
    ends, numbers = list[int](), list[int]()  # of the best series of each length: its last place, and which pair
    before = list[int]()
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(numbers[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        numbers[length : length + 1] = [number]
    series, number = list[tuple[int, int]](), numbers[-1] if numbers else -1
    while number >= 0:
        series.append(pairs[number])
        number = before[number]
    return series[::-1]
