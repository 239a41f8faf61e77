"""A diff for people to read: of text, and only of the part that changed."""

from __future__ import annotations

import difflib
import re

_MAX_DIFF = 20_000
_MAX_COMPARED = 30_000
_CONTEXT = 3
_HUNK = re.compile(r"@@ -(\d+)((?:,\d+)?) \+(\d+)((?:,\d+)?) @@")


def diff_of(path: str, before: bytes, after: bytes) -> str:
    """Unified diff, cut after 20,000 characters; empty for binary content.

    What both have in common at their beginning and end is not compared, nor what lies behind its first 30,000
    characters: the time it takes follows what is shown, not the file.
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
    old, new = _beginning(old), _beginning(new)
    lines = difflib.unified_diff(old, new, fromfile=f"a/{path}", tofile=f"b/{path}", lineterm="", n=_CONTEXT)
    text = "\n".join(_moved(line, first) if line.startswith("@@ ") else line for line in lines)
    cut = len(text) > _MAX_DIFF or len(old) + len(new) < whole
    return text[:_MAX_DIFF] + "\n… diff cut here" if cut else text


def _in_common(one: list[str], other: list[str]) -> int:
    """Lines that two texts have in common at their beginning."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


def _beginning(lines: list[str]) -> list[str]:
    """As many lines as are compared; a long one is cut."""
    found, left = [], _MAX_COMPARED
    for line in lines:
        if left <= 0:
            break
        found.append(line[:left])
        left -= len(line) + 1
    return found


def _moved(hunk: str, lines: int) -> str:
    return _HUNK.sub(lambda m: f"@@ -{int(m[1]) + lines}{m[2]} +{int(m[3]) + lines}{m[4]} @@", hunk, count=1)
