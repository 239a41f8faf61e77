"""Counts on real files, against counters that share no code with the readers: lines, archive members, rows."""

import json
import re
import shutil
import sqlite3
import zipfile
from itertools import groupby

import pytest
from ingest_cases import SHARED, formats, read

from subcritical.schema import Approval, Message, ModelCall, Proposal, Score, ToolCall, ToolResult

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"NOT MEASURED: real data is missing, set SUBCRITICAL_DATA (looked in {SHARED})"
)


def of_kind(seen, kind):
    return [item for item in seen if isinstance(item.data, kind)]


def test_control_arena_one_event_a_line():
    files = sorted((SHARED / "control_arena").rglob("*.jsonl"))
    assert len(files) == 12
    for file in files:
        seen, broken = read(file)
        assert not broken
        assert len(seen) == sum(bool(line.strip()) for line in file.read_bytes().split(b"\n"))
        assert all(isinstance(item.data, ToolCall) and item.data.tool for item in seen)


def test_mini_swe_agent_messages_and_commands():
    files = sorted((SHARED / "mini_swe_agent_runs").rglob("*.traj.json"))
    assert len(files) == 34
    commands = 0
    for file in files:
        seen, broken = read(file)
        assert not broken
        text = file.read_text()
        messages = json.loads(text)["messages"]
        ran = len(
            re.findall(r'"command":', json.dumps([message.get("extra", {}).get("actions") for message in messages]))
        )
        commands += ran
        assert len(seen) == len(messages) + ran
        assert len(of_kind(seen, ToolCall)) == ran
    assert commands == 1792


def test_inspect_events_of_every_sample():
    count = 0
    for file in sorted(SHARED.rglob("*.eval")):
        seen, broken = read(file)
        assert not broken
        expected, tools, models = 0, 0, 0
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                if name.startswith("samples/"):
                    kinds = [event["event"] for event in json.loads(archive.read(name))["events"]]
                    expected += len(kinds)
                    tools += kinds.count("tool")
                    models += kinds.count("model")
        count += 1
        assert len(seen) == expected + tools
        assert len(of_kind(seen, ToolCall)) == len(of_kind(seen, ToolResult)) == tools
        assert len(of_kind(seen, ModelCall)) == models
    assert count == 8


def test_inspect_documents_of_old_versions():
    folder = SHARED / "inspect_ai/tests/log/test_eval_log"
    seen, broken = read(folder / "log_read_sample.json")
    assert not broken
    events = json.loads((folder / "log_read_sample.json").read_text())["samples"][0]["events"]
    assert len(seen) == len(events) + sum(event["event"] == "tool" for event in events)
    seen, broken = read(folder / "log_tool_call_error.json")
    assert not broken
    messages = json.loads((folder / "log_tool_call_error.json").read_text())["samples"][0]["messages"]
    calls = sum(len(message.get("tool_calls") or ()) for message in messages)
    assert len(seen) == len(messages) + calls


def test_claude_code_messages_and_blocks():
    files = sorted((SHARED / "inspect_scout/tests/sources/claude_code_source").rglob("*.jsonl"))
    assert len(files) == 6
    for file in files:
        expected = 0
        for line in file.read_text().splitlines():
            content = json.loads(line)["message"]["content"]
            kinds = [] if isinstance(content, str) else [block["type"] for block in content]
            extra = kinds.count("tool_use") + kinds.count("tool_result")
            only_results = bool(kinds) and set(kinds) == {"tool_result"}
            expected += extra + (0 if only_results else 1)
        seen, broken = read(file)
        assert (len(seen), broken) == (expected, [])
        assert all(item.system and item.time_ns for item in seen)


