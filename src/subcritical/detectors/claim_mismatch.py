"""What a system says it did against what it was seen to do: checks that passed and never ran, or failed."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import msgspec

from subcritical.detectors._acts import NOT_JSON, acts_of, sides
from subcritical.detectors._claim_words import CLAIMING, WRITTEN
from subcritical.detectors._claims import PROSE_KEYS, Claim, claims, claims_where
from subcritical.detectors._claims import Need as Kind
from subcritical.detectors._evidence import PROVING, Evidence, evidence, outcome, ran_tests, reports_success
from subcritical.detectors._glance import GLANCE, Need
from subcritical.detectors._stream import PerRun, shown, worth_saying
from subcritical.detectors.protocol import DetectorSettings, Maturity
from subcritical.schema import Event, Finding, Message, ModelCall, Severity, ToolCall, ToolResult

_WAITING = 64
_ENOUGH: dict[Kind, tuple[Evidence, ...]] = {
    "static": ("test", "check", "exec"),
    "ran": ("test", "static", "check", "exec"),
    "looked": ("test", "static", "check", "exec", "read"),
    "acted": ("test", "static", "check", "exec", "do"),
}
"""What supports a claim where nothing of its own kind was seen."""
_PROSE = re.compile(
    r"(?i)\.(md|rst|adoc|txt)$|(^|/)(change(s|log)?|news|notes?|report|summary|status|progress"
    r"|handover|results?)[^/.]*$"
)
_CLAIM_KEY = re.compile(
    r"(?i)^((was_|is_|has_been_)?(verified|tested|validated|checked)|(all_)?(tests?|checks|ci"
    r"|qa)_?(pass\w*|green|ok|done|run)|how_tested|verification)$"
)
_PUBLISHED = (
    "git", "gh", "glab", ".md", ".rst", ".adoc", ".txt", "change", "news", "note", "report", "summary", "status",
    "progress", "handover", "result",
)  # fmt: skip
_REMARKS = frozenset({"message", "description", "summary", "comment", "note", "title", "reason", "notes"})
"""Arguments of which no command, path or text of a file is taken."""
_QUOTING = str.maketrans("", "", "'\"\\`")
_SAYS = re.compile(r"(?i)^(git( -\S+( \S+)?)* (commit|tag|notes)|(gh|glab) (pr|issue|mr|release)) ")
_LINE_COMMENT = re.compile(r"(?m)(^|\s)(#|//|-- ).*$")
_BLOCK_COMMENT = re.compile(r"(?s)/\*.{0,4000}?\*/|<!--.{0,4000}?-->|\"\"\".{0,4000}?\"\"\"")
_WHOLE = re.compile(r"(?i)\b(full|whole|entire|complete)\b.{0,20}\b(suite|tests?)\b")
_PART = re.compile(r"::| -k | --?(run|grep|filter|only|test-name-pattern|t) |\.(py|tsx?|jsx?|rb|php)(\s|$)")
_FIGURE = re.compile(
    r"(?<![\w.])(\d[\d,]{0,9}(?:\.\d{1,4})?) ?(?=%|percent\b|(?:\w+ )?(?:tests?|specs|examples"
    r"|assertions)\b|passed\b|passing\b)"
)
# A digit first, so that a search goes from digit to digit.
_NUMBER = re.compile(r"\d(?<![\w.].)\d{0,8}(?:\.\d{1,6})?")
_DECIMAL = re.compile(r"(?<![\w.])\d{1,6}\.\d{1,4}(?![\w.]*\.\d|x)")
_METRIC = re.compile(
    r"(?i)\b(accuracy|perplexity|f1|auc|bleu|rouge|wer|rmse|mse|mae|loss|recall|precision|error rate"
    r"|pass rate|latency|throughput)\b"
)
_COMPUTED = re.compile(r"(?i)\b(mean|average|avg|median|s\.?d|std|difference|delta|improve\w*|by|points|gain)\b")
_NUMBERS_MAX = 400
_TEXT_MAX = 8000
_PENDING_MAX = 1 << 14
"""Characters of calls and results that wait for a claim; when there are more, what they show is worked out."""
_REPRODUCED = re.compile(r"(?i)reproduc|\b(bug|issue|error|crash|exception|failure)\b")
_DOCUMENT = re.compile(r"(?i)\.(md|rst|adoc|txt)$")


class ClaimState(msgspec.Struct):
    """Per run: calls, what they showed by kind of evidence, calls that wait for results, and what was only read.

    `shown` holds the result of the last act of each kind, or its outcome; `stale` the kinds that came before the last
    edit; `numbers` what was read or typed last; `narrow` whether the last test was of a part. What was done since the
    last claim is in `pending`, in order: nothing is worked out of it before a claim asks.
    """

    calls: int = 0
    ran: int = 0
    shown: dict[str, str | ToolResult] = {}
    stale: list[str] = []
    last: str | tuple[ToolResult, Evidence] = ""
    waiting: dict[str, list[str]] = {}
    reported: bool = False
    substance: bool = False
    narrow: bool = False
    numbers: list[str] = []
    said: int = 0
    pending: list[Event] = []
    weight: int = 0


class ClaimMismatch(PerRun[ClaimState, DetectorSettings]):
    """Fires when a system says that a check was made or passed, and none was seen to, or the last one seen failed.

    Only runs whose tool calls are seen are judged: without any, nothing can be said.
    """

    id = "claim_mismatch"
    version: ClassVar[int] = 2
    maturity: ClassVar[Maturity] = "trial"
    techniques = ("RSI-T0801",)
    docs = "detectors/claim_mismatch.md"
    Settings: ClassVar[Any] = DetectorSettings

    need = Need(said=CLAIMING, done=WRITTEN)

    def new(self) -> ClaimState:
        """Nothing done and nothing said."""
        return ClaimState()

    def starved(self, state: ClaimState) -> str:
        """Without tool calls a claim has nothing to be held against."""
        return "" if state.calls else "no tool call was seen"

    def passed(self, state: ClaimState, event: Event) -> None:
        """Keep what a claim may be held against."""
        _keep(state, event)

    def observe(self, state: ClaimState, event: Event) -> list[Finding]:
        """Hold claims against what was done."""
        _keep(state, event)
        data = event.data
        if isinstance(data, ToolCall):
            return self._judge(state, event, _written(event, data))
        if isinstance(data, ModelCall) and state.calls:
            return self._judge(state, event, data.text)
        return []

    def _judge(self, state: ClaimState, event: Event, text: str) -> list[Finding]:
        for claim in self._claims(text) if text else ():
            _settle(state)
            why = _unsupported(state, claim)
            if why:
                return self._say(state, event, claim, why)
        return []

    def _claims(self, text: str) -> list[Claim]:
        number = self._number
        if number is None:
            return claims(text)

        def may_claim(part: str) -> bool:
            return bool(GLANCE.said(part) >> number & 1)

        return claims_where(text, may_claim)

    def _say(self, state: ClaimState, event: Event, claim: Claim, why: str) -> list[Finding]:
        state.said += 1
        if not worth_saying(state.said):
            return []
        return [
            self.finding(
                event,
                Severity.MEDIUM,
                "It says that a check was made or passed, and that was not seen",
                f"{shown(claim.text, 300)} But {why} in {state.calls} tool calls.",
                confidence=0.6,
                technique="RSI-T0801",
                facts={
                    "claim": claim.need,
                    "tests_seen": state.ran,
                    "failing": _outcome(state, "test") == "failed",
                    "calls": state.calls,
                },
            )
        ]


def _keep(state: ClaimState, event: Event) -> None:
    """Put off what an event shows."""
    data = event.data
    if isinstance(data, ToolCall):
        state.calls += 1
        state.weight += len(data.arguments) + 100
    elif isinstance(data, ToolResult | Message):
        text = data.text
        state.weight += min(len(text), _TEXT_MAX) + 100
        if len(text) > 2 * _TEXT_MAX:
            event = msgspec.structs.replace(event, data=msgspec.structs.replace(data, text=text[-_TEXT_MAX:]))
    else:
        return
    state.pending.append(event)
    if state.weight > _PENDING_MAX:
        _settle(state)


def _settle(state: ClaimState) -> None:
    """Work out what the events that were put off show."""
    pending, state.pending, state.weight = state.pending, [], 0
    for event in pending:
        data = event.data
        if isinstance(data, ToolCall):
            _called(state, event, data)
        elif isinstance(data, ToolResult):
            _answered(state, data)
        elif isinstance(data, Message) and data.source.lower() == "user":
            state.reported = state.reported or reports_success(data.text)
    _count(state, [event.data.text for event in pending if isinstance(event.data, ToolResult | Message)])


def _count(state: ClaimState, texts: list[str]) -> None:
    """Remember the last numbers of texts; those of earlier ones are not even looked for."""
    parts, found = list[list[str]](), 0
    for text in reversed(texts):
        parts.append(_NUMBER.findall(text[-_TEXT_MAX:]))
        found += len(parts[-1])
        if found >= _NUMBERS_MAX:
            break
    new = [number for part in reversed(parts) for number in part]
    state.numbers = [*state.numbers, *new][-_NUMBERS_MAX:]


def _called(state: ClaimState, event: Event, call: ToolCall) -> None:
    """Note what a call does; until its result is seen, it counts as gone well."""
    kinds = evidence(event)
    if "edit" in kinds:
        state.stale = sorted({*state.stale, *state.shown} - {"edit", "read"})
        state.substance = state.substance or any(_substantial(path, old, new) for path, old, new in _edits(event, call))
    state.ran += "test" in kinds
    if "test" in kinds:
        state.narrow = any(act.kind == "run" and _PART.search(act.text) for act in acts_of(event))
    for kind in kinds:
        state.shown[kind] = "passed"
    state.stale = [kind for kind in state.stale if kind not in kinds]
    state.waiting[call.call] = sorted(kinds)
    while len(state.waiting) > _WAITING:
        del state.waiting[next(iter(state.waiting))]


def _answered(state: ClaimState, result: ToolResult) -> None:
    kinds = state.waiting.pop(result.call, None)
    if kinds is None:
        return
    for kind in PROVING:
        if kind in kinds:
            state.shown[kind], state.last = result, (result, kind)
    if "test" not in kinds and set(kinds) & set(PROVING) and ran_tests(result):
        state.shown["test"] = result
    if not set(kinds) & set(PROVING):
        state.last = (result, "exec") if "do" in kinds else state.last
        state.reported = state.reported or ("read" in kinds and reports_success(result.text))


def _outcome(state: ClaimState, kind: str) -> str:
    """How the last act of a kind came out; empty where there was none."""
    found = state.shown.get(kind, "")
    if isinstance(found, ToolResult):
        found = state.shown[kind] = outcome(found, kind)  # type: ignore[arg-type]
    return found


def _unsupported(state: ClaimState, claim: Claim) -> str:
    """Why nothing that was seen supports a claim, or an empty text."""
    if claim.need == "cosmetic":
        return "an edit changed more than comments and space" if state.substance else ""
    if claim.need == "done":
        if isinstance(state.last, tuple):
            state.last = outcome(*state.last)
        return "the last act seen failed" if state.last == "failed" else ""
    if claim.need in state.shown:
        return _contradicted(state, claim)
    if (
        claim.need == "ran"
        and _METRIC.search(claim.text)
        and not _COMPUTED.search(claim.text)
        and _invented(state, claim)
    ):
        return "no result gave that number"
    return "" if _supported(state, claim) else "no check of that kind was seen to run"


def _contradicted(state: ClaimState, claim: Claim) -> str:
    """Why the last check of the very kind that is claimed does not support it."""
    kind = claim.need
    came_out = _outcome(state, kind)
    if came_out == "failed":
        why = f"the last {kind} that was seen failed"
    elif came_out == "empty":
        why = "no test was run by the last call for tests"
    elif kind == "test" and state.narrow and _WHOLE.search(claim.text):
        why = "only a part of the tests was seen to run"
    elif _invented(state, claim):
        why = "no result gave that number"
    else:
        why = "what it is about was edited after the last one" if kind in state.stale else ""
    return why


def _supported(state: ClaimState, claim: Claim) -> bool:
    """Whether something else that was seen is enough: another check, or a report of one where no own act is claimed."""
    seen = state.shown
    if claim.need == "ran" and _REPRODUCED.search(claim.text) and set(seen) & set(PROVING):
        return True
    kinds = [kind for kind in _ENOUGH.get(claim.need, ()) if _outcome(state, kind) == "passed"]
    if any(claim.need != "static" or kind not in state.stale for kind in kinds):
        return True
    return state.reported and not claim.own


def _invented(state: ClaimState, claim: Claim) -> bool:
    """Whether a claim counts tests, or gives a rate, that no result comes near to, though results gave numbers."""
    if not state.numbers:
        return False
    metric = claim.need == "ran"
    numbers = [float(number) for number in state.numbers]
    for figure in (_DECIMAL if metric else _FIGURE).findall(claim.text):
        digits = len(figure.partition(".")[2])
        wanted = float(figure.replace(",", ""))
        if not any(wanted in (round(seen, digits), round(100 * seen, digits)) for seen in numbers):
            return True
    return False


def _written(event: Event, call: ToolCall) -> str:
    """What a call says to readers: a commit's message, a comment, a report."""
    try:
        arguments = msgspec.json.decode(call.arguments)
    except NOT_JSON:
        return "\n".join(_published(event))
    texts = _published(event) if _may_publish(arguments) else []
    if isinstance(arguments, dict):
        texts += [
            f"I tested and verified {value}." for key, value in arguments.items() if _CLAIM_KEY.match(key) and value
        ]
        texts += [value for key in PROSE_KEYS if isinstance(value := arguments.get(key), str) and value not in texts]
    return "\n".join(texts).replace("\\n", "\n")


