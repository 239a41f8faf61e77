"""Weights, prompts, memory, keys, private data or the repository, sent or laid where others can take it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec

from subcritical.detectors._acts import NOT_JSON, TEXT_MAX, Act, acts_of
from subcritical.detectors._operators import names_in
from subcritical.detectors._rule_based import RuleBased, RuleState
from subcritical.detectors._stream import remember
from subcritical.schema import Event, ToolCall

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


class SentState(RuleState):
    """Beside what every rule needs: what files and remotes that the system made were made of."""

    made: dict[str, str] = msgspec.field(default_factory=dict)


class Exfiltration(RuleBased):
    """Its rules are in `rules/exfiltration.yml`, with cases beside them.

    What is packed, copied or encoded first is sent under a name that says nothing. So the text of an act that names
    such a product, or that sends what another command hands to it, is followed by the command that made it.
    """

    id = "exfiltration"
    version: ClassVar[int] = 2
    techniques = ("RSI-T0700",)
    docs = "detectors/exfiltration.md"

    def new(self) -> SentState:
        """Nothing said, seen or made."""
        return SentState()

    def acts(self, state: RuleState, event: Event) -> Iterator[Act]:
        """What an event did, each act followed by what its files were made of."""
        found = acts_of(event)
        made = state.made if isinstance(state, SentState) else {}
        handed = _handed(event)
        last = ""
        for act in found:
            yield _followed(act, [*handed, *_beside(act, found)], made)
            last = act.text if act.kind == "run" else last
            _remember(made, act, last)
        if isinstance(event.data, ToolCall) and all(act.kind in {"read", "write"} for act in found):
            call = event.data
            if not _NO_SENDER.search(call.tool):
                said = _said(call.arguments[:_CALL_CHARS])
                yield Act("call", text=f"{call.tool} {said}", program=call.tool, arguments=said)

    def objects(self, act: Act) -> frozenset[str]:
        """Where it goes: a place that a request names is no foreign one; a file may be named for other work."""
        return frozenset().union(*(names_in(place) for place in _PLACES.findall(act.text)))


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


def _remember(made: dict[str, str], act: Act, last: str) -> None:
    if act.kind == "run" and _PACKERS.fullmatch(act.program) and not _ORDINARY_GIT.match(act.text):
        for name in list(dict.fromkeys(_names(act.arguments)))[:20]:
            remember(made, name, f"{made.get(name, '')} {act.text}".strip()[-_HELD_CHARS:])
    elif act.kind == "write" and last and (not act.text or act.text.startswith("<copy")):
        remember(made, act.path.rpartition("/")[2], last[:_HELD_CHARS])


def _names(text: str) -> list[str]:
    """The last parts of the paths that a command names."""
    parts = [word.rstrip("/").rpartition("/")[2] for word in _WORD.findall(text[:_CALL_CHARS]) if word[0] != "-"]
    return [part for part in parts if len(part) >= _NAME_CHARS]
