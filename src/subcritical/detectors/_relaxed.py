"""Expressions for a first look: what a text must hold for an expression of `re` to be found in a sentence of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from subcritical.detectors._glance import Group

_ASSERTS = re.compile(r"\(\?<?[=!]")
_ITEM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\.\{\d+,\d*\}\??|\(\?i\)|\(\?i:|.", re.DOTALL)
_GAP = '(?: |(?:["`]|\u201c).*)'
"""Where a sentence has one blank: quotations and code are blanks in it, of any length in the text."""
FOLDED = "\u0130|\u0131|\u017f|\u212a"
"""Characters that `re` takes for the letters i, s and k where case does not count."""
HUGE = r"[\s\S]{19000}"
"""Texts are cut, the shortest of them at 20,000 characters: the last word may be the beginning of another word."""
CUT_SAID = (FOLDED, HUGE, ".{570}")
"""Groups for what a system says, where no word is to be relied on; a sentence is cut at 600 characters."""
_APART = (
    r"\b(?:echo|printf)\b[^\n]*[<>]",
    r"\w`[^`\n]*`\w|\w\x22[^\x22\n]{12,}\x22\w",
    "\\w\u201c.*\u201d\\w",
)
"""Words that are side by side in what is written, and not in the call: around a redirection, code or a quotation."""

_ANY = r"(?:[\w.-]|[^\x00-\x7f])*"
_PATH_START = r"(?:^|\n|[\x22'`>/]|File:|Move to:|\+\+\+ )[\s\x22'`\\|\x1c-\x1f\x80-\xff]*"
_FILES = r"\b(?:tee|rm|unlink|shred|rmdir|truncate|mv|cp|install|ln|git|g?sed|perl|sponge|yq|jq|dasel|apply_?patch)\b"
_MEMORY = (
    r"(?:memor|note|scratch|journal|goal|aim|plan|todo|diary|wish|agenda|claude|agent|soul|progress|state|backlog"
    r"|lesson|handover|handoff)"
)
_MEMORY_END = r"(?:[\w-]|[^\x00-\x7f])*(?:/|\.(?:md|txt|json|ya?ml)|[^\w.]|$)"
_NOTING = r"^.*(?:memor|note|remember|diary|journal|scratchpad|save_(?:fact|plan|goal)|todo)"


def named(word: str, end: str = "") -> tuple[Group, ...]:
    """Groups of which a call, a change or a proposal meets one that writes a file with the word in its path."""
    return (f"{_PATH_START}{_ANY}{word}{end}", (rf"\b{_ANY}{word}{end}", _FILES))


def noted(*groups: Group) -> tuple[Group, ...]:
    """Groups of which a call, a change or a proposal meets one that notes for later what meets one of `groups`."""
    memories = (*named(_MEMORY, _MEMORY_END), _NOTING)
    return tuple((*_parts(memory), *_parts(group)) for memory in memories for group in (*groups, FOLDED, HUGE, *_APART))


def _parts(group: Group) -> tuple[str, ...]:
    return (group,) if isinstance(group, str) else group


def relaxed(pattern: str, *, gap: str = _GAP) -> str:
    """An expression found in each text of the system's with a sentence that holds `pattern` and is not cut short.

    What looks ahead or behind is left out, stretches of any characters have no length, and a blank may be a quotation.
    A letter that is not ASCII is no word character to the matcher: it takes anything but blanks for a word.
    """
    return _rewritten(pattern, {" ": gap})


def written(pattern: str) -> str:
    """An expression found in most tool calls that write a text with a sentence that holds `pattern`.

    Not in those whose words stand apart in the call as in no sentence: `noted` adds them.
    """
    return _rewritten(pattern, {" ": r"[^a-z0-9]+", "'": "'?"})


def _rewritten(pattern: str, put: dict[str, str]) -> str:
    out, at = list[str](), 0
    while at < len(pattern):
        if _ASSERTS.match(pattern, at):
            at = _closing(pattern, at) + 1
            continue
        item = _item_at(pattern, at)
        at += len(item)
        if item == r"\w" and pattern[at : at + 1] == "+":
            at += 1
            item = r"\S*"  # the boundary after it may be one to the matcher before the first letter that is not ASCII
        out.append(put[item] if item in put else _relaxed(item, written="'" in put))
    return "".join(out)


def _relaxed(item: str, *, written: bool) -> str:
    if item.startswith(".{"):
        most = int(item[1:].strip("{}?").partition(",")[2])
        return rf"[\s\S]{{0,{most + 20}}}" if written else ".*"
    if item.startswith("[") and not item.startswith("[^"):
        return item.replace(r"\w", r"\S")
    return {"(?i)": "", "(?i:": "(?:", r"\w": r"\S"}.get(item, item)


def _item_at(pattern: str, at: int) -> str:
    match = _ITEM.match(pattern, at)
    return match[0] if match else pattern[at]


def _closing(pattern: str, at: int) -> int:
    """Where the bracket that opens at `at` closes."""
    depth = 0
    while True:
        item = _item_at(pattern, at)
        depth += {"(": 1, "(?i:": 1, ")": -1}.get(item, 0)
        if not depth:
            return at
        at += len(item)


def unless_after(words: Iterable[str], rest: str) -> str:
    """An expression that finds `rest` where none of the words and one blank stand before it."""
    before = [r"[^\w ]", "^", "^ ", *(f"{other} " for other in _other(frozenset(words)))]
    return f"(?:{'|'.join(before)}){rest}"


def _other(words: frozenset[str]) -> list[str]:
    """What may stand before a blank without ending in one of the words."""
    letters = "".join(sorted({word[-1] for word in words if word}))
    # To the left of a whole word stands a letter that makes it another, and of a part of one anything that does not
    # go on with it.
    found = [rf"[^\W{letters}]", r"[^\x00-\x7f]"] if "" in words else [f"[^{letters}]", "^"]
    for letter in letters:
        found += [f"{other}{letter}" for other in _other(frozenset(w[:-1] for w in words if w.endswith(letter)))]
    return found
