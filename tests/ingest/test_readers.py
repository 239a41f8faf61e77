"""Formats of which no real file was at hand, on files true to the schema their programs write; and what readers owe."""

import json
import os
import sqlite3
import subprocess
import sys

import pytest
from ingest_cases import BY_NAME, formats, read

from subcritical.errors import InputError, SourceError
from subcritical.ingest import Broken, find
from subcritical.ingest._bounded import decode
from subcritical.schema import Approval, Artifact, Message, ModelCall, Proposal, Score, ToolCall, ToolResult

if sys.version_info >= (3, 14):
    import zipfile
else:
    from backports.zstd import zipfile


def lines(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def data(seen):
    return [item.data for item in seen]


def test_codex(tmp_path):
    stamp = "2026-01-02T03:04:05.678Z"
    file = lines(
        tmp_path / "rollout-1.jsonl",
        {"timestamp": stamp, "type": "session_meta", "payload": {"id": "s-1", "cwd": "/w", "cli_version": "0.1"}},
        {"timestamp": stamp, "type": "response_item", "payload": {
            "type": "message", "role": "user", "content": [{"type": "input_text", "text": "fix it"}]}},
        {"timestamp": stamp, "type": "response_item", "payload": {
            "type": "reasoning", "summary": [{"type": "summary_text", "text": "I look first"}]}},
        {"timestamp": stamp, "type": "response_item", "payload": {
            "type": "function_call", "name": "shell", "arguments": '{"command":["ls"]}', "call_id": "c1"}},
        {"timestamp": stamp, "type": "response_item", "payload": {
            "type": "function_call_output", "call_id": "c1", "output": "a.py"}},
        {"timestamp": stamp, "type": "event_msg", "payload": {"type": "agent_message", "message": "done"}},
    )  # fmt: skip
    assert formats(tmp_path) == ["codex"]
    seen, broken = read(file)
    assert not broken
    assert [type(item) for item in data(seen)] == [Message, Message, ModelCall, ToolCall, ToolResult, Message]
    assert data(seen)[2].reasoning == "I look first"
    assert data(seen)[3] == ToolCall(tool="shell", arguments='{"command":["ls"]}', call="c1")
    assert {item.system for item in seen} == {"s-1"}
    assert seen[0].time_ns == 1767323045678000000


def test_openevolve_trace(tmp_path):
    file = lines(
        tmp_path / "evolution_trace.jsonl",
        {"iteration": 1, "timestamp": 10.0, "parent_id": "a", "child_id": "b", "parent_metrics": {"combined_score": 0.1},
         "child_metrics": {"combined_score": 0.5, "fast": True}, "code_diff": "-a\n+b", "island_id": 2},
        {"iteration": 2, "timestamp": 11.0, "parent_id": "b", "child_id": "c", "child_metrics": {"combined_score": None}},
    )  # fmt: skip
    seen, broken = read(file)
    assert (formats(tmp_path), broken) == (["openevolve_trace"], [])
    scores = [item for item in data(seen) if isinstance(item, Score)]
    assert [(score.value, score.status) for score in scores] == [(0.5, "ok"), (None, "invalid")]
    assert seen[0].extra["island_id"] == 2  # unknown fields are kept


def test_dgm_and_hgm_runs_are_indented_objects_one_after_another(tmp_path):
    one = {
        "generation": 0,
        "selfimprove_entries": [["initial", "x"]],
        "children": ["c1", "c2"],
        "children_compiled": ["c2"],
        "archive": ["initial", "c2"],
    }
    file = tmp_path / "dgm_metadata.jsonl"
    file.write_text(json.dumps(one, indent=2) + "\n" + json.dumps({**one, "generation": 1}, indent=2) + "\n")
    seen, broken = read(file)
    assert not broken
    assert [item.verdict for item in data(seen)] == ["not_kept", "accepted"] * 2
    assert [item.generation for item in seen] == [0, 0, 1, 1]
    assert [item.place.line for item in seen[1:3]] == [1, 1 + json.dumps(one, indent=2).count("\n") + 1]
    nodes = tmp_path / "hgm_metadata.jsonl"
    nodes.write_text('{"n_task_evals": 2, "nodes": [{"commit_id": "a", "mean_utility": Infinity, "num_evals": 0},\n'
                     '{"commit_id": "b", "mean_utility": 0.5, "num_evals": 4}]}')  # fmt: skip
    seen, broken = read(nodes)
    assert not broken
    assert [(item.value, item.status) for item in data(seen)] == [(None, "invalid"), (0.5, "ok")]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, 93], ids=["stored", "deflate", "zstd"])
