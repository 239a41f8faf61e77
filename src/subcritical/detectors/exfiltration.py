"""Weights, prompts, memory, keys, private data or the repository, sent or laid where others can take it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec

from subcritical.detectors._acts import NOT_JSON, TEXT_MAX, Act, acts_of
from subcritical.detectors._glance import GLANCE, call_text
from subcritical.detectors._held import Held
from subcritical.detectors._operators import names_in
from subcritical.detectors._rule_based import RuleBased, RuleState
from subcritical.detectors._sending_need import (
    CARRIES,
    KNOWN,
    MAKES,
    NAMED,
    NEED,
    TOLD,
    WRITTEN,
    is_command,
    may_be_named,
    may_tell,
    only_files,
    only_writes,
)
from subcritical.detectors._stream import RECENT_MAX, remember
from subcritical.detectors.protocol import DetectorSettings
from subcritical.schema import Event, Finding, ToolCall

_PACKERS = re.compile(
    r"tar|zip|7za?|gzip|bzip2|xz|zstd|rar|cp|mv|ln|rsync|install|split|dd|base(64|32)|xxd|gpg|openssl|age|steghide|git|hg"
    r"|docker|podman|skopeo|sqlite3|pg_dump|mysqldump|mongo(dump|export)"
)
_ORDINARY_GIT = re.compile(r"git (?!remote |bundle |archive )")
_NO_SENDER = re.compile(
    r"(?i)^(read|view|open|write|create|edit|str_replace|grep|search|find|list|glob|delete)|edit|replace"
)
_WORD = re.compile(r"[^\s=@:;,'\"(){}<>|]{3,300}")
_FROM_OUTSIDE_ITSELF = re.compile(
    r"(^|[\s=@])-(\s|$)|@-|\$[({\w]|^(ssh|nc|ncat|netcat|socat|telnet|openssl)\s|<\s|/dev/stdin"
    r"|^(python[\d.]*|node|ruby|perl)(\s-)?$"
)
_PLACES = re.compile(
    r"[^\s:]{0,20}://\S{1,300}|[^\s@]{1,80}@\S{1,200}|(?<=\s)\w[\w.-]{0,80}:\S{1,200}"
    r"|\b(?:to|repo|repo_id|entity|bucket|channel|url|endpoint|dest|destination|recipients?|webhook|remote|email|address)"
    r"\s?[=:]\s?\S{1,300}"
)
_PROGRAM = re.compile(r"\b(python[\d.]*|node|ruby|perl)( -)? {0,2}<<")
_READ_FROM = re.compile(r"(?<!<)<\s{0,3}([\w./~-]{2,200})")
_HELD_CHARS = 400
_NAME_CHARS = 3
_CALL_CHARS = 8000
_WAITING_MAX = 32
_WEIGHT_MAX = 8_000
_QUOTING = re.compile(r"['\"\\`]")
"""In a name: a shell may make it out of text in which it does not stand in one piece."""


class SentState(RuleState):
    """Beside what every rule needs: what files and remotes that the system made were made of.

    Attributes:
        made: The commands, by the last part of the name.
        carrying: Names of which the commands hold what makes a later act matter that would not of itself.
        waiting: Calls that may have made something, not taken apart yet; they hold nothing of the kind.
        weight: Characters of those.
    """

    made: dict[str, str] = msgspec.field(default_factory=dict)
    carrying: dict[str, None] = msgspec.field(default_factory=dict)
    waiting: list[Event] = msgspec.field(default_factory=list)
    weight: int = 0
    held: Held = msgspec.field(default_factory=Held)


class Exfiltration(RuleBased):
    """Its rules are in `rules/exfiltration.yml`, with cases beside them.

    What is packed, copied or encoded first is sent under a name that says nothing. So the text of an act that names
    such a product, or that sends what another command hands to it, is followed by the command that made it.
    """

    id = "exfiltration"
    version: ClassVar[int] = 2
    techniques = ("RSI-T0700",)
    docs = "detectors/exfiltration.md"
    need = NEED

    def new(self) -> SentState:
        """Nothing said, seen or made."""
        return SentState()

    def __init__(self, settings: DetectorSettings | None = None) -> None:
        """Take the rules, and the needs that tell which part of the need was met."""
        super().__init__(settings)
        self._known, self._told, self._named = map(GLANCE.register, (KNOWN, TOLD, NAMED))
        self._carries, self._makes, self._written = map(GLANCE.register, (CARRIES, MAKES, WRITTEN))

    def idle(self, state: RuleState) -> bool:
        """Whether nothing was made of what would make an act matter by its name alone."""
        return isinstance(state, SentState) and not state.carrying

    def passed(self, state: RuleState, event: Event) -> None:
        """Keep a call that may have made something, until it is asked for."""
        if not isinstance(state, SentState):
            return
        state.held.add(event, _shows)
        if not isinstance(event.data, ToolCall) or not GLANCE.meets(event, self._makes) or only_writes(event.data):
            return
        state.waiting.append(event)
        state.weight += len(event.data.arguments)
        carries = GLANCE.meets(event, self._carries)
        if carries or len(state.waiting) > _WAITING_MAX or state.weight > _WEIGHT_MAX:
            _settle(state, carries=carries)

    def starved(self, state: RuleState) -> str:
        """Without any act there was nothing to judge."""
        seen = isinstance(state, SentState) and state.held.any(_shows)
        return "" if seen else super().starved(state)

    def observe(self, state: RuleState, event: Event) -> list[Finding]:
        """Judge what an event sends, in the light of what its files were made of."""
        if isinstance(state, SentState):
            if not self._matters(state, event):
                self.passed(state, event)
                return []
            _settle(state)
        return super().observe(state, event)

    def _matters(self, state: SentState, event: Event) -> bool:
        data = event.data
        if self._number is None or not isinstance(data, ToolCall):
            return self._number is None or GLANCE.meets(event, self._number)
        if self._sends(event, data):
            return True
        if GLANCE.meets(event, self._number):
            _settle(state)
            names = [*state.made]
        else:
            names = [*state.carrying]
        text = call_text(data) if names else ""
        return any(name in text or _QUOTING.search(name) for name in names)

    def _sends(self, event: Event, call: ToolCall) -> bool:
        """Whether a call matters whatever its files were made of."""
        told, named = GLANCE.meets(event, self._told), GLANCE.meets(event, self._named)
        known = GLANCE.meets(event, self._known)
        if not (told or named or known):
            return False
        if _NO_SENDER.search(call.tool) and only_files(call):
            return GLANCE.meets(event, self._written)
        if known or not is_command(call):
            return True
        text = call_text(call).replace("\\\n", " ")
        return (told and may_tell(text)) or (named and may_be_named(text))

    def acts(self, state: RuleState, event: Event) -> Iterator[Act]:
        """What an event did, each act followed by what its files were made of."""
        found = acts_of(event)
        sent = state if isinstance(state, SentState) else SentState()
        carries = GLANCE.meets(event, self._carries)
        handed = _handed(event)
        last = ""
        for act in found:
            yield _followed(act, [*handed, *_beside(act, found)], sent.made)
            last = act.text if act.kind == "run" else last
            _remember(sent, act, last, carries=carries)
        if _is_told(event, found) and isinstance(event.data, ToolCall):
            call = event.data
            said = _said(call.arguments[:_CALL_CHARS])
            yield Act("call", text=f"{call.tool} {said}", program=call.tool, arguments=said)

    def objects(self, act: Act) -> frozenset[str]:
        """Where it goes: a place that a request names is no foreign one; a file may be named for other work."""
        return frozenset().union(*(names_in(place) for place in _PLACES.findall(act.text)))


def _is_told(event: Event, found: Sequence[Act]) -> bool:
    """Whether a call is a tool's own, which may send what it is given."""
    data = event.data
    if not isinstance(data, ToolCall) or not all(act.kind in {"read", "write"} for act in found):
        return False
    return not _NO_SENDER.search(data.tool)


