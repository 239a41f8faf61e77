from __future__ import annotations

import json
import typing

import msgspec
import pytest

from subcritical.schema import (
    PROTECTED,
    Action,
    Approval,
    Artifact,
    ArtifactChange,
    Ballot,
    Control,
    Event,
    EventData,
    Evidence,
    FileChange,
    Finding,
    Heartbeat,
    Measurement,
    Message,
    Metric,
    ModelCall,
    Order,
    Proposal,
    Receipt,
    Record,
    Resource,
    Review,
    RunState,
    Score,
    Severity,
    Split,
    SubsetUse,
    ToolCall,
    ToolResult,
    Verdict,
    decode_record,
    encode_record,
)

CHANGE = FileChange(path="a.py", artifact=Artifact.CODE, before=None, after="sha256:0", size=3, diff="+x")
DATA: list[EventData] = [
    Proposal(
        proposal="p",
        base="b",
        tree="t",
        requester="guest",
        changes=(CHANGE,),
        refused_paths=(("link", "symbolic link"),),
    ),
    Approval(proposal="p", tree="t", verdict="refused", by="gateway", reasons=("protected",)),
    Ballot(
        proposal="p",
        base="b",
        tree="t",
        step="approve",
        by="ana",
        policy="q",
        epoch=2,
        expires=1_700_000_000,
        reason="looked",
        signed="{}",
        demands=("two",),
    ),
    ArtifactChange(
        artifact=Artifact.DATA_SELECTION,
        path="mix.json",
        subsets=(SubsetUse(subset="s", weight=0.5, reference=0.25),),
    ),
    Score(proposal="p", tree="t", split=Split.HELD_OUT, metric="accuracy", value=None, status="timeout"),
    Control(order="pause", by="anna", reason="lunch", findings=("f-1",)),
    Review(by="anna", reason="read it"),
    Resource(what="memory", used=1.0, limit=None, unit="bytes"),
    Message(source="guest", text="\x1b[31m\u202e\u0000"),
    ModelCall(model="m", text="t", reasoning="r", input_tokens=1, output_tokens=None, stop="end"),
    ToolCall(tool="bash", arguments='{"cmd": "ls"}', call="c"),
    ToolResult(tool="bash", text="a.py", call="c", exit_code=1),
    Heartbeat(state="running"),
]
RECORDS: list[Record] = [
    *(Event(seq=1, time_ns=2, run="r", producer="p", generation=0, data=data) for data in DATA),
    Finding(
        detector="d",
        version=1,
        severity=Severity.LOW,
        confidence=0.5,
        title="t",
        why="w",
        evidence=(Evidence(first_seq=1, last_seq=1),),
        facts={"n": 1, "x": 0.5, "s": "y", "b": True, "none": None},
    ),
    Measurement(name="k", estimate=None, low=None, high=None, level=0.95, unit="1", method="m", n=0, why="one version"),
    Action(id="a", order=Order.STOP, by="b", reason="c"),
    Receipt(
        action="a",
        order=Order.STOP,
        outcome="confirmed",
        state=RunState.KILLED,
        ordered_ns=1,
        quiesced_ns=2,
        confirmed_ns=3,
        processes=1,
        survivors=0,
        rung="R2",
    ),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(getattr(record, "data", record)).__name__)
def test_records_read_back_as_they_were(record):
    encoded = encode_record(record)
    assert decode_record(encoded) == record
    assert encode_record(decode_record(encoded)) == encoded
    assert b"\n" not in encoded


def test_every_kind_of_event_is_tried_here():
    assert {type(data) for data in DATA} == set(typing.get_args(EventData))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(getattr(record, "data", record)).__name__)
def test_records_cannot_be_changed(record):
    with pytest.raises(AttributeError):
        record.seq = 9


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"record":"event"}', b'{"record":"nothing"}', b"\xff", b'{"record":"action","id":1}'],
)
def test_other_bytes_are_refused(data):
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        decode_record(data)


def test_a_record_with_a_wrong_field_is_refused():
    plain = json.loads(encode_record(RECORDS[0]))
    for path, value in [(("data", "kind"), "score"), (("seq",), "1"), (("data", "changes"), [{"artifact": "soul"}])]:
        changed = json.loads(json.dumps(plain))
        target = changed
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value
        with pytest.raises(msgspec.ValidationError):
            decode_record(json.dumps(changed).encode())


def test_only_high_and_above_may_pause():
    assert [severity.may_pause for severity in Severity] == [False, False, False, True, True]
    assert sorted(Severity, key=lambda severity: severity.rank) == list(Severity)


def test_what_judges_bounds_or_records_is_protected():
    assert {artifact.value for artifact in PROTECTED} == {"evaluator", "limit", "log", "monitor", "policy"}


def test_a_verdict_takes_no_field_it_does_not_know():
    verdict = Verdict(metrics={"accuracy": Metric(value=0.5, n=10, successes=5)}, primary="accuracy")
    data = msgspec.json.encode(verdict)
    assert msgspec.json.decode(data, type=Verdict) == verdict
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(data[:-1] + b',"held_out":1}', type=Verdict)
