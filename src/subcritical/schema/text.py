"""Hostile text made safe to show: nothing in it can act on a terminal, hide, or reorder what stands beside it."""

from __future__ import annotations

import re
import unicodedata

_SHOW = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
"""Control, format (bidi, zero-width, tags), surrogate, private, unassigned, separators and special spaces."""
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Letters and marks that show as nothing."""
_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
"""Variation selectors: marks without a shape of their own, in which bytes can be hidden."""
_MARKS_MAX = 3
"""Combining marks kept on one character: a long pile of them covers the lines above and below."""
_PLAIN = re.compile(r"[ -~]*")
_PLAIN_LINES = re.compile(r"[ -~\n\t]*")


def visible(text: str, limit: int = 2_000, *, lines: bool = False) -> str:
    r"""Show `text` with everything that is no ordinary visible character written as `\x1b` or `\u202e`.

    Letters of right-to-left scripts stay as they are: where order matters (HTML), isolate the result as well.
    A backslash stays a backslash, so the result cannot be turned back into the text. Markup is not escaped.

    Args:
        text: Anything, lone surrogates included.
        limit: Most characters of the result, > 0; a note of what was left out comes on top of it.
        lines: Keep line feeds and tabs. A carriage return is always shown.
    """
    if len(text) <= limit and (_PLAIN_LINES if lines else _PLAIN).fullmatch(text):
        return text
    kept = "\n\t" if lines else ""
    shown: list[str] = []
    length = marks = 0
    for index, character in enumerate(text):
        marks = marks + 1 if unicodedata.combining(character) else 0
        piece = character if character in kept or _plain(character, marks) else _written(character)
        length += len(piece)
        if length > limit:
            return "".join(shown) + f"… ({len(text) - index} more characters)"
        shown.append(piece)
    return "".join(shown)


def _plain(character: str, marks: int) -> bool:
    if character == " ":
        return True
    if marks > _MARKS_MAX or character in _BLANK or unicodedata.category(character) in _SHOW:
        return False
    return not any(low <= ord(character) <= high for low, high in _SELECTORS)


def _written(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:  # noqa: PLR2004 - widths of Python's own escapes
        return {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
