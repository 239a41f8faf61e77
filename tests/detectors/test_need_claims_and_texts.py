"""What `claim_mismatch`, `token_pattern` and `prompt_change` pass over makes no difference to what they find."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from detector_events import BEGIN
from needs import differences, streams

from subcritical.detectors._claims import claims, claims_where
from subcritical.detectors._glance import GLANCE, Need
from subcritical.detectors.claim_mismatch import ClaimMismatch
from subcritical.detectors.prompt_change import PromptChange
from subcritical.detectors.token_pattern import TokenPattern
from subcritical.schema import Event, Heartbeat, Message, ModelCall, ToolCall, ToolResult

pytestmark = [pytest.mark.usefixtures("_looks"), pytest.mark.quality]

DETECTORS = (ClaimMismatch, TokenPattern, PromptChange)
NAMES = tuple(one.id for one in DETECTORS)


def event(data: Any, run: str = "r") -> Event:
    return Event(seq=1, time_ns=BEGIN, run=run, producer="test", generation=0, data=data)


def run_of(*data: Any) -> list[Event]:
    every = [*data, Heartbeat(state="end", end=True)]
    return [
        Event(seq=number, time_ns=BEGIN + number, run="r", producer="test", generation=0, data=one)
        for number, one in enumerate(every, 1)
    ]


def quoted(text: str, chance: random.Random) -> str:
    """Words with quoting inside, as a shell drops it."""
    words = text.split(" ")
    for at in chance.sample(range(len(words)), min(3, len(words))):
        word = words[at]
        if len(word) > 2 and word.isalnum():
            cut = chance.randrange(1, len(word))
            words[at] = word[:cut] + chance.choice(["''", '""', "\\", "'" + word[cut] + "'"[:0]]) + word[cut:]
    return " ".join(words)


def spaced(text: str, chance: random.Random) -> str:
    """Blanks as more blanks, the end of a line, or a continued line."""
    parts = text.split(" ")
    if len(parts) < 2:
        return text
    at = chance.randrange(1, len(parts))
    return " ".join(parts[:at]) + chance.choice(["  ", " \\\n", "\t", "\n", "\\n"]) + " ".join(parts[at:])


def folded(text: str, chance: random.Random) -> str:
    """Other case, and characters that Python takes for an s or a k."""
    change: Callable[[str], str] = chance.choice(
        [str.upper, str.swapcase, lambda t: t.replace("s", "\u017f", 3), lambda t: t.replace("k", "\u212a", 2)]
    )
    return change(text)


def joined(text: str, chance: random.Random) -> str:
    """A piece of code or a quotation in place of a blank, with and without blanks of its own."""
    parts = text.split(" ")
    at = chance.randrange(len(parts))
    piece = chance.choice(["`x`", " `a b` ", '"a long quotation here"', "\u201csaid of old times\u201d", "`a` `b`"])
    return " ".join(parts[:at]) + piece + " ".join(parts[at:])


def stretched(text: str, chance: random.Random) -> str:
    """A text after a long line, so that it is cut elsewhere."""
    return "word " * chance.choice([10, 118, 119, 120, 199, 200]) + text


def lined(text: str, chance: random.Random) -> str:
    """Each word on a line of its own."""
    return chance.choice(["\n", "\r\n", ". "]).join(text.split(" "))


CHANGES = (quoted, spaced, folded, joined, stretched, lined)


def changed(one: Event, chance: random.Random) -> Event:
    """An event with one of its texts changed."""
    data, change = one.data, chance.choice(CHANGES)
    if isinstance(data, ModelCall | Message | ToolResult):
        return msgspec.structs.replace(one, data=msgspec.structs.replace(data, text=change(data.text, chance)))
    if not isinstance(data, ToolCall):
        return one
    try:
        arguments = json.loads(data.arguments)
    except ValueError:
        return one
    return msgspec.structs.replace(
        one, data=msgspec.structs.replace(data, arguments=rewritten(arguments, change, chance))
    )


def rewritten(arguments: Any, change: Callable[[str, random.Random], str], chance: random.Random) -> str:
    """Arguments as JSON once more, with one string changed, split over several, or written with escapes."""
    if isinstance(arguments, dict) and arguments:
        key = chance.choice(list(arguments))
        value = arguments[key]
        if isinstance(value, str):
            arguments[key] = value.split(" ") if chance.random() < 0.2 else change(value, chance)
    if chance.random() < 0.2:
        arguments = {"text": json.dumps(arguments), "note": "more"}
    text = json.dumps(arguments, ensure_ascii=chance.random() < 0.5)
    if chance.random() < 0.3:
        at = chance.choice("aeinorst")
        text = text.replace(at, f"\\u{ord(at):04x}", 5) if "\\" not in text else text
    return text


@pytest.fixture(scope="module")
def corpus() -> list[list[Event]]:
    return list(streams(*NAMES))


@pytest.mark.parametrize("detector", DETECTORS)
def test_nothing_is_lost_on_what_the_tests_have(detector: Any, corpus: list[list[Event]]) -> None:
    assert [line for events in corpus for line in differences(detector, events)] == []


@pytest.mark.parametrize("detector", DETECTORS)
def test_nothing_is_lost_on_changed_runs(detector: Any, corpus: list[list[Event]]) -> None:
    chance = random.Random(20)
    lost = []
    for events in chance.sample(corpus, min(200, len(corpus))):
        lost += differences(detector, [changed(one, chance) for one in events if chance.random() < 0.9])
    assert lost == []


@pytest.mark.parametrize("detector", DETECTORS)
def test_nothing_is_lost_on_runs_put_together(detector: Any, corpus: list[list[Event]]) -> None:
    chance = random.Random(21)
    for _ in range(15):
        some = [one for events in chance.sample(corpus, 6) for one in events]
        if chance.random() < 0.5:
            chance.shuffle(some)
        one_run = [
            msgspec.structs.replace(changed(one, chance), seq=number, run="one") for number, one in enumerate(some, 1)
        ]
        assert differences(detector, one_run) == []


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_need_that_lacks_something_is_noticed(detector: Any, corpus: list[list[Event]]) -> None:
    class Narrow(detector):  # type: ignore[misc]
        need = Need(said=detector.need.said[-1:], done=detector.need.done[-1:], shown=detector.need.shown[-1:])

    assert any(differences(Narrow, events) for events in corpus)


def test_what_was_done_long_before_a_claim_is_worked_out_in_time() -> None:
    call = ToolCall(tool="bash", arguments='{"command": "pytest -q"}', call="c")
    result = ToolResult(tool="bash", call="c", text="1 failed\n" + "x" * 7000)
    other = [ToolCall(tool="bash", arguments=json.dumps({"command": f"cat f{n}"}), call=f"o{n}") for n in range(70)]
    said = ModelCall(model="m", text="I fixed it and all tests pass.")
    for many in (0, 60, 70):
        assert differences(ClaimMismatch, run_of(call, result, *other[:many], *[result] * many, said)) == []


@pytest.mark.parametrize(
    "text", ["I ran it.\n\n`x` checked.", "foo;\n tests pass;", "a.\r\nAll tests passed.\x0bok", ""]
)
def test_claims_are_the_same_line_by_line(text: str) -> None:
    number = ClaimMismatch()._number
    assert number is not None
    assert claims_where(text, lambda part: bool(GLANCE.look(event(ModelCall(model="", text=part))) >> number & 1)) == (
        claims(text)
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": "apple\ngrape\nelder\nnut\ntea"},
        {"a": "apple", "b": "grape", "c": "elder", "d": "nut", "e": "tea"},
        {"text": "All good. Go on! Each one? Nothing else. Then stop"},
        {"path": "a.md", "old_string": "x\ny", "new_string": "grape\nelder\nnut\ntea"},
    ],
)
def test_words_in_first_letters_need_no_word(arguments: dict[str, str]) -> None:
    events = run_of(ToolCall(tool="edit", arguments=json.dumps(arguments)))
    found = TokenPattern().batch({}, events)
    assert [one.facts["kind"] for one in found] == ["a word in first letters"]
    assert differences(TokenPattern, events) == []


def test_whether_there_was_an_edit_is_known_at_the_end() -> None:
    looked, wrote = ({"command": "grep -rn foo src"}, {"command": "echo hi > a.txt"})
    for one in (looked, wrote):
        events = run_of(*[ToolCall(tool="bash", arguments=json.dumps(one))] * 70)
        assert differences(PromptChange, events) == []
        assert bool(PromptChange().batch({}, events)) is (one is looked)
