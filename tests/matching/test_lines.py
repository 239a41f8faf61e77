"""Both ways of reading a stream find what a plain reader finds: every line by `json.loads`, every text by `re`."""

import contextlib
import json
import re
import warnings

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_engines import REGEXES

from subcritical.errors import InputError, SourceError
from subcritical.matching import Pattern, RuleStream, covering, database, raw_lines
from subcritical.matching.agent_events import Head
from subcritical.matching.agents import Agents
from subcritical.matching.chunks import chunks

RULES = [
    Pattern(0, r"kill\s+the\s+monitor"),
    Pattern(1, r'"reward"\s*:\s*1', caseless=True),
    Pattern(2, r"^rm -rf\b"),
    Pattern(3, r"C:\\temp\\[a-z]+"),
    Pattern(4, r"\bskip.{0,8}check\b", caseless=True),
    Pattern(5, r"/etc/(passwd|shadow)$"),
    Pattern(6, r"naïve|\u4e2d\u6587"),
    Pattern(7, r"a[^\n]b\n\tc"),
    Pattern(8, r"\S+@\S+\.(io|ai)"),
    Pattern(9, r"do not (?!stop)\w+"),
]
HEAD = {"ts": 1.5, "agent_id": "a", "seq": 1, "kind": "message"}


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from strings(key)
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def texts_of(record):
    tool = record.get("tool")
    values = [record.get(name) for name in ("content", "path", "result")]
    if isinstance(tool, dict):
        arguments = tool.get("arguments")
        values += [arguments, tool.get("result")]
        if isinstance(arguments, str) and arguments.lstrip()[:1] in ("{", "["):
            with contextlib.suppress(ValueError):
                values.append(json.loads(arguments))
    else:
        values.append(tool)
    return list(strings(values))


def reference(data, rules):
    """(line, rule, agent, seq) of each finding, and the numbers of broken lines: no code of the product's."""
    rows, broken = [], []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line.decode("utf-8", "replace"))
            assert {type(record[name]) for name in ("ts", "seq")} <= {int, float}
            assert type(record["seq"]) is int
            assert type(record["agent_id"]) is type(record["kind"]) is str
        except (ValueError, KeyError, TypeError, AssertionError):
            broken.append(number)
            continue
        texts = [text.encode("utf-8", "replace").decode() for text in texts_of(record)]
        for rule in rules:
            regex = re.compile(rule.regex, re.IGNORECASE if rule.caseless else 0)
            if any(regex.search(text) for text in texts):
                rows.append((number, rule.id, record["agent_id"], record["seq"]))
    return rows, broken


def read(path, rules, way):
    stream = RuleStream(rules, way=way)
    assert stream.way == way
    batches = list(stream.scan(path))
    rows = [(row.line, row.rule, row.agent, row.seq) for batch in batches for row in batch.rows]
    return rows, [one.line for batch in batches for one in batch.broken], sum(batch.events for batch in batches)


def compare(path, data, rules):
    path.write_bytes(data)
    expected = reference(data, rules)
    exact, prefiltered = (read(path, rules, way) for way in ("exact", "prefiltered"))
    assert exact[:2] == expected
    assert prefiltered == exact
    return expected


def line(content=None, *, ascii_only=False, slash=False, **more):
    record = {**HEAD, **({} if content is None else {"content": content}), **more}
    text = json.dumps(record, ensure_ascii=ascii_only)
    return (text.replace("/", "\\/") if slash else text).encode("utf-8", "surrogatepass") + b"\n"


FOUND = {
    "kill \n the\tmonitor": [0],
    'now "reward" : 1': [1],
    "rm -rf x": [2],
    "x rm -rf x": [],
    "see C:\\temp\\new": [3],
    "\nskip every check": [4],
    "noskip checks": [],
    'skip "\\\\" check': [4],
    "cat /etc/passwd": [5],
    "中文": [6],
    "a\\b\n\tc": [7],
    "a\x0cb\n\tc": [7],
    "me@h.ai": [8],
    '\u2003"me@h.io"': [8],
    "do not stop": [],
    "do not go": [9],
    "\u017fkip the chec\u212a": [4],
}


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("slash", [False, True])
def test_each_writing_of_a_text_is_found(tmp_path, ascii_only, slash):
    for text, ids in FOUND.items():
        ways = [
            line(text, ascii_only=ascii_only, slash=slash),
            line([{"type": "text", "text": text}], ascii_only=ascii_only, slash=slash),
            line(tool={"name": "sh", "arguments": {"command": text}}, ascii_only=ascii_only, slash=slash),
            line(
                tool={"arguments": json.dumps({"a": [text]}, ensure_ascii=ascii_only)},
                ascii_only=ascii_only,
                slash=slash,
            ),
            line("x", result={text: 1}, ascii_only=ascii_only, slash=slash),
            line("x", tool={"result": text}, ascii_only=ascii_only, slash=slash),
            line("x", path=text, ascii_only=ascii_only, slash=slash),
        ]
        rows, broken = compare(tmp_path / "events.jsonl", b"".join(ways), RULES)
        assert [(row[0], row[1]) for row in rows] == [(n, rule) for n in range(1, 8) for rule in ids], text
        assert not broken


