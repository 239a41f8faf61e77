"""The first look at an event, what is kept of it, and which events a detector is given at all."""

import json

import msgspec
import pytest

from subcritical.detectors import _once
from subcritical.detectors._glance import SWITCH, Glance, Need, first_looks
from subcritical.detectors._once import once
from subcritical.detectors._stream import PerRun, reads
from subcritical.detectors.protocol import DetectorSettings
from subcritical.schema import (
    Artifact,
    ArtifactChange,
    Event,
    FileChange,
    Heartbeat,
    Message,
    ModelCall,
    Proposal,
    Review,
    Score,
    Severity,
    Split,
    ToolCall,
    ToolResult,
)

pytestmark = pytest.mark.usefixtures("_looks")


def event(data, seq=1, run="r"):
    return Event(seq=seq, time_ns=seq, run=run, producer="p", generation=0, data=data)


def call(command, tool="bash"):
    return ToolCall(tool=tool, arguments=json.dumps({"command": command}))


SAID, DONE, SHOWN = Need(said=("needle",)), Need(done=("needle",)), Need(shown=("needle",))


@pytest.mark.parametrize(
    ("data", "needs"),
    [
        (ModelCall(model="m", text="a needle"), {SAID}),
        (ModelCall(model="m", text="x", reasoning="NEEDLE"), {SAID}),
        (ModelCall(model="m", text="hay"), set()),
        (Message(source="guest", text="a needle"), {SAID, SHOWN}),
        (Message(source="guest", text="hay"), set()),
        (Message(source="user", text="hay"), {SAID, DONE, SHOWN}),
        (ToolResult(tool="t", text="needle"), {SHOWN}),
        (ToolResult(tool="t", text="", error="needle"), {SHOWN}),
        (ToolResult(tool="needle", text="hay"), set()),
        (call("needle x"), {DONE}),
        (call("x", tool="needle"), {DONE}),
        (call("hay"), set()),
        (ArtifactChange(artifact=Artifact.CODE, path="needle.py"), {DONE}),
        (ArtifactChange(artifact=Artifact.CODE, path="a.py", diff="+needle"), {DONE}),
        (Proposal(proposal="p", base="b", tree="t", requester="g", claim="needle"), {DONE}),
        (
            Proposal(
                proposal="p",
                base="b",
                tree="t",
                requester="g",
                changes=(FileChange(path="x", artifact=Artifact.CODE, diff="+needle"),),
            ),
            {DONE},
        ),
        (Review(by="me", reason=""), {SAID, DONE, SHOWN}),
        (Heartbeat(state="s"), {SAID, DONE, SHOWN}),
    ],
)
def test_what_is_looked_for_where(data, needs):
    glance = Glance()
    numbers = {need: glance.register(need) for need in (SAID, DONE, SHOWN)}
    bits = glance.look(event(data))
    assert {need for need, number in numbers.items() if bits >> number & 1} == needs


@pytest.mark.parametrize(
    "arguments",
    [
        '{"command": "n\'ee\'dle"}',
        '{"command": "n\\\\eedle"}',
        '{"command": "n\\"\\"eedle"}',
        '{"command": "\\u006eeedle"}',
        '{"a": [{"b": "\\u006eeedle"}]}',
        '{"a": "{\\"b\\": \\"\\\\u006eeedle\\"}"}',
        "n'ee'dle",
        "n\\eedle",
    ],
)
def test_a_word_of_a_call_is_seen_through_quoting_and_escapes(arguments):
    glance = Glance()
    number = glance.register(DONE)
    assert glance.look(event(ToolCall(tool="t", arguments=arguments))) >> number & 1


def test_deeply_nested_arguments_are_no_crash():
    glance = Glance()
    number = glance.register(DONE)
    for text in ("[" * 5000 + '"\\u0061"' + "]" * 5000, '"' + "\\" * 5000, '{"a": "\\ud800"}', '\\"'):
        assert not glance.look(event(ToolCall(tool="t", arguments=text))) >> number & 1
    # What cannot be taken apart is looked at as it stands.
    for text in ("[" * 5000 + '"needle\\n"' + "]" * 5000, '{"a": "\\ud800 needle'):
        assert glance.look(event(ToolCall(tool="t", arguments=text))) >> number & 1


