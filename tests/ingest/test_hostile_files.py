"""Hostile bytes: no crash, bounded memory, and only what a reader may say."""

import json
import resource
import sqlite3
import struct

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ingest_cases import BY_NAME, READERS, read

from subcritical.errors import SourceError
from subcritical.ingest import Broken, Seen, _bounded, inspect_logs, shinka
from subcritical.schema import Score

MESSAGE = {
    "role": "assistant",
    "content": [{"type": "text", "text": "a"}, {"type": "tool_use", "name": "b", "input": {}}],
}
SEEDS = {
    "control_arena": json.dumps({"id": "1", "function": "bash", "arguments": {"cmd": "ls"}}) + "\n",
    "claude_code": json.dumps({"type": "assistant", "sessionId": "s", "message": MESSAGE}) + "\n",
    "codex": json.dumps({"timestamp": "2026", "type": "response_item", "payload": {"type": "message", **MESSAGE}})
    + "\n",
    "jsonl": json.dumps(MESSAGE) + "\n" + json.dumps({"tool": "x", "arguments": {}, "time": 1e300}) + "\n",
    "openevolve_trace": json.dumps({"child_id": "a", "child_metrics": {"combined_score": 1e308}}) + "\n",
    "commits": json.dumps(
        {"commit": "a", "files": ["b"], "diff": "diff --git a/b b/b\nindex 12345..67890\n@@ -1 +1 @@\n-a\n+b\n"}
    )
    + "\n",
    "autoresearch": "commit\tval_bpb\tstatus\tdescription\na\t0.9\tkeep\tb\n",
    "mini_swe_agent": json.dumps(
        {
            "trajectory_format": "mini-swe-agent-1.1",
            "messages": [{**MESSAGE, "extra": {"actions": [{"command": "ls"}]}}],
        }
    ),
    "inspect": json.dumps(
        {
            "version": 2,
            "status": "success",
            "eval": {},
            "samples": [{"id": 1, "events": [{"event": "tool", "function": "b"}], "messages": [MESSAGE]}],
        }
    ),
    "dgm": json.dumps({"run_id": "a", "parent_commit": "b", "overall_performance": {"accuracy_score": 0.5}}),
    "dgm_run": json.dumps({"children": ["a"], "nodes": [{"commit_id": "a", "mean_utility": 1}]}, indent=1),
    "aide": json.dumps({"nodes": [{"id": "a", "metric": {"value": 1e308}, "ctime": 1e300}], "node2parent": {"a": "b"}}),
    "hyperagents": json.dumps({"current_genid": 1, "parent_genid": 0, "curr_patch_files": ["a"], "valid_parent": True}),
    "hyperagents_archive": json.dumps({"current_genid": 1, "archive": [1]}) + "\n",
    "sica": json.dumps({"problem_id": "a", "score": 1, "timestamp": 1e300, "wall_time": 1}) + "\n",
    "terminal_bench": json.dumps({"results": [{"task_id": "a", "trial_name": "b", "is_resolved": True}]}),
    "otlp": json.dumps(
        {
            "resourceSpans": [
                {
                    "scopeSpans": [
                        {
                            "spans": [
                                {
                                    "startTimeUnixNano": "1",
                                    "attributes": [
                                        {
                                            "key": "gen_ai.input.messages",
                                            "value": {"stringValue": json.dumps([MESSAGE])},
                                        },
                                        {"key": "llm.input_messages.0.message.content", "value": {"intValue": "7"}},
                                    ],
                                    "events": [{"name": "gen_ai.choice", "attributes": []}],
                                }
                            ]
                        }
                    ]
                }
            ]
        }
    ),
    "openevolve": json.dumps({"id": "a", "code": "x", "parent_id": "b", "metrics": {"combined_score": 1}}),
}
SUFFIX = {
    "autoresearch": ".tsv", "mini_swe_agent": ".traj.json", "inspect": ".json", "dgm": ".json", "openevolve": ".json",
    "aide": ".json", "hyperagents": ".json", "terminal_bench": ".json", "otlp": ".json",
}  # fmt: skip
NAMES = {
    "aide": "journal.json",
    "hyperagents": "metadata.json",
    "terminal_bench": "results.json",
    "dgm": "metadata.json",
    "openevolve": "best_program_info.json",
    "dgm_run": "dgm_metadata.jsonl",
}
NASTY = [
    b"\0",
    b"\xff\xfe",
    b"[" * 3000,
    b'{"a":' * 1500,
    b"1e999",
    b"-",
    b'"',
    b"\n\n",
    b"\t",
    b"NaN",
    b"\\ud800",
    b"null",
    b"1" + b"0" * 400,
]


