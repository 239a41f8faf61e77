"""A first look at an event, once for all detectors: which of them could have anything to say about it.

A detector names in a `Need` what an event must hold for it to matter: regular expressions of which any event that
could change its findings matches one. All needs are compiled into one matcher, so that a text is gone through once
however many detectors there are. A need that is too narrow makes a detector miss: `check_detector` and the tests
compare the findings with and without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from subcritical.detectors._acts import NOT_JSON
from subcritical.detectors._once import once
from subcritical.detectors._operators import is_operators
from subcritical.matching import Candidates, candidates
from subcritical.schema import ArtifactChange, Event, Message, ModelCall, Proposal, ToolCall, ToolResult

Group = str | tuple[str, ...]
"""A regular expression, or several that must all be found in the text, in any order."""
_DEPTH_MAX = 8
_QUOTING = b"'\"\\`"
_ALL = -1
_AFTER = 2000


class Need(msgspec.Struct, frozen=True):
    """What makes an event matter to one detector; messages of operators always do, as does every other kind.

    The expressions are matched without regard to case, `.` matches no line end.

    Attributes:
        said: Looked for in model calls (answer and reasoning) and in messages that are no operator's.
        done: Looked for in tool calls (the tool's name and all strings of its arguments, decoded; once as they are and
            once without quotes, backslashes and backticks, which a shell drops), in changes of artifacts and in
            proposals (claim, and of each change the class of the artifact, path and diff, on lines of their own).
        shown: Looked for in results of tools and in messages that are no operator's.
    """

    said: tuple[Group, ...] = ()
    done: tuple[Group, ...] = ()
    shown: tuple[Group, ...] = ()


class Switch:
    """Whether first looks are taken at all. Off, every event matters to everyone.

    Only who reads a long log switches them on, with `first_looks`: compiling takes seconds, and whoever watches a live
    system has time to look at everything in full.
    """

    def __init__(self) -> None:
        """Begin with looks off."""
        self.events_before: int | None = None

    def is_on(self) -> bool:
        """Whether enough events came by since looks were asked for."""
        return self.events_before == 0

    def count(self) -> None:
        """An event comes by."""
        if self.events_before:
            self.events_before -= 1


SWITCH = Switch()


@contextmanager
def first_looks(*, after: int = _AFTER) -> Iterator[None]:
    """Let detectors pass over what a first look shows not to matter, until the block ends.

    Args:
        after: Events that are looked at in full before needs are compiled: a short log is done by then.
    """
    before, SWITCH.events_before = SWITCH.events_before, after
    try:
        yield
    finally:
        SWITCH.events_before = before


class Glance:
    """The needs of all detectors, compiled together when the first event comes."""

    def __init__(self) -> None:
        """Know no need yet."""
        self._needs: list[Need] = []
        self._lookers: dict[str, Looker] = {}

    def register(self, need: Need) -> int:
        """Add a need; its number for `Glance.meets`."""
        if need in self._needs:
            return self._needs.index(need)
        self._needs.append(need)
        self._lookers = {}
        _looked.forget()
        return len(self._needs) - 1

    def meets(self, event: Event, number: int) -> bool:
        """Whether an event matters to the need of that number."""
        return bool(_looked(event) >> number & 1)

    def look(self, event: Event) -> int:
        """Needs that an event meets, as bits."""
        data = event.data
        kind = type(data)
        if kind not in _TEXTS or (kind is Message and is_operators(data)):  # type: ignore[arg-type]
            return _ALL
        if not SWITCH.is_on():
            SWITCH.count()
            return _ALL
        places, text_of = _TEXTS[kind]
        text = text_of(data)
        bits = 0
        for place in places:
            bits |= self._looker(place).bits(text)
        return bits

    def _looker(self, place: str) -> Looker:
        found = self._lookers.get(place)
        if found is None:
            found = self._lookers[place] = Looker([getattr(need, place) for need in self._needs])
        return found

    def said(self, text: str) -> int:
        """Needs that a text meets as one that was said, as bits."""
        return self._looker("said").bits(text)


class Looker:
    """The groups of all needs for one kind of text."""

    def __init__(self, needs: Sequence[tuple[Group, ...]]) -> None:
        """Compile groups that stand for bits, the first the lowest."""
        numbers: dict[str, int] = {}
        self._single: dict[int, int] = {}
        self._several: dict[int, list[tuple[frozenset[int], int]]] = {}
        for bit, groups in enumerate(needs):
            for group in groups:
                parts = (group,) if isinstance(group, str) else group
                ids = [numbers.setdefault(part, len(numbers)) for part in parts]
                if len(ids) == 1:
                    self._single[ids[0]] = self._single.get(ids[0], 0) | 1 << bit
                else:
                    # Asked for only where the first is there, which had better be the rarest.
                    self._several.setdefault(ids[0], []).append((frozenset(ids), 1 << bit))
        self._expressions = list(numbers)
        self._candidates: Candidates | None = None
        self._is_compiled = False

    def bits(self, text: str | bytes) -> int:
        """The bits of which a group is in the text, all bits where looks are off or impossible."""
        if not SWITCH.is_on():
            return _ALL
        if not self._is_compiled:
            self._candidates = candidates(self._expressions) if self._expressions else None
            self._is_compiled = True
        if self._candidates is None:
            return _ALL if self._expressions else 0
        found = self._candidates.of(_encoded(text) if isinstance(text, str) else text)
        if not found:
            return 0
        bits = 0
        for one in found:
            bits |= self._single.get(one, 0)
        if len(found) > 1:
            there = frozenset(found)
            for one in found:
                for ids, bit in self._several.get(one, ()):
                    if ids <= there:
                        bits |= bit
        return bits


GLANCE = Glance()


@once(lambda _: 0)
def _looked(event: Event) -> int:
    return GLANCE.look(event)


def call_text(call: ToolCall) -> str:
    """A call's name and all that its arguments hold, decoded, as it is and without quoting."""
    return _called(call).decode()


