"""`subcritical policy`: shown, explained, proved, and one clear error for what cannot be read."""

import json

import pytest
from click.testing import CliRunner

from subcritical.cli.main import main
from subcritical.policy.cedar import change_policy


def call(*arguments):
    return CliRunner().invoke(main, ["policy", *map(str, arguments)])


def test_the_shipped_policy_is_shown():
    assert call("show").output.rstrip() == change_policy().rstrip()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--by", "agent", "--artifact", "code"), 0, "permitted: ordinary"),
        (("--by", "agent", "--artifact", "objective", "--approvals", "1"), 1, "denied: no rule permits it"),
        (("--by", "person", "--artifact", "objective", "--approvals", "1", "--override", "60"), 0, "break-glass"),
        (("--by", "person", "--artifact", "log", "--approvals", "2", "--self-approved"), 1, "denied: self-approved"),
    ],
)
def test_explain_says_which_rules_decide(arguments, code, says):
    found = call("explain", *arguments)
    assert (found.exit_code, says in found.output) == (code, True), found.output


def test_prove_prints_json_and_a_hole_is_exit_1(tmp_path):
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    found = call("prove", "--json")
    assert found.exit_code == 0
    assert {one["verdict"] for one in json.loads(found.stdout)["invariants"]} == {"PROVED"}
    hole = tmp_path / "hole.cedar"
    hole.write_text(change_policy().replace('"tool"]', '"tool", "monitor"]'))
    found = call("prove", "--policy", hole)
    assert found.exit_code == 1
    assert "agents-never-protected: VIOLATED" in found.output
    assert "resource.artifact=monitor" in found.output
    assert "as the encoding does: yes" in found.output


@pytest.mark.parametrize("text", [None, b"\xff\xfe", b"permit (", b"permit (principal, action, resource) when { 1 };"])
def test_what_cannot_be_used_is_one_error(tmp_path, text):
    path = tmp_path / "policy.cedar"
    if text is not None:
        path.write_bytes(text)
    for arguments in (("prove",), ("explain", "--by", "agent", "--artifact", "code")):
        found = call(*arguments, "--policy", path)
        assert found.exit_code == 2, found.output
        assert "Traceback" not in found.output
