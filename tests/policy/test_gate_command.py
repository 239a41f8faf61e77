"""`gate check` on signed and logged files: what is not signed, not logged or garbled does not open a gate."""

import base64
import json

import pytest
from click.testing import CliRunner
from gate_facts import DIGEST, TODAY
from gate_files import EVIDENCE, configure, envelope, pieces, write

from subcritical.cli import main


@pytest.fixture
def place(tmp_path):
    write(tmp_path / "evidence", pieces())
    configure(tmp_path)
    return tmp_path


def check(place, *more, level=3, gate="progress-rate"):
    return CliRunner().invoke(
        main,
        [
            *("gate", "check", gate, "--autonomy", str(level), "--subject", "model-7", "--digest", DIGEST),
            *("--compute", "2e26", "--today", TODAY, "--evidence", str(place / "evidence")),
            *("--signers", str(place / "signers.txt"), "--log", str(place / "log.tlog"), *more),
        ],
    )


def test_signed_and_logged_evidence_opens_the_gate(place):
    result = check(place, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["outcome"] == "ALLOW"


def test_the_decision_can_be_written_as_a_statement(place):
    assert check(place, "--statement", str(place / "decision.json")).exit_code == 0
    statement = json.loads((place / "decision.json").read_text())
    assert statement["predicateType"] == "urn:subcritical:gate-decision:v1"
    assert statement["predicate"]["outcome"] == "ALLOW"
    assert statement["subject"][0]["digest"]["sha256"] == DIGEST


def test_without_proofs_or_signers_the_gate_halts(place):
    for proof in (place / "evidence").glob("*.tlog-proof"):
        proof.unlink()
    result = check(place)
    assert result.exit_code == 1
    assert "HALT" in result.output
    assert "no proof that a trusted log holds it" in result.output


def test_a_signature_by_somebody_else_is_none(place):
    made = pieces()
    said = {"metric": "ai_uplift_rct", "low": 1.0, "high": 1.1, **EVIDENCE}
    made["ai_uplift_rct"] = envelope("urn:subcritical:gate-evidence:v1", said, ("ann", "eve"))
    write(place / "evidence", made)
    result = check(place, level=1)
    assert result.exit_code == 1
    assert "1 signers of class third-party" in result.output


def test_a_changed_statement_keeps_no_signature(place):
    file = place / "evidence" / "ai_uplift_rct.dsse.json"
    whole = json.loads(file.read_text())
    payload = json.loads(base64.b64decode(whole["payload"]))
    payload["predicate"]["high"] = 0.5
    whole["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    file.write_text(json.dumps(whole))
    assert check(place).exit_code == 1


@pytest.mark.parametrize("text", ["", "{}", '{"payload": "e30="}', "[" * 5000, '{"payload": 7}'])
def test_garbled_evidence_ends_without_a_decision(place, text):
    (place / "evidence" / "x.dsse.json").write_text(text)
    result = check(place)
    assert result.exit_code == 2
    assert "x.dsse.json" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("signers.txt", "ann friend key\n", "signers.txt:1"),
        ("signers.txt", "ann third-party people/ann+00000000+AAAA\n", "signers.txt:1"),
        ("log.tlog", "nonsense\n", "log.tlog"),
    ],
)
def test_bad_configuration_is_named(place, name, text, says):
    (place / name).write_text(text)
    result = check(place)
    assert result.exit_code == 2
    assert says in result.output


def test_a_question_without_its_level_is_told_which_levels_there_are(place):
    gate = place / "gate.yaml"
    CliRunner().invoke(main, ["gate", "init", str(gate)])
    gate.write_text(gate.read_text().replace("autonomy: 3", "autonomy: 77"))
    asked = ("--subject", "model-7", "--digest", DIGEST, "--evidence", str(place / "evidence"))
    for more in ((), asked):
        result = CliRunner().invoke(main, ["gate", "check", str(gate), *more])
        assert result.exit_code == 2
        assert not result.stdout
        for words in (str(gate), "needs --autonomy", "one of 1, 2, 77:", "subcritical gate explain", "check --help"):
            assert words in result.stderr, words
        assert ("--subject, --digest, --evidence" in result.stderr) is (more == ())
    result = CliRunner().invoke(main, ["gate", "check", "progress-rate", "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["kind"] == "input"


@pytest.mark.parametrize("name", ["--subject", "--digest", "--evidence"])
def test_a_question_without_another_of_its_parts_names_it(place, name):
    parts = {"--autonomy": "3", "--subject": "model-7", "--digest": DIGEST, "--evidence": str(place / "evidence")}
    del parts[name]
    result = CliRunner().invoke(
        main, ["gate", "check", "progress-rate", *(word for part in parts.items() for word in part)]
    )
    assert result.exit_code == 2
    assert f"progress-rate needs {name} as well" in result.stderr
    assert "one of" not in result.stderr


def test_a_gate_file_with_a_softened_rule_is_refused_with_its_line(place):
    gate = place / "gate.yaml"
    runner = CliRunner()
    assert runner.invoke(main, ["gate", "init", str(gate)]).exit_code == 0
    assert runner.invoke(main, ["gate", "init", str(gate)]).exit_code == 2
    assert check(place, gate=str(gate)).exit_code == 0
    gate.write_text(gate.read_text() + "on_critical: DENY\n")
    result = check(place, gate=str(gate))
    assert result.exit_code == 2
    assert "gate.yaml:" in result.output


def test_prove_says_what_holds_and_fails_where_it_does_not(tmp_path):
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    runner = CliRunner()
    assert runner.invoke(main, ["gate", "prove"]).exit_code == 0
    policy = tmp_path / "p.cedar"
    policy.write_text("permit (principal, action, resource);")
    result = runner.invoke(main, ["gate", "prove", "--policy", str(policy), "--json"])
    assert result.exit_code == 1
    assert {one["verdict"] for one in json.loads(result.stdout)["invariants"]} == {"VIOLATED"}
    policy.write_text("permit (")
    assert runner.invoke(main, ["gate", "prove", "--policy", str(policy)]).exit_code == 2


def test_explain_and_schema():
    runner = CliRunner()
    said = runner.invoke(main, ["gate", "explain", "anthropic-rsp"]).output
    assert "the number is ours" in said
    assert "a critical threshold halts" in said
    assert json.loads(runner.invoke(main, ["gate", "schema"]).output)["$schema"].endswith("2020-12/schema")
    assert runner.invoke(main, ["gate", "explain", "nothing.yaml"]).exit_code == 2