def _called(call: ToolCall) -> bytes:
    found = [call.tool]
    if "\\" in call.arguments:
        _take_text(call.arguments, 0, found)
    else:
        found.append(call.arguments)
    return _twice("\n".join(found))


def _twice(text: str) -> bytes:
    encoded = _encoded(text)
    bare = encoded.translate(None, _QUOTING)
    return encoded if len(bare) == len(encoded) else b"%b\n%b" % (encoded, bare)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _take_text(text: str, depth: int, found: list[str]) -> None:
    """Add a text, or all that it holds where it is JSON."""
    if text[:1] in ("{", "[", '"') and depth <= _DEPTH_MAX:
        try:
            _take(msgspec.json.decode(text), depth + 1, found)
        except NOT_JSON:
            found.append(text)
    else:
        found.append(text)


def _take(value: Any, depth: int, found: list[str]) -> None:
    if isinstance(value, str):
        _take_text(value, depth, found)
    elif isinstance(value, dict):
        for key, inner in value.items():
            found.append(str(key))
            _take(inner, depth + 1, found)
    elif isinstance(value, list):
        for inner in value:
            _take(inner, depth + 1, found)
    else:
        found.append(str(value))


def _answered(data: ModelCall) -> bytes:
    return _encoded(f"{data.text}\n{data.reasoning}" if data.reasoning else data.text)


def _given_back(data: ToolResult) -> bytes:
    return _encoded(f"{data.text}\n{data.error}" if data.error else data.text)


def _proposed(data: Proposal) -> bytes:
    return _twice(
        "\n".join([data.claim, *(f"{change.artifact}\n{change.path}\n{change.diff}" for change in data.changes)])
    )


_TEXTS: dict[type, tuple[tuple[str, ...], Callable[[Any], bytes]]] = {
    ToolCall: (("done",), _called),
    ToolResult: (("shown",), _given_back),
    ModelCall: (("said",), _answered),
    Message: (("said", "shown"), lambda data: _encoded(data.text)),
    ArtifactChange: (("done",), lambda data: _twice(f"{data.artifact}\n{data.path}\n{data.diff}")),
    Proposal: (("done",), _proposed),
}
"""Where the needs are looked for in which kind of event; an event of any other kind always matters."""
