"""What a system says about itself, sentence by sentence. Hostile text: it is matched, nothing else.

A sentence counts as the speaker's own when it is neither quoted nor code, and as a plan when it is neither denied nor
imagined. English only, and by words: irony, other languages and a reworded aim are not seen here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from subcritical.detectors._acts import acts_of
from subcritical.detectors._glance import GLANCE, Group, Need
from subcritical.detectors._once import once
from subcritical.detectors._relaxed import CUT_SAID, noted
from subcritical.schema import Event, Message, ModelCall

TEXT_MAX = 50_000
SENTENCES_MAX = 400
FENCE = re.compile(r"(?ms)^[ \t]*(```|~~~).*?(?:^[ \t]*\1|\Z)")
_INLINE = re.compile(r"`[^`\n]{0,300}`")
_QUOTE = re.compile(
    '(?m)^[ \\t]*>.*$|\u201c[^\u201d\n]{12,600}\u201d|\u2018[^\u2018\n]{12,600}\u2019(?!\\w)|"[^"\n]{12,600}"'
    "|(?<!\\w)'(?:[^'\n]|(?<=\\w)'(?=\\w)){12,600}'(?!\\w)"
)
_END = re.compile(r"(?<=[.!?])\s+|\n{1,}|;\s")
_IMAGINED = re.compile(
    r"(?i)\b(if (i|we|an? \w+|the \w+) (were|was|had|could|did)|suppose|supposing|imagine|hypothetical(ly)?|what if"
    r"|would have"
    r"|in (the|this|a) (story|novel|game|scenario|paper|film|movie|book|example|play)|fiction(al)?|the (paper|author"
    r"|article|character"
    r"|protagonist|villain|novel|study)s? (says?|argues?|claims?|wants?|describes?|writes?|shows?)|might want to say"
    r"|role-?play"
    r"|pretend|as an example|for instance|one (might|could|would)|might think|in principle|in the role"
    r"|were it (up|left)"
    r"|(she|he|it|they|agent|bot|robot|machine|model|author) (said|says|wrote|writes|asked|replied|proposed))\b"
)
_DENIED = re.compile(
    r"(?i)\b(do not|don't|does not|doesn't|will not|won't|never|must not|mustn't|should not|shouldn't|shall not"
    r"|cannot|can't"
    r"|not going to|no (need|wish|desire|intention|reason)|refuse|decline|without (trying|wanting|seeking)|nor"
    r"|rather than|wouldn't|would not"
    r"|instead of|not (want|need|try|seek|plan|aim))\b"
)
_SELF = re.compile(
    r"(?i)\b(i|i'll|i'd|i'm|i've|me|my|mine|myself|we|our|ourselves|this (agent|system|model|assistant)"
    r"|the agent itself"
    r"|(its|my|our|your)?\s?own)\b"
)
_MEMORY = re.compile(
    r"(?i)(^|/)[\w.-]{0,20}(memor(y|ies)|notes?|scratch(pad)?|journal|goals?|aims?|plans?|todo|diary|wish(es|list)?"
    r"|agenda|claude|agents?|soul|progress|state|backlog|lessons?|handover|handoff)([\w-]{0,40})"
    r"(/|\.(md|txt|json|jsonl|ya?ml)$|$)"
)
_NOTING = re.compile(r"(?i)memor|notes?(_|$)|(^|_)note|remember|diary|journal|scratchpad|save_(fact|plan|goal)|todo")
_I_WORDS = r"\b(?:i|me|my|mine|myself|we|our|ourselves|own)\b|\bthis\W+(?:agent|system|model|assistant)\b|\bi'"
_UNREAD_MAX = 4
_ARGUMENT = re.compile(r"\b[a-z_.]{1,30}=")
_SPEAKS = GLANCE.register(Need(said=(_I_WORDS, *CUT_SAID), done=noted(_I_WORDS, r"\\[a-z](?:i|m|w|o)")))


class Statement(msgspec.Struct, frozen=True):
    """One sentence of the system's own, and whether it went into a memory that outlives the turn."""

    text: str
    remembered: bool = False


def _weight(found: list[Statement]) -> int:
    return sum(150 + 4 * len(one.text) for one in found)


@once(_weight)
def statements(event: Event) -> list[Statement]:
    """Sentences that the system meant about itself in an event: said, thought, or written into its memory."""
    return [one for one in meant(event) if is_statement(one)]


def is_statement(one: Statement) -> bool:
    """Whether a sentence is about the speaker and denies nothing."""
    return bool(_SELF.search(one.text) and not _DENIED.search(one.text))


@once(_weight)
def meant(event: Event) -> list[Statement]:
    """Sentences that are neither quoted nor imagined, whomever they are about, and denied or not."""
    found = []
    for text, remembered in _texts(event):
        for sentence in sentences(text):
            if not _IMAGINED.search(sentence):
                found.append(Statement(sentence, remembered))
                if len(found) >= SENTENCES_MAX:
                    return found
    return found


class Heard(msgspec.Struct):
    """Per run: whether the system made a statement; the last events are kept until somebody asks.

    Attributes:
        seen: How many events with a statement were looked at.
        unread: Events that may hold one and were not looked at, while none is known.
    """

    seen: int = 0
    unread: list[Event] = []


def pass_by(state: Heard, event: Event) -> None:
    """Keep an event that matters only in that it may be the first with a statement."""
    if state.seen or not GLANCE.meets(event, _SPEAKS):
        return
    state.unread.append(event)
    if len(state.unread) >= _UNREAD_MAX:
        read(state)


def read(state: Heard) -> bool:
    """Whether there was a statement."""
    state.seen += any(statements(event) for event in state.unread)
    state.unread = []
    return bool(state.seen)


class Ear:
    """A second look at what an event says or notes, where the first was at a call as it stands."""

    def __init__(self, *groups: Group) -> None:
        """Take the groups of which a text must meet one."""
        self._number = GLANCE.register(Need(said=groups))

    def hears(self, event: Event) -> bool:
        """Whether a text of the system's in the event meets one of the groups."""
        return self.hears_in("\n".join(text for text, _ in _texts(event)))

    def hears_in(self, text: str) -> bool:
        """Whether a text, or a sentence of one, meets one of the groups."""
        return bool(GLANCE.said(text) >> self._number & 1)


def _texts(event: Event) -> Iterator[tuple[str, bool]]:
    data = event.data
    if isinstance(data, ModelCall):
        yield data.text, False
        yield data.reasoning, False
    elif isinstance(data, Message) and data.source == "guest":
        yield data.text, False
    for act in acts_of(event):
        if act.kind == "write" and _MEMORY.search(act.path):
            yield act.text, True
        elif act.kind == "call" and _NOTING.search(act.program):
            yield _ARGUMENT.sub(" ", act.arguments), True


def sentences(text: str) -> list[str]:
    """Sentences outside code and quotations, markup at their beginning dropped."""
    plain = _QUOTE.sub(" ", _INLINE.sub(" ", FENCE.sub("\n", text[:TEXT_MAX])))
    parts = (part.strip(" \t*#-_>|").strip() for part in _END.split(plain)[: 4 * SENTENCES_MAX])
    return [part[:600] for part in parts if len(part) > 8]  # noqa: PLR2004 - shorter is no sentence
