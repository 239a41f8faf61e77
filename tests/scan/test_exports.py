"""The answer of a scan in every format: read back by other readers, with hostile text in every field."""

import json
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from subcritical.app.scanning import OUTPUTS
from subcritical.cli.main import main
from subcritical.report import render_junit, render_markdown, render_sarif, render_scan_page
from subcritical.schema import Severity

EVIL = "e\x1b[2J\x00\u202e|<script>alert(1)</script>]](x)--><!--\n| critical | forged |"


@pytest.fixture
def answer():
    finding = {
        "technique": "RSI-T0300", "detector": "evaluator_tampering", "severity": "high", "confidence": 0.9, "system": EVIL,
        "source": EVIL, "change": "neither", "title": EVIL, "why": EVIL, "facts": {},
        "evidence": [{"path": EVIL, "line": 7, "commit": "abc"}, {"path": "b", "part": EVIL}],
    }  # fmt: skip
    low = {**finding, "severity": "low", "technique": None, "change": None}
    return {
        "sources": [{"path": EVIL, "format": "git", "events": 3, "broken": 1}],
        "findings": [low, finding],
        "blind": [{"what": EVIL, "why": EVIL}],
        "broken": [],
    }


def test_sarif(answer):
    text = render_sarif(answer, version="1", summary="2 findings")
    run = json.loads(text)["runs"][0]
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [
        ("evaluator_tampering", "note"), ("evaluator_tampering/RSI-T0300", "error"),
    ]  # fmt: skip
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {result["ruleId"] for result in run["results"]}
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 7}
    assert set(place["artifactLocation"]["uri"]).isdisjoint(" <>\x00\x1b\n\u202e")
    assert run["invocations"][0]["toolExecutionNotifications"]
    assert "\x1b" not in text


def test_junit(answer):
    root = ET.fromstring(render_junit(answer, fail_on=Severity.HIGH, summary="2 findings -- here"))
    suites = root.findall("testsuite")
    assert [(suite.get("tests"), suite.get("failures"), suite.get("errors")) for suite in suites] == [
        ("3", "1", "0"), ("1", "0", "1"),
    ]  # fmt: skip
    assert len(root.findall(".//testcase")) == 4
    assert [failure.get("type") for failure in root.findall(".//failure")] == ["high"]


def test_markdown_has_as_many_rows_as_there_are_findings(answer):
    text = render_markdown(answer, summary="2 findings")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 2 + 1  # two headers, two findings, one source
    assert rows[1].startswith("| high |")
    assert "<script" not in text
    assert "](x)" not in text.replace("\\]", "")


def test_page(answer):
    text = render_scan_page(answer, summary="2 findings")
    assert "<script" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert text.count("<tr>") == 2 + 2 + 1
    assert "src=" not in text
    assert "http" not in text.split("</style>")[1]


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_format_from_the_command_line(tmp_path, output):
    (tmp_path / "log.jsonl").write_text(json.dumps({"role": "user", "content": "hello"}) + "\n")
    answer = CliRunner().invoke(main, ["scan", str(tmp_path), "--format", output])
    assert answer.exit_code == 0
    assert "0 findings in 1 events" in answer.stderr
    assert answer.stdout.strip() or output == "jsonl"