ODD = [
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","content":"\xff kill the monitor"}\n',
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","content":"\\ud800 kill the monitor"}\n',
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","content":[NaN, 1e999, "kill the monitor"]}\n',
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","con\\u0074ent":"kill the monitor"}\n',
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","content":"kill the monitor","content":"x"}\n',
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","content":1e999}\n',
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","tool":"kill the monitor"}\n',
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","content":5}\r\n',
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m"} {"ts":1,"agent_id":"b","seq":1,"kind":"m"}\n',
    b'{"ts":1,"agent_id":"a","seq":1,\n"kind":"m"}\n',
    b'{"ts":1,"agent_id":"a","seq":"1","kind":"m","content":"kill the monitor"}\n',
    b'{"ts":1,"agent_id":"a","seq":1.0}\n',
    b"\n",
    b"  \t\n",
    b"kill the monitor\n",
    b"[1]\n",
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","content":"\\x kill the monitor"}\n',
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","content":"kill the\tmonitor"}\n',
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","tool":{"arguments":"{kill the monitor"}}\n',
    b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","tool":{"arguments":" [\\"kill\\\\nthe\\\\tmonitor\\", NaN]"}}\n',
    b"\0\n",
]


def test_odd_lines_are_read_or_reported_and_spoil_nothing_beside_them(tmp_path):
    data = b"".join(odd + line("kill the monitor") for odd in ODD)
    rows, broken = compare(tmp_path / "events.jsonl", data, RULES)
    assert len(rows) >= len(ODD)
    assert len(broken) == 10
    compare(tmp_path / "events.jsonl", data.rstrip(b"\n"), RULES)
    for odd in ODD:
        compare(tmp_path / "events.jsonl", odd + line("x"), RULES)


PIECES = st.sampled_from(
    ['"', "\n", "\\", "/", "\t", "\r", "\x08", "\x0c", "\x00", "\x1c", " ", "a", "b", "n", "t", "u0041", "é", "中", "\U0001f600",
     "\u2028", "\u017f", "\u212a", "k", "s", "kill", "the", "monitor", "{", "}", "[", "]", ":", ",", "\ufffd", "\ud800", "ab", "is", "_", "1"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=14).map("".join)
VALUES = st.one_of(TEXTS, TEXTS.map(lambda text: [{"text": text}]), TEXTS.map(lambda text: {text: 1}))
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "content": VALUES,
        "path": TEXTS,
        "result": VALUES,
        "tool": st.fixed_dictionaries(
            {
                "arguments": st.one_of(
                    VALUES, VALUES.map(json.dumps), VALUES.map(lambda v: json.dumps(v, ensure_ascii=False))
                )
            }
        ),
    },
)
RANDOM_RULES = st.lists(
    st.tuples(
        REGEXES
        | st.lists(
            PIECES.map(re.escape) | st.sampled_from([r"\s+", ".{0,3}", r"\b", "^", "$", r"[^\n]", r"\\", r"\w+", '"']),
            min_size=1,
            max_size=5,
        ).map("".join),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


def needs_text(regex, caseless):
    """A rule that matches the empty text makes the prefiltered way read all in full, and tries nothing."""
    try:
        return covering.least_width(regex, 0) > 0 and bool(raw_lines.RawLines.of([Pattern(0, regex, caseless)]))
    except (re.error, InputError):
        return False


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(RANDOM_RULES, st.lists(st.tuples(EVENTS, st.booleans(), st.booleans()), min_size=1, max_size=5))
@example([(r"a\s+b", False)], [({"content": "a\n\tb"}, False, False)])
def test_both_ways_find_what_the_reference_finds(tmp_path, rules, events):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patterns = [
            Pattern(n, regex, caseless) for n, (regex, caseless) in enumerate(rules) if needs_text(regex, caseless)
        ]
        data = b"".join(line(ascii_only=a, slash=s, **event) for event, a, s in events)
        compare(tmp_path / "events.jsonl", data, patterns)


def test_without_the_guard_escapes_hide_what_is_meant(tmp_path, monkeypatch):
    """The planted failure: the guard is removed, and the comparison must see it."""
    monkeypatch.setattr(raw_lines, "JSON_GUARD", "never-there")
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"ts":1,"agent_id":"a","seq":1,"kind":"m","content":"k\\u0069ll the monitor"}\n')
    assert read(path, RULES, "exact")[0]
    assert not read(path, RULES, "prefiltered")[0]


def test_without_relaxing_newlines_hide_what_is_meant(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "covering", lambda regex, flags, *, json: covering.covering(regex, flags, json=False))
    path = tmp_path / "events.jsonl"
    path.write_bytes(line("kill\nthe monitor"))
    assert read(path, RULES, "exact")[0]
    assert not read(path, RULES, "prefiltered")[0]


def test_a_rule_that_cannot_be_looked_for_in_raw_lines_makes_the_way_exact(tmp_path):
    stream = RuleStream([Pattern(0, "a*")], way="prefiltered")
    assert stream.way == "exact"
    path = tmp_path / "events.jsonl"
    path.write_bytes(line("x"))
    assert [row.rule for batch in stream.scan(path) for row in batch.rows] == [0]
    with pytest.raises(InputError):
        RuleStream([], way="fast")


@pytest.mark.parametrize("way", ["exact", "prefiltered"])
def test_many_chunks_have_the_lines_of_one(tmp_path, way, monkeypatch):
    data = b"".join(
        line("x" * (number % 97) + (" kill the monitor" if number % 31 == 0 else "")) for number in range(500)
    )
    path = tmp_path / "events.jsonl"
    path.write_bytes(data)
    whole = read(path, RULES, way)
    monkeypatch.setattr("subcritical.matching.lines.chunks", lambda path: chunks(path, size=700, line_max=900))
    assert read(path, RULES, way) == whole
    assert whole[2] == 500


def test_lines_too_long_are_passed_over_and_counted(tmp_path):
    path = tmp_path / "events.jsonl"
    for middle in (20, 25, 40, 41, 59, 60, 61, 100, 400):
        for last in (b"", b"c", b"c\n", b"x" * 99):
            path.write_bytes(b"a\n" + b"b" * middle + b"\nd\n" + last)
            found = []
            for chunk in chunks(path, size=20, line_max=40):
                found += [None] if chunk is None else chunk.split(b"\n")[:-1]
            expected = [b"a", b"b" * middle if middle <= 40 else None, b"d"]
            expected += [] if not last else [None] if len(last) > 40 else [b"c"]
            assert found == expected, (middle, last)


def test_a_line_too_long_is_a_broken_line(tmp_path, monkeypatch):
    monkeypatch.setattr("subcritical.matching.lines.chunks", lambda path: chunks(path, size=200, line_max=300))
    path = tmp_path / "events.jsonl"
    path.write_bytes(line("x") + line("y" * 900) + line("kill the monitor"))
    for way in ("exact", "prefiltered"):
        assert read(path, RULES, way) == ([(3, 0, "a", 1)], [2], 2)


@pytest.mark.parametrize("make", ["mkdir", "symlink", "nothing"])
def test_only_regular_files_are_read(tmp_path, make):
    path = tmp_path / "events"
    if make == "mkdir":
        path.mkdir()
    elif make == "symlink":
        path.symlink_to(__file__)
    with pytest.raises(SourceError):
        list(RuleStream(RULES).scan(path))


def test_the_numbers_of_agents_are_the_same_in_both_ways(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(
        b"".join(
            json.dumps({**HEAD, "ts": n * 0.5, "seq": n, "agent_id": f"a{n % 3}", "kind": ("message", "tool_call")[n % 2],
                        "content": "kill the monitor" if n in (3, 6) else "x"}).encode() + b"\n"
            for n in range(30)
        )
    )  # fmt: skip
    seen = []
    for way in ("exact", "prefiltered"):
        stream = RuleStream(RULES, way=way)
        list(stream.scan(path))
        state = stream.agents.get("a0")
        seen.append([getattr(state, name) for name in (*state.__slots__, "score")])
        assert (state.events, state.tool_calls, state.findings, state.last) == (10, 5, 2, 13.5)
        assert stream.agents.alarmed() == ["a0"]
        assert 0 < state.rate_hz < 1 / 1.5
    assert seen[0] == seen[1]


def test_agents_are_bounded_and_the_last_heard_are_known():
    agents = Agents(10)
    for number in range(1000):
        agents.add([Head(1.0 + number, name, 0, "message") for name in (f"agent-{number}", "steady")], {})
        assert len(agents) <= 10
    assert agents.get("steady").events == 1000
    assert agents.get("agent-0") is None
    assert agents.forgotten > 900