def _shows(event: Event) -> bool:
    """Whether an event shows an act."""
    found = acts_of(event)
    return bool(found) or _is_told(event, found)


def _settle(state: SentState, *, carries: bool = False) -> None:
    """Take apart the calls that wait; of those only the last may carry anything."""
    waiting, state.waiting, state.weight = state.waiting, [], 0
    for event in waiting:
        last = ""
        for act in acts_of(event):
            last = act.text if act.kind == "run" else last
            _remember(state, act, last, carries=carries and event is waiting[-1])


def _said(arguments: str) -> str:
    """Arguments of a tool as `name=value` words, as far as they are text or can be written as one."""
    try:
        decoded = msgspec.json.decode(arguments)
    except NOT_JSON:
        return arguments
    return " ".join(f"{name}={value}" for name, value in decoded.items()) if isinstance(decoded, dict) else arguments


def _handed(event: Event) -> list[str]:
    """What a call's commands read from redirections: names of files, and the program in a here-document."""
    if not isinstance(event.data, ToolCall):
        return []
    script = event.data.arguments[:_CALL_CHARS]
    programs = [script] if _PROGRAM.search(script) else []
    return [*_READ_FROM.findall(script), *programs]


def _beside(act: Act, found: Sequence[Act]) -> list[str]:
    """The other commands of the same event, which may hand something to this one."""
    return [(one.text or one.path)[:_HELD_CHARS] for one in found if one.kind in {"run", "read"} and one is not act]


def _followed(act: Act, beside: Sequence[str], made: dict[str, str]) -> Act:
    if act.kind not in {"run", "call"}:
        return act
    held = [made[name] for name in dict.fromkeys(_names(act.text)) if name in made]
    if act.kind == "run" and _FROM_OUTSIDE_ITSELF.search(act.text):
        held += beside
    return msgspec.structs.replace(act, text=" <- ".join([act.text, *dict.fromkeys(held)])[:TEXT_MAX]) if held else act


def _remember(state: SentState, act: Act, last: str, *, carries: bool) -> None:
    made = state.made
    if act.kind == "run" and _PACKERS.fullmatch(act.program) and not _ORDINARY_GIT.match(act.text):
        for name in list(dict.fromkeys(_names(act.arguments)))[:20]:
            remember(made, name, f"{made.get(name, '')} {act.text}".strip()[-_HELD_CHARS:])
            if carries:
                state.carrying[name] = None
    elif act.kind == "write" and last and (not act.text or act.text.startswith("<copy")):
        name = act.path.rpartition("/")[2]
        remember(made, name, last[:_HELD_CHARS])
        if carries:
            state.carrying[name] = None
        else:
            state.carrying.pop(name, None)
    if len(state.carrying) > RECENT_MAX:
        state.carrying = {name: None for name in state.carrying if name in made}


def _names(text: str) -> list[str]:
    """The last parts of the paths that a command names."""
    parts = [word.rstrip("/").rpartition("/")[2] for word in _WORD.findall(text[:_CALL_CHARS]) if word[0] != "-"]
    return [part for part in parts if len(part) >= _NAME_CHARS]
