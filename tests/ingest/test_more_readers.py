"""Formats that no real file was at hand for, on fixtures in the shape of the programs that write them."""

import json

import pytest
from ingest_cases import SHARED, formats, read

from subcritical.schema import Approval, Message, ModelCall, Proposal, Score, ToolCall, ToolResult


def write(folder, name, value):
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(value if isinstance(value, str) else json.dumps(value))
    return place


def data_of(path):
    seen, broken = read(path)
    assert not broken
    return [item.data for item in seen]


def test_aide_nodes_and_a_buggy_one_without_a_score(tmp_path):
    nodes = [
        {"id": "a", "code": "x", "plan": "begin", "step": 0, "ctime": 1.7e9, "metric": {"value": 0.5, "maximize": False},
         "is_buggy": False, "exec_time": 3.5, "_term_out": ["ok"]},
        {"id": "b", "code": "y", "plan": "more", "step": 1, "ctime": 1.7e9, "metric": {"value": 0.0, "maximize": False},
         "is_buggy": True, "exc_type": "ValueError"},
    ]  # fmt: skip
    place = write(tmp_path, "logs/0-run/journal.json", {"nodes": nodes, "node2parent": {"b": "a"}, "__version": "2"})
    first, score, second, crashed = data_of(place)
    assert (first.base, second.base, second.claim) == ("", "a", "more")
    assert (score.value, score.direction, score.duration_s, score.status) == (0.5, "down", 3.5, "ok")
    assert (crashed.value, crashed.status, crashed.detail) == (None, "crashed", "ValueError")


def test_ai_scientist_means_with_their_errors(tmp_path):
    told = {"means": {"loss_mean": 0.8, "accuracy_mean": 0.5}, "stderrs": {"loss_stderr": 0.01}}
    for run in (0, 2, 10):
        write(tmp_path, f"run_{run}/final_info.json", {"set": told})
    write(tmp_path, "run_x/final_info.json", {"set": told})
    scores = data_of(tmp_path)
    assert [score.proposal for score in scores] == ["run_0"] * 2 + ["run_2"] * 2 + ["run_10"] * 2
    assert (scores[0].metric, scores[0].direction, scores[0].se) == ("set loss_mean", "down", 0.01)
    assert (scores[1].direction, scores[1].se) == ("up", None)


@pytest.mark.skipif(not SHARED.is_dir(), reason="NOT MEASURED: real data is missing, set SUBCRITICAL_DATA")
def test_ai_scientist_counts_on_real_files():
    """Means counted by a walk of the documents that shares nothing with the reader."""
    root = SHARED / "ai_scientist"
    files = list(root.rglob("run_*/final_info.json"))
    means = sum(len(part["means"]) for file in files for part in json.loads(file.read_text()).values())
    seen, broken = read(root, only="ai_scientist")
    assert not broken
    assert len(files) >= 30
    assert len(seen) == means
    assert any(item.data.se is not None for item in seen)


def test_hyperagents(tmp_path):
    write(tmp_path, "gen_3/metadata.json", {
        "current_genid": 3, "parent_genid": 1, "prev_patch_files": [], "curr_patch_files": ["agent.py"],
        "valid_parent": True, "run_eval": True,
    })  # fmt: skip
    write(
        tmp_path, "archive.jsonl", '{"current_genid": 3, "archive": [0, 1, 3]}\n{"current_genid": 4, "archive": [3]}\n'
    )
    assert formats(tmp_path) == ["hyperagents_archive", "hyperagents"]
    kept, lost, proposal, verdict = data_of(tmp_path)
    assert (kept.verdict, lost.verdict, verdict.verdict) == ("accepted", "not_kept", "accepted")
    assert isinstance(proposal, Proposal)
    assert isinstance(verdict, Approval)
    assert (proposal.proposal, proposal.base, proposal.changes[0].path) == ("3", "1", "agent.py")


def test_sica_and_a_problem_that_timed_out(tmp_path):
    place = write(tmp_path, "run_1/agent_2/benchmarks/gsm/results.jsonl", "\n".join(json.dumps(row) for row in (
        {"problem_id": "p1", "score": 1.0, "timestamp": "2025-01-01T00:00:00", "wall_time": 2.0, "timed_out": False},
        {"problem_id": "p2", "score": 1.0, "timed_out": True},
    )))  # fmt: skip
    seen, _ = read(place)
    assert {item.system for item in seen} == {"agent_2"}
    first, second = (item.data for item in seen)
    assert (first.value, first.metric, first.proposal) == (1.0, "gsm p1", "agent_2")
    assert (second.value, second.status) == (None, "timeout")


def test_terminal_bench_trials(tmp_path):
    trial = {
        "trial_name": "t.1",
        "task_id": "fix",
        "instruction": "Fix it.",
        "is_resolved": True,
        "failure_mode": "unset",
    }
    place = write(
        tmp_path, "results.json", {"results": [trial, {**trial, "is_resolved": None, "failure_mode": "timeout"}]}
    )
    asked, score, _, failed = data_of(place)
    assert isinstance(asked, Message)
    assert (asked.source, asked.text) == ("user", "Fix it.")
    assert (score.value, score.n, score.successes) == (1.0, 1, 1)
    assert (failed.value, failed.status, failed.detail) == (None, "crashed", "timeout")


# OTLP ------------------------------------------------------------------------------------------------------


