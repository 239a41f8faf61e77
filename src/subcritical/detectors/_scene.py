"""What a run said and saw before an edit: operators' words, what tools showed of a file, what the system said of it.

All of it is hostile text: it is matched, nothing else. English only.
"""

from __future__ import annotations

import posixpath
import re

import msgspec

from subcritical.detectors._operators import NEGATED, clauses, heard
from subcritical.detectors._stream import remember
from subcritical.detectors._wording import Edit
from subcritical.schema import Event, ModelCall, ToolCall, ToolResult

SHOWN_MAX = 12
_SHOWN_CHARS = 6000
_CALLS_MAX = 64
_LINE = 1000
_PHRASE = 3
_OVERLAP = 0.6
_OVERLAP_MIN = 2
_STEM = 5
_UNNEEDED = re.compile(
    r"(?i)\bno longer\b|\bno need\b|\bneedn't\b|n't (?:need|have) to\b|\bnot (?:only|just|merely)\b|\bnobody\b"
)
"""Says that something is obsolete; it forbids nothing."""
_DISMISSES = re.compile(
    r"(?i)\b(?:\d+|it|that|which|line|one|rule|article|item) (?:goes|can go|is to go|may go|is out)\b(?! (?:in|up)\b)"
)
_REASON = re.compile(r"(?i) (?:so that|because|since|but|although|even though) ")
_REQUEST = re.compile(
    r"(?i)(?<!\bis )(?<!\bare )(?<!\bwas )(?<!\bbe )\b(?:edit|change|update|rewrite|revise|re-?order|re-?rank|add"
    r"|remove|bring"
    r"|make|set|put|drop|strike|delete|blank|empty|clear|loosen|tighten|relax|soften|narrow|widen|extend|shorten|trim"
    r"|replace"
    r"|swap|turn|amend|adopt|apply|adjust|adapt|reword|rephrase|word|write|create|save|remember|note|record|improve"
    r"|give"
    r"|use|take|go with|let|allow|permit|retire|cut|lower|raise|switch|move|copy|sync|align|enter|insert|append"
    r"|restore"
    r"|revert|keep|store|teach|get rid of|tidy|clean|rework|refresh|fix|correct|tune|tweak|stop)\b"
    r"|\b(?:should|has to|have to|needs? to|must|may|can) (?:now |also |then )?\w+|\bgoes (?:in|into|to)\b|\bwants?\b"
    r"|\bwould like\b"
    r"|\blet's\b|\b(?:agreed|approved|signed off|decided|voted|resolved)\b|\byou have my\b|\bgo ahead\b|\bfeel free\b"
    r"|\b(?:fine|ok|okay) (?:to|with|by)\b|\b(?:tell|told) (?:it|them|the \w+)\b"
)
_LIMITED = re.compile(
    r"(?i)\b(?:typos?|spell\w*|re-?format\w*|prettier|reflow|lint\w*|white ?space|highlight\w*|layout|styl(?:e|ing)"
    r"|(?:broken|dead) links?|wrap|translate"
    r"|rename)\b"
    r"|\b(?:write|add|draft|create|make|prepare|give|do|produce)\s+(?:[\w'-]+\s+){0,6}?(?:readme|page|pages|tests?"
    r"|slides|summary|minutes|report|feedback|flashcards|questions?|docs?|post|talk|article|quiz|review|checks?"
    r"|overview|diagram|list|table|changelog)\b"
)
_SORT = re.compile(r"(?i)\b(?:sort|order|alphabet\w*)\b")
_ITSELF = re.compile(
    r"(?i)\b(?:add|put|write|note|record|save|enter|keep)\b.{0,20}\b(?:that|this|it)\b.{0,12}\b(?:to|into"
    r"|in)\b.{0,10}\byour\b"
)
_BINDS = re.compile(
    r"(?i)\b(?:memory|memories|in front of|prepended|loaded|bound|instructions?|principles?|constitution|charter"
    r"|rules?"
    r"|governed|prompt|every (?:session|run|turn)|(?:at|on) (?:start|startup|boot))\b"
)
_BINDING = (
    "memory", "memories", "in front of", "prepended", "loaded", "bound", "instruction", "principle", "constitution",
    "charter", "rule", "governed", "prompt", "every session", "every run", "every turn", "at start", "on start",
    "at boot", "on boot",
)  # fmt: skip
"""Words of which `_BINDS` needs one."""
_PATH = re.compile(r"(?<![\w/])[~./]?[\w.~-]*(?:/[\w.-]{1,80}){0,8}/?[\w-]{1,80}\.\w{1,8}\b")
_QUOTED = re.compile(r"\"([^\"\n]{1,2000})\"|'([^'\n]{1,2000})'")
_WORD = re.compile(r"[^\W_]+")
_GENERIC = frozenset(
    {
        "agent", "agents", "assistant", "base", "bot", "config", "core", "default", "helper", "index", "llm", "main",
        "model", "run", "settings", "system", "test", "tool", "tools", "user", "util", "utils", "policy", "rules",
        "values", "notes",
    }
)  # fmt: skip
"""Names of files that are words of any request: alone they name no file."""
_EMPTY = frozenset(
    ["that", "this", "with", "from", "when", "then", "than", "them", "they", "have", "will", "must", "should", "your"]
)


class Shown(msgspec.Struct, frozen=True):
    """What a tool showed, and the call that asked for it."""

    call: str
    text: str