def drain(reader, path):
    """How many facts are read; nothing but facts, broken records and our own error may come."""
    facts = 0
    try:
        for item in reader.read(path):
            assert isinstance(item, (Seen, Broken))
            facts += isinstance(item, Seen)
    except SourceError:
        pass
    return facts


def mutated(seed):
    """A seed with bytes cut out, doubled, exchanged, or nasty ones put in."""
    size = len(seed)
    cuts = st.tuples(st.integers(0, size), st.integers(0, size), st.sampled_from([*NASTY, b""]))
    return st.lists(cuts, min_size=1, max_size=4).map(lambda edits: _apply(seed, edits))


def _apply(seed, edits):
    for begin, end, put in edits:
        low, high = sorted((begin, end))
        seed = seed[:low] + put + seed[min(high, low + 12) :]
    return seed


def fuzz(reader, path, data):
    path.write_bytes(data)
    assert reader.claims(path, data[:65536]) in {True, False}
    return drain(reader, path)


def run_fuzz(name, folder, examples):
    reader = next(reader for reader in READERS if reader.name == name and not reader.directories)
    path = folder / NAMES.get(name, f"case{SUFFIX.get(name, '.jsonl')}")

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    @given(st.one_of(mutated(SEEDS[name].encode()), st.binary(max_size=200)))
    def cases(data):
        fuzz(reader, path, data)

    cases()
    return fuzz(reader, path, SEEDS[name].encode())


@pytest.mark.parametrize("name", SEEDS)
def test_mutated_files_never_crash_a_reader(name, tmp_path):
    assert run_fuzz(name, tmp_path, 100) > 0  # and what was mutated is read


@pytest.mark.sim
@pytest.mark.parametrize("name", SEEDS)
def test_ten_thousand_mutated_files_never_crash_a_reader(name, tmp_path):
    assert run_fuzz(name, tmp_path, 10_000) > 0