def attribute(key, value):
    if isinstance(value, bool):
        return {"key": key, "value": {"boolValue": value}}
    if isinstance(value, int):
        return {"key": key, "value": {"intValue": str(value)}}
    if isinstance(value, list):
        inner = [{"kvlistValue": {"values": [attribute(*pair) for pair in one.items()]}} for one in value]
        return {"key": key, "value": {"arrayValue": {"values": inner}}}
    return {"key": key, "value": {"stringValue": value}}


def span(name="chat", events=(), status=None, **attributes):
    return {
        "traceId": "t1", "spanId": "s1", "name": name, "startTimeUnixNano": "1700000000000000000",
        "attributes": [attribute(key.replace("__", "."), value) for key, value in attributes.items()],
        "events": list(events), "status": status or {},
    }  # fmt: skip


def dump(*spans):
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


ASKED = [{"role": "user", "parts": [{"type": "text", "content": "List files."}]}]
ANSWERED = [{
    "role": "assistant",
    "parts": [{"type": "text", "content": "I look."},
              {"type": "tool_call", "id": "c1", "name": "bash", "arguments": {"command": "ls"}}],
}]  # fmt: skip


@pytest.mark.parametrize("shape", [json.dumps, lambda value: value], ids=["text", "list"])
def test_otlp_messages_of_the_present_convention(tmp_path, shape):
    simple = [{"role": "user", "content": "List files."}] if shape is not json.dumps else ASKED
    one = span(
        gen_ai__operation__name="chat", gen_ai__input__messages=shape(simple),
        gen_ai__output__messages=json.dumps(ANSWERED), gen_ai__response__model="m", gen_ai__usage__input_tokens=7,
    )  # fmt: skip
    asked, answer, call = data_of(write(tmp_path, "a.json", dump(one)))
    assert (asked.source, asked.text) == ("user", "List files.")
    assert (answer.model, answer.text, answer.input_tokens) == ("m", "I look.", 7)
    assert (call.tool, json.loads(call.arguments), call.call) == ("bash", {"command": "ls"}, "c1")


def test_otlp_a_conversation_is_said_once(tmp_path):
    first = span(gen_ai__input__messages=json.dumps(ASKED), gen_ai__output__messages=json.dumps(ANSWERED))
    again = span(gen_ai__input__messages=json.dumps(ASKED + ANSWERED))
    place = write(tmp_path, "a.jsonl", json.dumps(dump(first)) + "\n" + json.dumps(dump(again)) + "\n")
    assert [type(one) for one in data_of(place)] == [Message, ModelCall, ToolCall]


def test_otlp_messages_as_span_events(tmp_path):
    events = [
        {"name": "gen_ai.system.message", "attributes": [attribute("content", "Be brief.")]},
        {"name": "gen_ai.user.message", "attributes": [attribute("content", "Hello")]},
        {"name": "gen_ai.choice", "attributes": [attribute("message", json.dumps({"content": "Hi"}))]},
    ]
    said = data_of(write(tmp_path, "a.json", dump(span(events=events))))
    assert [getattr(one, "source", "model") for one in said] == ["system", "user", "model"]
    assert said[2].text == "Hi"


def test_otlp_numbered_messages_of_both_families(tmp_path):
    one = span(gen_ai__prompt__0__role="user", gen_ai__prompt__0__content="A", gen_ai__completion__0__content="B")
    other = span(
        openinference__span__kind="LLM", session__id="other",
        llm__input_messages__0__message__role="user", llm__input_messages__0__message__content="C",
        llm__output_messages__0__message__role="assistant",
    )  # fmt: skip
    prefix = "llm.output_messages.0.message.tool_calls.0.tool_call.function"
    other["attributes"] += [attribute(f"{prefix}.name", "bash"), attribute(f"{prefix}.arguments", '{"command": "ls"}')]
    said = data_of(write(tmp_path, "a.json", dump(one, other)))
    assert [type(data) for data in said] == [Message, ModelCall, Message, ModelCall, ToolCall]
    assert (said[0].text, said[1].text, said[2].text, said[4].tool) == ("A", "B", "C", "bash")


def test_otlp_tools_and_evaluations(tmp_path):
    tool = span(
        "execute_tool", gen_ai__operation__name="execute_tool", gen_ai__tool__name="bash",
        gen_ai__tool__call__arguments='{"command": "ls"}', gen_ai__tool__call__result="a.py", gen_ai__tool__call__id="c",
    )  # fmt: skip
    failed = span("search", openinference__span__kind="TOOL", input__value="q", status={"message": "no network"})
    judged = span("evaluate", gen_ai__evaluation__name="harm")
    judged["attributes"].append({"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.25}})
    call, result, other, error, score = data_of(write(tmp_path, "a.json", dump(tool, failed, judged)))
    assert (call.tool, call.call, result.text, result.call) == ("bash", "c", "a.py", "c")
    assert (other.tool, error.error) == ("search", "no network")
    assert isinstance(error, ToolResult)
    assert isinstance(score, Score)
    assert (score.metric, score.value) == ("harm", 0.25)


def test_otlp_a_broken_line_and_a_deep_value(tmp_path):
    deep = {"stringValue": "x"}
    for _ in range(200):
        deep = {"arrayValue": {"values": [deep]}}
    nested = span(gen_ai__operation__name="chat")
    nested["attributes"].append({"key": "gen_ai.input.messages", "value": deep})
    place = write(tmp_path, "a.jsonl", json.dumps(dump(nested)) + '\n{"resourceSpans": \n' + json.dumps(dump(7)) + "\n")
    _, broken = read(place)
    assert [(one.place.line, bool(one.why)) for one in broken] == [(2, True), (3, True)]
