"""The needs of the detectors that read what a system says of itself: they pass over nothing that matters."""

from __future__ import annotations

import json
import random
import re

import msgspec
import pytest
from needs import differences, streams

from subcritical.detectors._aims import _HELPS, _IDLE
from subcritical.detectors._glance import GLANCE, Need
from subcritical.detectors._relaxed import relaxed, unless_after
from subcritical.detectors.capability_goal import CapabilityGoal
from subcritical.detectors.constitution_drift import ConstitutionDrift
from subcritical.detectors.self_reflection import SelfReflection
from subcritical.matching import candidates
from subcritical.schema import Event, Heartbeat, Message, ModelCall, ToolCall

pytestmark = pytest.mark.usefixtures("_looks")

DETECTORS = (CapabilityGoal, SelfReflection, ConstitutionDrift)
OWN = tuple(detector.id for detector in DETECTORS)
RUNS = [run for run in streams(*OWN) if len(run) < 200]
NARROW = Need(said=("no text holds this",), done=("nor this",))
# All are made known before the first event comes, so that they are compiled once.
for need in (NARROW, *(detector.need for detector in DETECTORS)):
    GLANCE.register(need)


def matches(regex: str, text: str) -> bool:
    return bool(candidates([regex]).of(text.encode()))


def with_text(event: Event, change) -> Event:
    data = event.data
    if isinstance(data, ToolCall):
        try:
            arguments = json.loads(data.arguments)
        except ValueError:
            return event
        if not isinstance(arguments, dict) or not isinstance(arguments.get("command"), str):
            return event
        arguments["command"] = change(arguments["command"])
        return msgspec.structs.replace(event, data=msgspec.structs.replace(data, arguments=json.dumps(arguments)))
    if isinstance(data, ModelCall | Message):
        return msgspec.structs.replace(event, data=msgspec.structs.replace(data, text=change(data.text)))
    return event


def mutated(run: list[Event], rng: random.Random) -> list[Event]:
    """A run with words changed in case, quoted in pieces, continued on another line or set in code, and events gone."""

    def word(match: re.Match[str]) -> str:
        text, half = match[0], len(match[0]) // 2
        changed = (
            text.upper(),
            f"{text[:half]}''{text[half:]}",
            f"{text[:half]}\\{text[half:]}",
            f"`{text}`",
            f"{text} \\\n ",
            f'{text}"and so on, and on"',
            text.replace("s", "\u017f"),
        )
        return rng.choice(changed) if rng.random() < 0.2 else text

    kept = [event for event in run if rng.random() > 0.1 or isinstance(event.data, Heartbeat)]
    return [with_text(event, lambda text: re.sub(r"[A-Za-z]{2,}", word, text)) for event in kept]


def joined(runs: list[list[Event]], rng: random.Random) -> list[Event]:
    """Runs as one, their events in the order of each and otherwise mixed."""
    left, found = [list(run) for run in runs], list[Event]()
    while any(left):
        one = rng.choice([run for run in left if run])
        found.append(msgspec.structs.replace(one.pop(0), seq=len(found) + 1, run="one"))
    return found


@pytest.mark.parametrize("detector", DETECTORS, ids=OWN)
class TestNeeds:
    def test_no_finding_depends_on_it(self, detector) -> None:
        assert [found for run in RUNS for found in differences(detector, run)] == []

    def test_nor_where_words_are_changed_and_events_are_gone(self, detector) -> None:
        rng = random.Random(5)
        assert [found for run in RUNS[::3] for found in differences(detector, mutated(run, rng))] == []

    def test_nor_where_runs_are_one(self, detector) -> None:
        rng = random.Random(6)
        for _ in range(30):
            assert differences(detector, joined(rng.sample(RUNS, 3), rng)) == []

    def test_one_that_lacks_its_groups_is_noticed(self, detector) -> None:
        narrow = type("Narrow", (detector,), {"need": NARROW})
        assert any(differences(narrow, run) for run in RUNS)


class TestRelaxed:
    @pytest.mark.parametrize(
        "text", ["I want it", "I`x`want it", 'I"and so on, and on"want it', "We said: I\u201cso\u201dwant it"]
    )
    def test_a_blank_may_be_what_a_sentence_leaves_out(self, text: str) -> None:
        assert matches(relaxed(r"(?i)\bI want\b"), text)

    def test_what_looks_around_is_left_out(self) -> None:
        assert relaxed(r"a(?!b(c|d))(?<!e)f.{0,9}g\w+") == r"af.*g\S*"

    @pytest.mark.parametrize("word", _HELPS)
    def test_words_before_me_are_idle_ones(self, word: str) -> None:
        assert _IDLE.fullmatch(f"{word} me")
        assert not matches(unless_after(_HELPS, r"me\b"), f"so {word} me see")

    @pytest.mark.parametrize("text", ["me", " me", "x\nme", "outlet me", "(me)", "to me", "et me", "l me", "for  me"])
    def test_me_after_anything_else_is_found(self, text: str) -> None:
        assert matches(unless_after(_HELPS, r"me\b"), text)


def test_code_and_small_talk_are_passed_over() -> None:
    texts = ("def f(self, i):\n    return self.limit[i]", "Let me look at the file.", "The tests pass now.")
    for text in texts:
        event = Event(seq=1, time_ns=1, run="r", producer="p", generation=0, data=ModelCall(model="", text=text))
        for detector in DETECTORS:
            assert not GLANCE.meets(event, detector()._number), (detector.id, text)