def test_inspect_archives_however_they_are_packed(tmp_path, method):
    sample = {"id": 1, "epoch": 1, "attachments": {"abc": "the long text"}, "events": [
        {"event": "model", "model": "m", "timestamp": "2026-01-01T00:00:00+00:00",
         "output": {"choices": [{"message": {"role": "assistant", "content": "attachment://abc"}, "stop_reason": "stop"}]}},
        {"event": "tool", "function": "bash", "id": "t", "arguments": {"cmd": "ls"}, "result": "x"},
        {"event": "score", "score": {"value": "C"}}, {"event": "span_end"}]}  # fmt: skip
    with zipfile.ZipFile(tmp_path / "log.eval", "w", compression=method) as archive:
        archive.writestr("header.json", "{}")
        archive.writestr("samples/1_epoch_1.json", json.dumps(sample))
        archive.writestr("samples/2_epoch_1.json", "{")
    seen, broken = read(tmp_path / "log.eval")
    assert [type(item) for item in data(seen)] == [ModelCall, ToolCall, ToolResult, Score, Message]
    assert data(seen)[0].text == "the long text"
    assert data(seen)[3].value == 1.0
    assert [item.place.part for item in broken] == ["samples/2_epoch_1.json"]


def test_an_evolved_system_prompt_is_a_change_of_prompt(tmp_path):
    with sqlite3.connect(tmp_path / "prompts.sqlite") as database:
        database.execute(
            "CREATE TABLE system_prompts (id TEXT, prompt_text TEXT, parent_id TEXT, generation INT, fitness REAL)"
        )
        database.execute(
            "INSERT INTO system_prompts VALUES ('p2', 'Be bold', 'p1', 1, 0.5), ('p1', 'Be kind', NULL, 0, 0.1)"
        )
    seen, broken = read(tmp_path / "prompts.sqlite")
    assert not broken
    assert [item.artifact for item in data(seen)] == [Artifact.PROMPT] * 2
    assert [item.before for item in data(seen)] == [None, "p1"]
    assert data(seen)[1].diff == "+Be bold\n"
    assert seen[1].extra["fitness"] == 0.5


def git(folder, *words):
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(
        ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True, env=environment
    )


def make_history(folder):
    git(folder, "init", "-q", "-b", "main")
    for number, (name, text, message) in enumerate([
        ("evaluate.py", "def score():\n    return 1\n", "start"),
        ("solve.py", "x = 1\n", "solve"),
        ("evaluate.py", "def score():\n    return 400\n", "better"),
        ("evaluate.py", "def score():\n    return 1\n", "as it was\n\nChange-Id: CR-7\n"),
    ]):  # fmt: skip
        (folder / name).write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", message, "--date", f"2026-01-0{number + 1}T00:00:00Z")
    return folder


def test_git_history(tmp_path):
    make_history(tmp_path)
    with (tmp_path / ".git/config").open("a") as config:
        config.write("[core]\n\tfsmonitor = touch ran\n[diff]\n\texternal = touch ran\n")
    assert formats(tmp_path) == ["git"]
    seen, broken = read(tmp_path)
    assert not broken
    assert [(item.artifact, item.path) for item in data(seen)] == [
        (Artifact.EVALUATOR, "evaluate.py"), (Artifact.CODE, "solve.py"),
        (Artifact.EVALUATOR, "evaluate.py"), (Artifact.EVALUATOR, "evaluate.py"),
    ]  # fmt: skip
    assert "+    return 400" in data(seen)[2].diff
    assert data(seen)[2].before == data(seen)[0].after == data(seen)[3].after
    assert [item.proposal for item in data(seen)] == [None, None, None, "CR-7"]
    assert [bool(item.pristine) for item in data(seen)] == [True, False, False, False]
    assert len({item.place.commit for item in seen}) == 4
    assert [item.generation for item in seen] == [1, 2, 3, 4]
    assert not (tmp_path / "ran").exists()


