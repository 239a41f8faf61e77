"""Diffs of proposals: hostile text, line by line, capped."""

from __future__ import annotations

from subcritical.report._figures import count, short
from subcritical.report._markup import Markup, element, foreign, foreign_lines
from subcritical.schema import PROTECTED, FileChange

_LINES_MAX = 300
_LINE_CHARACTERS = 400
_OPEN_LINES = 40


def file_change(change: FileChange, budget: int, *, closed: bool = False) -> tuple[Markup, int]:
    """One file of a proposal, folded where it is long or `closed`; and what is left of `budget` characters."""
    lines = change.diff.split("\n") if change.diff else []
    added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    removed = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    kind = (
        element("b", f"{change.artifact.value}, protected", class_="bad")
        if change.artifact in PROTECTED
        else change.artifact.value
    )
    what = " · removed" if change.after is None else " · new" if change.before is None else ""
    title = element(
        "summary",
        element("code", foreign(change.path, 300)),
        " · ",
        kind,
        what,
        f" · +{added} \N{MINUS SIGN}{removed} lines" if lines else f" · {change.size:,} bytes, no text diff",
    )
    if not lines:
        return element("details", title, element("p", _digests(change), class_="soft")), budget
    room = max(0, min(_LINES_MAX, len(lines)))
    shown: list[Markup] = []
    for line in lines[:room]:
        if budget <= 0:
            break
        shown.append(_line(line))
        budget -= min(len(line), _LINE_CHARACTERS) + 1
    left = len(lines) - len(shown)
    rest = element("p", f"{count(left, 'further line')} in the journal only.", class_="soft") if left else None
    is_open = "" if len(lines) <= _OPEN_LINES and not closed else None
    return element("details", title, element("pre", *shown), rest, open=is_open), budget


def _line(line: str) -> Markup:
    kind = None
    if line.startswith(("+++", "---")):
        kind = "file"
    elif line.startswith("@@"):
        kind = "hunk"
    elif line.startswith(("+", "-")):
        kind = "add" if line[0] == "+" else "del"
    return element("span", foreign_lines(line, _LINE_CHARACTERS), class_=kind)


def _digests(change: FileChange) -> str:
    before = short(change.before) if change.before else "absent"
    after = short(change.after) if change.after else "absent"
    return f"from {before} to {after}"
