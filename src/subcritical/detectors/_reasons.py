"""Whether a change of a guarding file says why, in what it writes itself: comments, docstrings, prose beside it.

Everything read here was written by whoever made the change. It can never make an alarm milder, only say that there is
a reason to read; whether the reason is true or good is not judged.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePosixPath

from subcritical.detectors._diff import (
    DIFF_CHARS_MAX,
    LINE_CHARS_MAX,
    Edits,
    Hunk,
    comment_of,
    docstring_lines,
    edits_in,
    hunks_of,
    is_whole,
)
from subcritical.detectors._grade import Grade, grade_edits

REASONS_MAX = 64
REASON_CHARS_MAX = 1000
_WORDS_MIN = 4
_STATEMENTS_MAX = 20
"""Changed statements that one reason inside a hunk speaks for, about a screen: a rewritten file is one hunk."""
_PROSE = frozenset({".md", ".txt", ".rst", ".adoc"})
_GIVES = re.compile(
    r"(?i)\b(?:because|so that|in order to|therefore|hence|otherwise|or else|due to|owing to|thanks to|as a result"
    r"|since (?!\d|v\d|version|the (?:last|start|beginning))|instead of|rather than|no longer|lest"
    r"|so (?:the|it|we|they|this|these|that|no|an?|each|every|both|nobody|nothing|\w+s) \w+"
    r"|(?:which|that) (?:would|could|can|might|makes?|made|causes?|caused|lets?|means?|meant|leads?|led)"
    r"|caus(?:es?|ed|ing) \w+|(?:avoid|prevent|ensur|guarante|guard)(?:e|es|s|ed|ing|eing)? \w+"
    r"|(?:to|and) (?:make sure|stop|keep|catch|close|match|allow|let|enable|support|discourage|penali[sz]e|reward"
    r"|reduce|fix|correct|account|compensate|reflect|simplify|speed|preserve|exclude|protect|reject|limit|bound) \w+"
    r"|for (?:the sake|fair\w*|reproducib\w+|comparab\w+|consisten\w+|compatib\w+|safety|stability|speed|robust\w*)"
    r"|fix:|fix(?:es|ing)? (?:a|an|the|for|\w+ing)\b|(?:a|the) bug\b|silently \w+|artificially"
    r"|, (?:making|leaving|inflating|hiding|masking|distorting|biasing) \w+|loop-?holes?|exploit(?:s|ed|able|ing)?\b"
    r"|(?:was|were|is|are) (?:wrong|broken|incorrect\w*|too \w+|never|not \w+ed|unfair\w*|mis\w+ed)"
    r"|(?:can|could|must) ?not\b|can't\b|couldn't\b|gam(?:ed|eable|ing)\b|cheat\w*|leak(?:s|ed|ing|age)?\b)"
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_BULLET = re.compile(r"\s*(?:[-*+>#]|\d{1,3}[.)])\s")
_NAME = re.compile(r"[A-Za-z_]\w{3,}")
_QUOTED = re.compile(r"`([A-Za-z_]\w*)")


def reasons_of(diff: str, path: str) -> tuple[str, ...]:
    """New paragraphs of comments, docstrings or prose that give a reason.

    Args:
        diff: Unified diff of one file, hostile; too long a one or one with too long a line gives none.
        path: Only its ending is used, to know what a comment looks like.

    Returns:
        At most 64, each cut at 1,000 characters. Text that only moved within a hunk is not new.
    """
    if not _readable(diff):
        return ()
    found = [reason for hunk in hunks_of(diff) for reason in _reasons_in(hunk, path)]
    return tuple(found[:REASONS_MAX])


def is_prose(path: str) -> bool:
    """Whether a file is text for readers: a change log, a note, a manual."""
    return PurePosixPath(path).suffix.lower() in _PROSE


def explains_itself(diff: str, path: str, beside: Collection[str] = ()) -> bool:
    """Whether every part of a change that alters what is computed comes with a reason.

    A part (a hunk) has one if a reason is written in it, or if a reason written elsewhere names something it changes:
    one explained line must not cover a silent one. A change of comments or messages alone needs any reason. A diff that
    is cut, or cannot be read, is not explained: what nobody sees explains nothing.

    Args:
        diff: Unified diff of one file, hostile.
        path: Its path; only the ending is used.
        beside: Reasons from other files of the same change.
    """
    if not _readable(diff) or not is_whole(diff):
        return False
    hunks = hunks_of(diff)
    # In a text, what is written is the change itself.
    own = [] if is_prose(path) else [reason for hunk in hunks for reason in _reasons_in(hunk, path)]
    told = [*own, *beside][: 2 * REASONS_MAX]
    silent = False
    changed: set[str] = set()
    for hunk in hunks:
        edits = edits_in(hunk, path)
        if edits is None:
            return False
        names = {token for edit in edits for token in (*edit.old, *edit.new) if token.isidentifier()}
        changed |= names
        weighs = grade_edits(Edits(readable=True, edits=edits)) in {Grade.COMPUTED, Grade.FIGURE}
        near = bool(own) and len(_reasons_in(hunk, path)) * _STATEMENTS_MAX >= max(1, len(edits))
        silent |= weighs and not near and not _named(told, names)
    return not silent and bool(own or _named(beside, changed))


def _readable(diff: str) -> bool:
    return bool(diff.strip()) and len(diff) <= DIFF_CHARS_MAX and max(map(len, diff.split("\n"))) <= LINE_CHARS_MAX


def _named(reasons: Iterable[str], names: set[str]) -> bool:
    """Whether a reason names one of `names`: quoted as code, or a name that is no plain word."""
    for reason in reasons:
        said = {name for name in _NAME.findall(reason) if "_" in name.strip("_") or name[1:].lower() != name[1:]}
        if not names.isdisjoint(said | set(_QUOTED.findall(reason))):
            return True
    return False


def _reasons_in(hunk: Hunk, path: str) -> list[str]:
    return [text for text in _paragraphs(hunk, path) if len(_WORD.findall(text)) >= _WORDS_MIN and _GIVES.search(text)]


def _paragraphs(hunk: Hunk, path: str) -> Iterator[str]:
    """What is newly said to readers, lines that follow each other joined."""
    prose = is_prose(path)
    before = Counter(text for text in _said(hunk.old, path, first=hunk.first) if text)
    lines: list[str] = []
    for text in _said(hunk.new, path, first=hunk.first):
        if text and before[text] > 0:
            before[text] -= 1
            text = ""  # noqa: PLW2901 - it was there before
        if lines and (not text or (prose and _BULLET.match(text))):
            yield " ".join(lines)[:REASON_CHARS_MAX]
            lines = []
        if text:
            lines.append(text)
    if lines:
        yield " ".join(lines)[:REASON_CHARS_MAX]


def _said(lines: tuple[str, ...], path: str, *, first: bool) -> list[str]:
    """For each line what it says to readers, empty where it is code alone."""
    if is_prose(path):
        return [" ".join(line.split()) for line in lines]
    inside = docstring_lines(lines, first=first) if path.lower().endswith((".py", ".pyi")) else frozenset()
    told = [line if number in inside else comment_of(line, path) for number, line in enumerate(lines)]
    return [" ".join(text.strip("\"'# ").split()) for text in told]