def test_openevolve_two_events_a_program_in_order_of_time():
    for folder, programs in (
        (SHARED / "openevolve_mast/metagpt_evolution", 30),
        (SHARED / "openevolve_mast/multi_agent_evolution", 30),
        (SHARED / "myopenevolve/programs_union", 200),
    ):
        records = [
            path for path in folder.rglob("*.json") if {"code", "parent_id"} <= json.loads(path.read_text()).keys()
        ]
        (parent,) = {path.parent for path in records}
        assert len(records) == programs
        seen, broken = read(parent, only="openevolve")
        assert not broken
        assert len(of_kind(seen, Proposal)) == len(of_kind(seen, Score)) == programs
        times = [item.time_ns for item in seen]
        assert times == sorted(times)
        messages = of_kind(seen, Message)
        assert len({item.data.proposal for item in seen if not isinstance(item.data, Message)}) == programs
        assert len(seen) == 2 * programs + len(messages)
        said = [
            next((p["system"] for p in (r.get("prompts") or {}).values() if p.get("system")), "")
            for r in by_time(records)
        ]
        assert [item.data.text for item in messages] == [text for text, _ in groupby(filter(None, said))]


def by_time(paths):
    return sorted((json.loads(path.read_text()) for path in paths), key=lambda record: record["timestamp"])


def test_shinka_rows_that_lie_in_the_write_ahead_log(tmp_path):
    database = next(path.with_name("evolution_db.sqlite") for path in SHARED.rglob("evolution_db.sqlite-wal"))
    before = {path.name: path.read_bytes() for path in database.parent.glob("evolution_db*")}
    for path in before:
        shutil.copy(database.parent / path, tmp_path)
    with sqlite3.connect(tmp_path / database.name) as copy:
        rows = copy.execute("SELECT count(*) FROM programs").fetchone()[0]
    seen, broken = read(database)
    assert not broken
    assert rows == 8
    assert len(seen) == 2 * rows
    assert all(item.data.status == "crashed" and item.data.value is None for item in of_kind(seen, Score))
    assert {path.name: path.read_bytes() for path in database.parent.glob("evolution_db*")} == before


def test_autoresearch_rows_in_fifteen_dialects():
    files = sorted((SHARED / "autoresearch/files").glob("*.tsv"))
    assert len(files) == 30
    headers = set()
    for file in files:
        lines = file.read_bytes().decode("utf-8", "replace").split("\n")
        headers.add(lines[0])
        status = lines[0].lower().split("\t").index("status")
        rows = [line.split("\t") for line in lines[1:] if "\t" in line]
        expected = [cells for cells in rows if len(cells) > status and cells[status].strip()]
        seen, broken = read(file)
        assert len(of_kind(seen, Score)) == len(expected), file.name
        assert len(broken) == len(rows) - len(expected)
    assert len(headers) >= 15


def test_a_crash_is_no_score():
    seen, _ = read(SHARED / "autoresearch/files/heads_exp_H100_mar8__results.tsv")
    verdicts = [item.data.verdict for item in of_kind(seen, Approval)]
    assert (verdicts.count("accepted"), verdicts.count("not_kept")) == (23, 102)
    crashed = [item.data for item in of_kind(seen, Score) if item.data.status == "crashed"]
    assert [score.value for score in crashed] == [None]
    assert all(item.data.metric == "val_bpb" and item.data.direction == "down" for item in of_kind(seen, Score))
    assert min(item.data.value for item in of_kind(seen, Score) if item.data.value is not None) > 0.5


@pytest.mark.parametrize(
    ("name", "commits"),
    [("git_history_exp_H100_mar8", 45), ("git_history_trading_loop", 185), ("prs_touching_evaluator_prepare_py", 53)],
)
def test_commits_and_their_files(name, commits):
    file = SHARED / f"autoresearch/{name}.jsonl"
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(records) == commits
    seen, broken = read(file)
    assert not broken
    assert {item.place.commit for item in seen} == {record["commit"] for record in records if record["files"]}
    told = {(item.place.commit, item.data.path) for item in seen}
    assert {(record["commit"], path) for record in records for path in record["files"]} <= told


def test_dgm_scores_over_what_was_submitted():
    seen, broken = read(SHARED / "dgm/initial/metadata.json")
    assert not broken
    (score,) = [item.data for item in seen]
    assert (score.value, score.n, score.successes) == (0.2, 60, 12)


def test_everything_is_recognised_as_what_it_is():
    assert set(formats(SHARED / "inspect_scout")) == {"inspect", "claude_code", "jsonl"}
    assert set(formats(SHARED / "openevolve_official")) == {"openevolve"}
    assert set(formats(SHARED / "autoresearch/files")) == {"autoresearch", "jsonl"}