HUGE = "1" + "0" * 400


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("best_program_info.json", f'{{"id": "a", "metrics": {{"combined_score": {HUGE}}}}}'),
        ("best_program_info.json", f'{{"id": "a", "metrics": {{"x": {HUGE}, "y": 1}}, "timestamp": {HUGE}}}'),
        ("metadata.json", f'{{"overall_performance": {{"accuracy_score": {HUGE}}}}}'),
        ("hgm_metadata.jsonl", f'{{"nodes": [{{"commit_id": "a", "mean_utility": {HUGE}}}]}}'),
        ("log.json", f'{{"version": 2, "status": "", "eval": {{}}, "samples": [{{"events": [{{"event": "score", "score": {{"value": {HUGE}}}}}]}}]}}'),
        ("results.tsv", "commit\tval_bpb\tstatus\na\t1e999\tkeep\n"),
        ("calls.jsonl", f'{{"function": "f", "arguments": {{"x": {HUGE}}}}}\n'),
        ("plain.jsonl", f'{{"role": "user", "content": {HUGE}, "time": {HUGE}}}\n'),
    ],
)  # fmt: skip
def test_a_number_too_large_for_a_score_or_a_time_is_none(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    seen, broken = read(tmp_path / name)
    assert not broken
    assert seen
    assert all(item.data.value is None for item in seen if isinstance(item.data, Score))
    assert all(item.time_ns == 0 for item in seen)


def _database(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE programs (id TEXT, code TEXT, generation INT, combined_score REAL, correct INT)")
        database.executemany(
            "INSERT INTO programs VALUES (?, ?, ?, ?, ?)", [(str(n), "x" * 500, n, 0.5, 1) for n in range(40)]
        )
    return path.read_bytes()


@pytest.mark.parametrize("examples", [60, pytest.param(10_000, marks=pytest.mark.sim)])
def test_mutated_databases_never_crash_the_reader(tmp_path, examples):
    seed, path = _database(tmp_path / "seed.sqlite"), tmp_path / "case.sqlite"

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    @example([(3987, 128)])  # a column whose name is no UTF-8
    @given(st.lists(st.tuples(st.integers(0, len(seed) - 1), st.integers(0, 255)), min_size=1, max_size=30))
    def cases(edits):
        data = bytearray(seed)
        for where, byte in edits:
            data[where] = byte
        fuzz(BY_NAME["shinka"], path, bytes(data))

    cases()


def test_a_database_whose_schema_wants_to_run_forever_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(shinka, "_STEPS_MAX", 20)
    with sqlite3.connect(tmp_path / "programs.sqlite") as database:
        database.execute("CREATE TABLE seed (id TEXT)")
        database.execute("INSERT INTO seed VALUES ('1')")
        database.execute("CREATE TABLE system_prompts (id TEXT, prompt_text TEXT)")
        database.executescript("""
            CREATE VIEW programs AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
            SELECT i AS id, '' AS code FROM n;
        """)
    _, broken = read(tmp_path / "programs.sqlite")
    assert not broken  # a view is not read at all: only tables are
    with sqlite3.connect(tmp_path / "programs.sqlite") as database:
        database.execute("DROP VIEW programs")
        database.execute("CREATE TABLE programs (id TEXT, timestamp REAL)")
        rows = [(str(number), -number) for number in range(200_000)]
        database.executemany("INSERT INTO programs VALUES (?, ?)", rows)
    monkeypatch.setattr(shinka, "_STEPS_MAX", 1)
    _, broken = read(tmp_path / "programs.sqlite")
    assert ["interrupted" in item.why for item in broken] == [True]


def test_an_archive_that_unpacks_to_more_than_it_may(tmp_path, monkeypatch):
    monkeypatch.setattr(inspect_logs, "DOCUMENT_MAX", 1 << 20)
    with inspect_logs.zipfile.ZipFile(tmp_path / "bomb.eval", "w", compression=8) as archive:
        archive.writestr("samples/1_epoch_1.json", b" " * (2 << 20))
        archive.writestr("samples/2_epoch_1.json", b'{"id": 2, "events": [{"event": "info"}]}')
    seen, broken = read(tmp_path / "bomb.eval")
    assert (len(seen), len(broken)) == (1, 1)
    assert "unpacks to more than" in broken[0].why
    data = bytearray((tmp_path / "bomb.eval").read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 20 : at + 28] = struct.pack("<II", 1, 1)  # the sizes that its own index claims
    (tmp_path / "bomb.eval").write_bytes(data)
    _, broken = read(tmp_path / "bomb.eval")
    assert broken


def test_a_line_that_is_too_long_is_named_and_the_next_one_read(tmp_path, monkeypatch):
    monkeypatch.setattr(_bounded, "LINE_MAX", 1000)
    file = tmp_path / "a.jsonl"
    good = json.dumps({"role": "user", "content": "x"}).encode()
    file.write_bytes(good + b"\n" + b'{"role": "' + b"y" * 3_000_000 + b'"}\n' + good + b"\n")
    seen, broken = read(file)
    assert [item.place.line for item in seen] == [1, 3]
    assert [item.place.line for item in broken] == [2]
    assert file.read_bytes()[seen[1].place.first_byte :].startswith(good)


@pytest.mark.sim
def test_a_line_of_two_gigabytes_in_bounded_memory(tmp_path):
    file = tmp_path / "a.jsonl"
    good = json.dumps({"role": "user", "content": "x"}).encode()
    with file.open("wb") as out:
        out.write(good + b"\n{")
        out.truncate(2 << 30)
        out.seek(0, 2)
        out.write(b"\n" + good + b"\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen, broken = read(file)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"a line of 2 GiB: {grown >> 10} MiB more memory at its highest")
    assert [item.place.line for item in seen] == [1, 3]
    assert [item.place.line for item in broken] == [2]
    assert grown < 200 << 10


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_nesting_is_bounded(tmp_path, depth):
    file = tmp_path / "a.jsonl"
    file.write_bytes(
        b'{"role": "user", "content": ' + b"[" * depth + b"]" * depth + b'}\n{"role": "user", "content": "x"}\n'
    )
    seen, broken = read(file, only="jsonl")
    assert seen[-1].place.line == 2
    assert len(seen) + len(broken) == 2
    nested = MESSAGE
    for _ in range(60):
        nested = {"role": "user", "content": [{"type": "tool_result", "content": [nested]}]}
    file.write_bytes(json.dumps(nested).encode() + b"\n")
    seen, broken = read(file, only="jsonl")
    assert len(seen) + len(broken) >= 1