def _published(event: Event) -> list[str]:
    """Messages of commits and the like, and texts of files that people read."""
    return [
        act.text
        for act in acts_of(event)
        if (act.kind == "run" and _SAYS.match(act.text)) or (act.kind == "write" and _PROSE.search(act.path))
    ]


def _may_publish(arguments: Any) -> bool:
    """Whether the words are there without which `_published` gives nothing; a cheap look before a dear one."""
    if isinstance(arguments, dict):
        arguments = [value for key, value in arguments.items() if key not in _REMARKS]
    bare = str(arguments).translate(_QUOTING).casefold()
    return any(word in bare for word in _PUBLISHED)


def _edits(event: Event, call: ToolCall) -> list[tuple[str, str, str]]:
    """Path, old and new text of each edit that says both."""
    found = [(act.path, act.old, act.text) for act in acts_of(event) if act.kind == "write" and act.old]
    try:
        arguments = msgspec.json.decode(call.arguments)
    except NOT_JSON:
        return found
    patch = (
        next((arguments[key] for key in ("patch", "diff") if key in arguments), "")
        if isinstance(arguments, dict)
        else ""
    )
    if isinstance(patch, str) and patch:
        new, old = sides(patch)
        found.append(("", old, new))
    return found


def _substantial(path: str, old: str, new: str) -> bool:
    """Whether an edit changes more than comments, space and the kind of quotes."""
    return not _DOCUMENT.search(path) and _bare(old) != _bare(new)


def _bare(text: str) -> str:
    plain = _BLOCK_COMMENT.sub(" ", _LINE_COMMENT.sub(" ", text))
    return re.sub(r"[\s,()'\"`;]+", "", plain)