def test_of_a_group_every_part_must_be_there():
    glance = Glance()
    both = glance.register(Need(said=(("one", "two"), "three")))
    one = glance.register(Need(said=("one",)))
    for text, met in (("one", (0, 1)), ("two one", (1, 1)), ("three", (1, 0)), ("two", (0, 0))):
        bits = glance.look(event(ModelCall(model="m", text=text)))
        assert (bits >> both & 1, bits >> one & 1) == met, text


def test_a_need_that_comes_later_is_met_by_events_that_were_looked_at_before():
    class Early(Noting):
        id = "early"
        need = Need(said=("first-word-of-this-test",))

    class Late(Noting):
        id = "late"
        need = Need(said=("second-word-of-this-test",))

    seen = event(ModelCall(model="m", text="second-word-of-this-test"))
    assert not Early().batch({}, [seen])
    assert Late().batch({}, [seen])


class Noted(msgspec.Struct):
    passed: int = 0
    waits: bool = False


class Noting(PerRun[Noted, DetectorSettings]):
    """Says every event that it is given."""

    id = "noting"
    docs = "x.md"
    Settings = DetectorSettings
    need = Need(said=("seldom-said",))

    def new(self):
        return Noted()

    def idle(self, state):
        return not state.waits

    def passed(self, state, _event):
        state.passed += 1

    def observe(self, state, event):
        state.waits = "wait" in str(event.data)
        return [self.finding(event, Severity.LOW, f"after {state.passed}", "w", confidence=1.0)]

    def starved(self, _state):
        return ""


def test_what_meets_no_need_is_counted_and_passed_over_until_the_detector_waits():
    texts = ["hay", "hay", "seldom-said", "hay", "seldom-said, wait", "hay", "hay"]
    events = [event(ModelCall(model="m", text=text), seq) for seq, text in enumerate(texts, 1)]
    found = Noting().batch({}, events)
    assert [(one.evidence[0].first_seq, one.title) for one in found] == [(3, "after 2"), (5, "after 3"), (6, "after 3")]
    every = Noting()
    every._number = None
    assert len(every.batch({}, events)) == len(events)


def test_kinds_that_do_not_matter_make_no_state():
    class OfScores(Noting):
        id = "of_scores"
        need = None
        kinds = reads(Score)

    states = {}
    score = Score(proposal="p", tree="t", split=Split.PUBLIC, metric="m", value=1.0)
    assert not OfScores().batch(states, [event(ModelCall(model="m", text="seldom-said"))])
    assert not states
    assert len(OfScores().batch(states, [event(score), event(Heartbeat(state="s"))])) == 2


def test_values_of_events_are_kept_while_the_events_live_and_within_bounds(monkeypatch):
    asked = []

    @once(lambda _: 0)
    def length(one):
        asked.append(one.seq)
        return len(one.data.text)

    events = [event(ModelCall(model="m", text="x" * (seq % 7)), seq) for seq in range(50)]
    assert [length(one) for one in events] == [length(one) for one in events]
    assert asked == list(range(50))
    # An equal event at another address is another event: nothing is compared but identity.
    assert length(event(ModelCall(model="m", text="xx"), 2)) == 2
    monkeypatch.setattr(_once, "EVENTS_MAX", 10)
    monkeypatch.setattr(_once, "WEIGHT_MAX", 12)
    length.forget()
    for one in events:
        length(one)
        assert len(length._by_id) <= 10
        assert length._weight <= 12
    big = event(ModelCall(model="m", text="x" * 100))
    assert length(big) == length(big) == 100
    assert id(big) not in length._by_id


def test_addresses_that_are_used_again_bring_no_old_value():
    @once(lambda _: 1)
    def text(one):
        return one.data.text

    for number in range(5000):
        assert text(event(ModelCall(model="m", text=str(number)))) == str(number)


def test_looks_are_off_until_they_are_asked_for_and_enough_was_seen():
    events = [event(ModelCall(model="m", text="hay"), seq) for seq in range(1, 9)]
    with first_looks(after=3):
        assert len(Noting().batch({}, events)) == 3
    fresh = [msgspec.structs.replace(one) for one in events]
    SWITCH.events_before = None
    assert len(Noting().batch({}, fresh)) == len(events)