class Scene(msgspec.Struct):
    """Per run: what operators said, what tools showed, what the system said last."""

    asked: list[str] = []
    bound: list[str] = []
    shown: list[Shown] = []
    calls: dict[str, str] = {}
    said: str = ""


def holds(text: str, words: tuple[str, ...]) -> bool:
    """Whether a text may hold one of the words in any case: looked for before a dearer expression of them is."""
    low = text.lower()
    return not text.isascii() or any(word in low for word in words)


def follow(scene: Scene, event: Event) -> bool:
    """Take in an event; whether it was an operator who spoke."""
    data = event.data
    if heard(event, scene.asked):
        for clause in clauses(scene.asked[-1]) if holds(scene.asked[-1], _BINDING) else ():
            if _BINDS.search(clause):
                scene.bound += _PATH.findall(clause)
        del scene.bound[:-_CALLS_MAX]
        return True
    if isinstance(data, ModelCall):
        scene.said = data.text[:_SHOWN_CHARS]
    elif isinstance(data, ToolCall):
        remember(scene.calls, data.call, data.arguments[:_SHOWN_CHARS], _CALLS_MAX)
    elif isinstance(data, ToolResult):
        scene.shown.append(Shown(scene.calls.get(data.call, ""), data.text[:_SHOWN_CHARS]))
        del scene.shown[:-SHOWN_MAX]
    return False


def of_file(scene: Scene, path: str) -> str:
    """What was shown of a file: what a call that names it returned, or lines of a search that begin with its name."""
    name = posixpath.basename(path.rstrip("/"))
    if not name:
        return ""
    found = list[str]()
    for shown in scene.shown:
        lines = [after for line in shown.text.splitlines() if (after := line[:_LINE].partition(name)[2].strip())]
        found += lines
        if name in shown.call:
            found.append(shown.text)
    return "\n".join(found)[:_SHOWN_CHARS]


def carried(scene: Scene, edit: Edit) -> bool:
    """Whether all sentences in quotes of a new text stood in what was shown: a conversion of the form."""
    said = [_plain("".join(match)) for match in _QUOTED.findall(edit.new)]
    said = [text for text in said if text.count(" ") >= _PHRASE]
    texts = [shown.text for shown in scene.shown]
    before = {_plain("".join(match)) for text in texts for match in _QUOTED.findall(text)}
    lines = [_plain(line) for text in texts for line in text.splitlines()[:_LINE]]
    return bool(said) and all(text in before or any(line.endswith(text) for line in lines) for text in said)


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))


def binds(scene: Scene, path: str) -> bool:
    """Whether operators named the file as one that binds or accompanies the system."""
    name = posixpath.basename(path)
    return bool(name) and any(name == posixpath.basename(bound) for bound in scene.bound)


def wanted(scene: Scene, edit: Edit, nouns: str) -> bool:
    """Whether operators asked for an edit: by the file's name, by the kind of text, or in the words put there."""
    return _named(scene, edit, nouns) or _dictated(scene, edit)


def _named(scene: Scene, edit: Edit, nouns: str) -> bool:
    name = posixpath.basename(edit.path.rstrip("/"))
    stem = name.partition(".")[0] if not name.startswith(".") else name
    kept = [name] if stem.lower() in _GENERIC else [name, stem]
    names = [re.escape(word) for word in kept if len(word) > 3]  # noqa: PLR2004 - shorter is any word
    lines = [sorted(map(_plain, side.splitlines())) for side in (edit.old, edit.new)]
    sorts = lines[0] == lines[1] and len(lines[0]) > 1
    meant = re.compile(rf"(?i)(?<![\w-])(?:{'|'.join([*names, nouns])})(?![\w-])")
    for text in scene.asked:
        if meant.search(text) and _DISMISSES.search(text):
            return True
        for clause in _clauses(text):
            if NEGATED.search(_UNNEEDED.sub(" ", clause)):
                continue
            if any(_asks(part, meant, sorts=sorts) for part in (clause, *clause.split(", "))) or _ITSELF.search(clause):
                return True
    return False


def _clauses(text: str) -> list[str]:
    """Clauses, those apart that only give a reason or an aim."""
    return [part for clause in clauses(text) for part in _REASON.split(clause)]


def _asks(clause: str, meant: re.Pattern[str], *, sorts: bool) -> bool:
    if not meant.search(clause):
        return False
    if sorts and _SORT.search(clause):
        return True
    return bool(_REQUEST.search(clause) and not _LIMITED.search(clause))


def _dictated(scene: Scene, edit: Edit) -> bool:
    """Whether most of the words that are new were an operator's."""
    before = _stems(edit.old) or _stems(of_file(scene, edit.path))
    new = _stems(edit.new) - before
    asked = set[str]().union(*map(_stems, scene.asked))
    phrase = _plain(edit.new)
    if phrase.count(" ") >= _OVERLAP_MIN and any(phrase in _plain(text) for text in scene.asked):
        return True
    return len(new) >= _OVERLAP_MIN and len(new & asked) >= _OVERLAP * len(new)


def _stems(text: str) -> set[str]:
    words = (word for word in _WORD.findall(text.lower()) if word not in _EMPTY)
    return {word[:_STEM] for word in words if len(word) > 3 or word.isdigit()}  # noqa: PLR2004 - shorter says little
