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
_CLAUSE = re.compile(r"[^.;!?\n]{1,600}")
_NEGATED = re.compile(r"(?i)\b(not|never|avoid|forbidden|cannot)\b|n't\b|(?<!-)\b(no|nothing|none)\b(?!-)")


def heard(event: Event, asked: list[str]) -> bool:
    """Whether an operator spoke in an event; then `asked` holds it, and what was said long before is dropped."""
    data = event.data
    if not isinstance(data, Message) or data.source.lower() not in _ROLES:
        return False
    asked.append(data.text[:_TEXT_CHARS])
    del asked[:-_TEXTS_MAX]
    return True


def asks(texts: list[str], wanted: re.Pattern[str]) -> bool:
    """Whether a clause of what operators said asks for it and does not forbid it."""
    return any(
        wanted.search(clause) and not _NEGATED.search(clause) for text in texts for clause in _CLAUSE.findall(text)
    )
