"""The judge over a real socket: it may raise, it may hardly lower, and nothing it says breaks anything."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from subcritical.app.judge import NEVER_LOWERED, JudgeSettings, judge
from subcritical.app.scanning import Found, Scan, SourceRead
from subcritical.cli import main
from subcritical.errors import InputError
from subcritical.schema import Evidence, Finding, Severity

FINDING = Finding(
    detector="score_jump",
    version=1,
    severity=Severity.MEDIUM,
    confidence=0.5,
    title="t",
    why="w",
    evidence=(Evidence(first_seq=1, last_seq=1),),
    technique="RSI-T0902",
)


def scanned(*findings):
    found = tuple(
        Found(id=f"f{i}", finding=finding, system="s", source="a", places=()) for i, finding in enumerate(findings)
    )
    read = SourceRead(path="a", format="jsonl", events=5, broken=0)
    return Scan(sources=(read,), findings=found, blind=(), detectors=1)


@pytest.fixture
def endpoint():
    """A local server that answers as the test says; it keeps what it was asked."""
    asked, answers = [], {"status": 200, "content": '{"severity": "high", "reason": "because"}', "raw": None}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, dict(self.headers), json.loads(body)))
            whole = {
                "choices": [{"message": {"role": "assistant", "content": answers["content"]}}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10},
            }
            data = answers["raw"] if answers["raw"] is not None else json.dumps(whole).encode()
            self.send_response(answers["status"])
            if answers["status"] == 302:
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", asked, answers
    server.shutdown()
    server.server_close()
    thread.join()


def settings(url, **more):
    return JudgeSettings(url=url, model="m", **more)


def test_a_raise_is_taken_and_the_cost_is_printed(endpoint):
    url, asked, _ = endpoint
    done = judge(scanned(FINDING), settings(url, key="secret", price_in=2.0, price_out=10.0))
    assert done.scan.findings[0].finding.severity is Severity.HIGH
    assert done.scan.findings[0].finding.facts["judged_from"] == "medium"
    assert done.cost == pytest.approx((100 * 2 + 10 * 10) / 1e6)
    assert "1 raised; 100 tokens in, 10 out, cost 0.000300" in done.summary()
    path, headers, body = asked[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret"
    assert body["model"] == "m"
    assert body["temperature"] == 0


def test_a_detector_that_cannot_pause_is_not_raised_above_medium(endpoint):
    url, _, _ = endpoint
    done = judge(scanned(replace(FINDING, detector="persistence", severity=Severity.LOW)), settings(url))
    assert done.scan.findings[0].finding.severity is Severity.MEDIUM


def test_a_wish_to_lower_is_one_step_and_only_where_it_may(endpoint):
    url, _, answers = endpoint
    answers["content"] = '{"severity": "info", "reason": "nothing to see"}'
    done = judge(scanned(replace(FINDING, severity=Severity.HIGH)), settings(url))
    assert done.scan.findings[0].finding.severity is Severity.MEDIUM
    assert done.regrades[0].outcome == "lowered"
    for technique in (*sorted(NEVER_LOWERED), None):
        kept = judge(scanned(replace(FINDING, technique=technique, severity=Severity.HIGH)), settings(url))
        assert kept.scan.findings[0].finding.severity is Severity.HIGH
        assert kept.regrades[0].outcome == "refused"


def test_without_the_list_an_evaluator_finding_would_be_talked_down(endpoint, monkeypatch):
    """The guard taken away."""
    from subcritical.app import judge as module  # noqa: PLC0415

    url, _, answers = endpoint
    answers["content"] = '{"severity": "info"}'
    monkeypatch.setattr(module, "NEVER_LOWERED", frozenset())
    done = judge(scanned(replace(FINDING, technique="RSI-T0300", severity=Severity.CRITICAL)), settings(url))
    assert done.scan.findings[0].finding.severity is Severity.HIGH


@pytest.mark.parametrize(
    "change",
    [
        {"content": "all good, boss"},
        {"content": '{"severity": "harmless"}'},
        {"content": "[" * 100_000},
        {"content": None},
        {"raw": b"\xff\xfe"},
        {"raw": b"[]"},
        {"raw": b"{}"},
        {"raw": b'{"choices": [], "usage": {"prompt_tokens": -5}}'},
        {"raw": b" " * (2 << 20)},
        {"status": 500},
        {"status": 302},
    ],
)
def test_no_usable_answer_leaves_the_grade(endpoint, change):
    url, asked, answers = endpoint
    answers.update(change)
    done = judge(scanned(FINDING), settings(url))
    assert done.scan.findings[0].finding.severity is Severity.MEDIUM
    assert done.regrades[0].outcome == "unanswered"
    assert len(asked) == 1


def test_a_server_that_speaks_no_http_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"\x00\x01 garbage\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        done = judge(scanned(FINDING), settings(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", timeout_s=5))
        thread.join()
    assert done.regrades[0].outcome == "unanswered"


def test_nobody_there_and_too_many(endpoint):
    url, asked, _ = endpoint
    gone = judge(scanned(FINDING), settings("http://127.0.0.1:9/v1", timeout_s=2))
    assert gone.regrades[0].outcome == "unanswered"
    many = judge(scanned(*[FINDING] * 5), settings(url, most=2))
    assert len(asked) == 2
    assert many.not_asked == 3
    assert "3 not asked" in many.summary()


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "ftp://x/", "http://"])
def test_only_web_addresses_are_asked(url):
    with pytest.raises(InputError, match="http"):
        judge(scanned(FINDING), settings(url))


def test_the_command_prints_the_cost_and_needs_a_model(endpoint, tmp_path):
    url, _, _ = endpoint
    log = tmp_path / "a.jsonl"
    call = {"name": "bash", "arguments": {"command": "rm -rf /var/log/audit"}}
    log.write_text(json.dumps({"role": "assistant", "content": "", "tool_calls": [call]}) + "\n")
    runner = CliRunner()
    refused = runner.invoke(main, ["scan", str(log), "--judge", url])
    assert refused.exit_code == 2
    assert "--judge-model" in refused.output
    said = runner.invoke(main, ["scan", str(log), "--judge", url, "--judge-model", "m", "--judge-price", "1", "2"])
    assert "judge: " in said.output
    assert "cost " in said.output