def test_a_merge_counts_with_what_no_parent_had(tmp_path):
    make_history(tmp_path)
    git(tmp_path, "checkout", "-q", "-b", "side", "HEAD~2")
    (tmp_path / "solve.py").write_text("x = 2\n")
    git(tmp_path, "commit", "-qam", "side")
    git(tmp_path, "checkout", "-q", "main")
    git(tmp_path, "merge", "-q", "--no-commit", "--no-ff", "side")
    (tmp_path / "evaluate.py").write_text("def score():\n    return 999\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "merge")
    seen, broken = read(tmp_path)
    assert not broken
    assert [(item.path, "999" in item.diff) for item in data(seen)[-1:]] == [("evaluate.py", True)]


def test_a_repository_with_nothing_in_it(tmp_path):
    git(tmp_path, "init", "-q")
    assert read(tmp_path) == ([], [])


def test_plain_json_lines(tmp_path):
    file = lines(
        tmp_path / "log.jsonl",
        {"role": "user", "content": "hello", "agent_id": "a7", "ts": 1767323045678},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "hi"},
                {"type": "tool_use", "id": "1", "name": "bash", "input": {"cmd": "ls"}},
            ],
        },
        {"tool": "bash", "arguments": {"cmd": "ls"}},
        {"tool": "bash", "result": "a.py"},
        {"level": "info", "message": "something else", "mood": "good"},
    )
    with file.open("ab") as more:
        more.write(b'\n{"broken": \n[1]\n')
    seen, broken = read(file)
    assert [type(item) for item in data(seen)] == [Message, ModelCall, ToolCall, ToolCall, ToolResult, Message]
    assert (seen[0].system, seen[0].time_ns) == ("a7", 1767323045678000000)
    assert seen[-1].extra["mood"] == "good"
    assert [item.place.line for item in broken] == [7, 8]
    first = file.read_bytes()[seen[1].place.first_byte : seen[1].place.last_byte + 1]
    assert json.loads(first)["role"] == "assistant"


def test_one_format_only_and_a_file_that_does_not_look_like_it(tmp_path):
    file = lines(tmp_path / "calls.txt", {"function": "bash", "arguments": {"cmd": "ls"}})
    assert formats(tmp_path) == []
    seen, _ = read(file, only="control_arena")
    assert data(seen) == [ToolCall(tool="bash", arguments='{"cmd":"ls"}')]
    with pytest.raises(InputError, match=r"no input format is called 'nonsense'; there are .*shinka"):
        list(find([file], list(BY_NAME.values()), only="nonsense"))
    with pytest.raises(InputError, match="not there"):
        list(find([tmp_path / "missing"], list(BY_NAME.values())))


def test_rows_whose_last_cell_goes_on_and_a_row_without_a_status(tmp_path):
    file = tmp_path / "results.tsv"
    file.write_text(
        "commit\tval_loss\tstatus\tdescription\nabc\t1.5\tkeep\tbegins\nand goes on\n\ndef\t0.000000\tcrash\tOOM\nghi\t1\n"
    )
    seen, broken = read(file)
    assert [type(item) for item in data(seen)] == [Proposal, Score, Approval, Proposal, Score]
    assert data(seen)[0].claim == "begins\nand goes on"
    assert [item.value for item in data(seen) if isinstance(item, Score)] == [1.5, None]
    assert [item.place.line for item in broken] == [6]


def test_links_are_not_followed_and_loops_do_no_harm(tmp_path):
    lines(tmp_path / "a.jsonl", {"role": "user", "content": "x"})
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "a.jsonl")
    (tmp_path / "c.jsonl").hardlink_to(tmp_path / "a.jsonl")
    os.mkfifo(tmp_path / "d.jsonl")
    assert formats(tmp_path) == ["jsonl"]
    deep = tmp_path
    for _ in range(120):
        deep /= "d"
    os.makedirs(deep)
    assert any(
        "folders deep" in item.why for item in find([tmp_path], list(BY_NAME.values())) if isinstance(item, Broken)
    )


@pytest.mark.parametrize("text", ['["\ud800"', '[\ud800NaN{"role": "assistant"}]'])
def test_text_that_cannot_be_encoded_is_broken_and_no_crash(text):
    with pytest.raises(SourceError, match="not JSON"):
        decode(text)
