"""A pack is what was signed, or it is refused."""

import base64
import json

import pytest
from click.testing import CliRunner

from subcritical.cli import main


def run(*arguments):
    return CliRunner().invoke(main, ["rules", *map(str, arguments)])


@pytest.fixture
def packed(tmp_path):
    target = tmp_path / "pack.dsse.json"
    result = run("pack", "-o", target, "--json")
    assert result.exit_code == 0, result.output
    return target, json.loads(result.stdout)


def test_a_pack_comes_out_as_it_went_in(packed, tmp_path):
    target, said = packed
    assert said["rules"] > 10
    assert said["error_rates"]["exfiltration"] is None
    folder = tmp_path / "rules"
    result = run("unpack", target, "--key", said["key"], "-o", folder)
    assert result.exit_code == 0, result.output
    assert run("test", folder).exit_code == 0
    assert "error rate not measured" in result.output
    assert run("unpack", target, "--key", said["key"], "-o", folder).exit_code == 2


def changed(target, change):
    whole = json.loads(target.read_text())
    statement = json.loads(base64.b64decode(whole["payload"]))
    change(statement)
    whole["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    target.write_text(json.dumps(whole))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["predicate"]["files"].update({"exfiltration.yml": "title: nothing"}),
        lambda s: s["predicate"]["error_rates"].update({"exfiltration": {"runs": 1000, "flagged": 0}}),
        lambda s: s["subject"].pop(),
    ],
)
def test_a_changed_pack_keeps_no_signature(packed, tmp_path, change):
    target, said = packed
    changed(target, change)
    result = run("unpack", target, "--key", said["key"], "-o", tmp_path / "rules")
    assert result.exit_code == 2
    assert not (tmp_path / "rules").exists()


def test_another_key_and_garbage_are_refused(packed, tmp_path):
    target, said = packed
    other = "x+00000000+AAAA"
    assert run("unpack", target, "--key", other, "-o", tmp_path / "a").exit_code == 2
    for text in ("", "{}", "[" * 1000, '{"payload": "e30=", "payloadType": "x", "signatures": []}'):
        target.write_text(text)
        result = run("unpack", target, "--key", said["key"], "-o", tmp_path / "a")
        assert result.exit_code == 2
        assert "Traceback" not in result.output


def test_rules_that_fail_their_cases_are_not_packed(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "own.yml").write_text(
        "title: t\nid: own\ndescription: d\nlevel: low\ntags: [rsi.t0700, detector.exfiltration]\n"
        "detection: {s: {program: curl}, condition: s}\n"
    )
    result = run("pack", folder, "-o", tmp_path / "p.json")
    assert result.exit_code == 2
    assert "fewer than 2 cases" in result.output
    assert not (tmp_path / "p.json").exists()


def test_names_that_leave_the_folder_are_refused(packed, tmp_path, monkeypatch):
    """The maker's own key may sign anything; a file name still cannot reach outside."""
    from subcritical.app import rule_packs  # noqa: PLC0415

    target, _ = packed
    evil = rule_packs.Pack(rules=1, cases=0, files={"../evil.yml": "x"}, error_rates={})
    monkeypatch.setattr(rule_packs, "open_pack", lambda *_: evil)
    with pytest.raises(rule_packs.InputError, match="no name of a rule file"):
        rule_packs.unpack(target, "key", tmp_path / "rules")
    assert not (tmp_path / "evil.yml").exists()
