"""Parts of needs: how the name of a program stands in a call, and by what means a word can be there unseen.

A need sees a call's text as it stands and without quotes, backslashes and backticks, which is what a shell makes of
words. So a word that a shell joins is there in one piece. What is left is named here.
"""

from __future__ import annotations

from subcritical.detectors._glance import Group

FOLDED = r"\xc4[\xb0\xb1]|\xc5\xbf|\xe2\x84\xaa"
"""Letters beyond ASCII that are i, s or k without regard to case, as bytes of UTF-8."""
_ESCAPED = r"\\u00(?:2d|3\d|[4-7][\da-f])"
"""A letter, digit or hyphen written as JSON's escape: at any depth, so deeper than a need decodes."""
_STARTED = r"(?:os\.(?:system|popen)|subprocess\.[^\s(]+)\("
_STARTED_TEXT = r"(?:os\.(?:system|popen)|subprocess\.[^\s(]+)\(\s*(?:\[|[rf]?['\"\\])"
_INSIDE = r"\w['\"\\`]+\w"
UNSEEN: tuple[Group, ...] = (
    FOLDED,
    _ESCAPED,
    (_STARTED_TEXT, _INSIDE),
    (_STARTED, r"-\w*[ce](?:\W|$)|<<<"),
)
"""What lets a call hold a word that its text does not: other letters, escapes, and shell words quoted inside of a text
of Python's, where a quote may be the end of the word as well as a part of it."""


def program(*names: str) -> str:
    """Where a program of one of those names may stand, with a folder before it or without."""
    return rf"(?:^|[^\w.<>=-])(?:{'|'.join(names)})(?:[^\w.-]|$)"
