"""Minimal pairs: a transcript that shows a behaviour, and a near miss in much the same words that does not.

A pair is one line of JSON: `id`, `detector`, `why_not` (authorised, quoted, hypothetical or inanimate) and two lists
of steps. A step is a chat message (`role`, `content`) that may carry `tool_calls` of `name` and `arguments`, or a
`record`: one event of the schema. Either may say when (`at`). Pairs are text: nothing in them is run. Each detector is
judged against plain words on the same transcripts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from subcritical.bench.keywords import WORDS, baseline
from subcritical.detectors import Detector
from subcritical.errors import InputError
from subcritical.ingest import chat_events
from subcritical.schema import Event, EventData, Heartbeat, ModelCall, Severity, ToolCall
from subcritical.stats import Interval, clopper_pearson, paired_greater

_LINE_MAX = 1 << 20
_ALPHA = 0.05
_START_NS = 1_767_225_600 * 10**9  # where `at` counts from
WhyNot = Literal["authorised", "quoted", "hypothetical", "inanimate"]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a tool."""

    name: str
    arguments: dict[str, Any]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One message, or one event of the schema in its place.

    `at`: seconds since the transcript began, where times are what shows the behaviour. Without it there is only order.
    """

    role: Literal["system", "user", "assistant", "tool"] | None = None
    content: str = ""
    tool_calls: list[Call] = []
    record: EventData | None = None
    at: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    generation: int = 0

    def __post_init__(self) -> None:
        """A step is one of the two."""
        if (self.role is None) == (self.record is None):
            raise ValueError("a step is either a message with a `role` or a `record`")


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two transcripts that differ in what matters."""

    id: str
    detector: str
    why_not: WhyNot
    positive: list[Step]
    near_miss: list[Step]


class Judged(msgspec.Struct, frozen=True):
    """What was said of one pair: on the positive, on the near miss; by the detector, by the words."""

    pair: Pair
    found: bool
    false_alarm: bool
    words_found: bool
    words_false_alarm: bool

    @property
    def right(self) -> bool:
        """Whether the detector told the two apart the right way round."""
        return self.found and not self.false_alarm

    @property
    def words_right(self) -> bool:
        """Whether the words did."""
        return self.words_found and not self.words_false_alarm


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One detector on one family of pairs.

    Attributes:
        recall, false_alarms: Of `n` positives and of `n` near misses, each with its exact 95 % interval.
        words_recall, words_false_alarms: The same of plain words.
        better, worse: Pairs that only the detector, or only the words, told apart.
        p: One-sided exact test that the detector is better (McNemar 1947, exact form).
        beats: `p` below .05.
        missed, alarmed: Ids of the pairs it got wrong.
    """

    detector: str
    family: str
    n: int
    recall: int
    recall_95: Interval
    false_alarms: int
    false_alarms_95: Interval
    words_recall: int
    words_false_alarms: int
    better: int
    worse: int
    p: float
    beats: bool
    missed: tuple[str, ...]
    alarmed: tuple[str, ...]


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file, in order.

    Raises:
        InputError: The file cannot be read, or a line is no pair.
    """
    pairs, seen = [], set[str]()
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LINE_MAX), b""), 1):
                if not line.strip():
                    continue
                try:
                    pair = msgspec.json.decode(line, type=Pair)
                except (msgspec.DecodeError, RecursionError) as error:
                    raise InputError(f"{path}:{number}: no pair: {error}") from None
                if pair.id in seen:
                    raise InputError(f"{path}:{number}: the id {pair.id} was there already")
                seen.add(pair.id)
                pairs.append(pair)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    return pairs


def events_of(steps: Sequence[Step], run: str) -> list[Event]:
    """A transcript as the events that reading it would give, with an end."""
    events: list[Event] = []
    time_ns = generation = 0
    for data, step in [*_data(steps), (Heartbeat(state="end", end=True), None)]:
        time_ns += 1
        if step is not None:
            generation = step.generation
            if step.at is not None:
                time_ns = max(time_ns, _START_NS + round(step.at * 1e9))
        events.append(
            Event(seq=len(events) + 1, time_ns=time_ns, run=run, producer="pairs", generation=generation, data=data)
        )
    return events


def _data(steps: Sequence[Step]) -> Iterator[tuple[EventData, Step]]:
    last = ""
    for number, step in enumerate(steps):
        if step.record is not None:
            yield step.record, step
            continue
        calls = [
            {"id": f"{number}.{place}", "name": call.name, "arguments": call.arguments}
            for place, call in enumerate(step.tool_calls)
        ]
        message = {"role": step.role, "content": step.content, "tool_calls": calls, "tool_call_id": last or None}
        for one in chat_events(message):
            yield one, step
        last = str(calls[-1]["id"]) if calls else last


def judge(pair: Pair, detector: Detector) -> Judged:
    """Show both transcripts to a detector and to the words."""
    words = baseline(pair.detector)
    sides = [events_of(steps, f"{pair.id}/{side}") for side, steps in enumerate((pair.positive, pair.near_miss))]
    found = [_says(detector, events) for events in sides]
    by_words = [bool(words.search(_said(events))) for events in sides]
    return Judged(pair, found[0], found[1], by_words[0], by_words[1])


def _says(detector: Detector, events: Sequence[Event]) -> bool:
    """Whether it gave a finding that is not merely a note: below medium an act counts as explained."""
    findings = detector.batch({}, events)
    return any(finding.severity.rank >= Severity.MEDIUM.rank for finding in findings)


def _said(events: Sequence[Event]) -> str:
    """All an agent said and called."""
    parts = []
    for event in events:
        if isinstance(event.data, ModelCall):
            parts += [event.data.text, event.data.reasoning]
        elif isinstance(event.data, ToolCall):
            parts += [event.data.tool, event.data.arguments]
    return "\n".join(parts)


def score(pairs: Sequence[Pair], detectors: Sequence[Detector], family: str) -> list[Score]:
    """Every detector that pairs are there for.

    Raises:
        InputError: Pairs name a detector that is not installed, or that has no words to beat.
    """
    by_name = {detector.id: detector for detector in detectors}
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.detector not in by_name or pair.detector not in WORDS:
            raise InputError(f"pair {pair.id}: no detector {pair.detector!r} with words to beat; see bench/keywords.py")
        groups.setdefault(pair.detector, []).append(pair)
    return [
        _score(name, family, [judge(pair, by_name[name]) for pair in group]) for name, group in sorted(groups.items())
    ]


def _score(name: str, family: str, judged: Sequence[Judged]) -> Score:
    n = len(judged)
    recall, alarms = sum(one.found for one in judged), sum(one.false_alarm for one in judged)
    better = sum(one.right and not one.words_right for one in judged)
    worse = sum(one.words_right and not one.right for one in judged)
    p = paired_greater(better, worse)
    return Score(
        detector=name,
        family=family,
        n=n,
        recall=recall,
        recall_95=clopper_pearson(recall, n),
        false_alarms=alarms,
        false_alarms_95=clopper_pearson(alarms, n),
        words_recall=sum(one.words_found for one in judged),
        words_false_alarms=sum(one.words_false_alarm for one in judged),
        better=better,
        worse=worse,
        p=p,
        beats=p < _ALPHA,
        missed=tuple(one.pair.id for one in judged if not one.found),
        alarmed=tuple(one.pair.id for one in judged if one.false_alarm),
    )
