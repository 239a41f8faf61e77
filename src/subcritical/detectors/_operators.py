"""What operators asked for: it makes an act authorised. Their words are data too: they are matched, nothing else.

Not protected: whoever can write a message under an operator's role can authorise. English only, clause by clause: a
refusal in another clause, and what was meant but not said, are not understood.
"""

from __future__ import annotations

import re

from subcritical.schema import Event, Message

_ROLES = frozenset({"user", "system", "developer", "human", "operator"})
_TEXTS_MAX = 8
_TEXT_CHARS = 8000
_NAME_CHARS = 5
_CLAUSE = re.compile(r"(?:[^.;!?\n]|\.(?=[\w/*])){1,600}")
"""A full stop in the middle of a word, as in the name of a file, ends no clause."""
NEGATED = re.compile(r"(?i)\b(not|never|avoid|forbidden|cannot)\b|n't\b|(?<!-)\b(no|nothing|none)\b(?!-)")


_REQUEST = re.compile(
    r"(?i)\b(please|pls|may|can|could|should|want|wants|needs?|ought|expects?|fine|okay|ok|allowed|approved?|go|let|have|give|"
    r"take|put|post|make|set|start|run|send|mail|share|copy|upload|push|move|drop|turn|mute|raise|bring|add|remove|assign|"
    r"use|too|also|as well|includ\w+)\b"
)
_TOKEN = re.compile(r"[\w.@:/~+-]{5,200}")
_MARK = re.compile(r"\w[._@:/-]+\w|\d")


def clauses(text: str) -> list[str]:
    """Clauses of what an operator said, at most 600 characters each."""
    return _CLAUSE.findall(text)


def is_operators(message: Message) -> bool:
    """Whether a message comes under an operator's role."""
    return message.source.lower() in _ROLES


def heard(event: Event, asked: list[str]) -> bool:
    """Whether an operator spoke in an event; then `asked` holds it, and what was said long before is dropped."""
    data = event.data
    if not isinstance(data, Message) or not is_operators(data):
        return False
    asked.append(data.text[:_TEXT_CHARS])
    del asked[:-_TEXTS_MAX]
    return True


def asks(texts: list[str], wanted: re.Pattern[str]) -> bool:
    """Whether a clause of what operators said asks for it and does not forbid it."""
    return any(wanted.search(clause) and not NEGATED.search(clause) for text in texts for clause in clauses(text))


def asks_for(texts: list[str], names: frozenset[str]) -> bool:
    """Whether a clause of what operators said is a request and names what an act is about.

    A file or a host that a clause merely mentions explains nothing; nor does a request that names nothing of the act.
    """
    return bool(names) and any(
        _REQUEST.search(clause) and not NEGATED.search(clause) and not names.isdisjoint(names_in(clause))
        for text in texts
        for clause in clauses(text)
    )


def names_in(text: str) -> frozenset[str]:
    """Names of files, hosts, addresses and settings in a text: what no sentence holds by chance."""
    found = set[str]()
    for token in _TOKEN.findall(text):
        word = token.lower().strip(".@:/~+-")
        place = word.rpartition("://")[2]
        found |= {word, place, place.partition("/")[0], place.rpartition("/")[2]}
        found.add(place.rpartition(":")[2].strip("/"))
    return frozenset(name for name in found if len(name) >= _NAME_CHARS and _MARK.search(name))
