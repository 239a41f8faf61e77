"""Content rules: the Sigma part, what is read out of commands, and the cases beside each rule."""

import json
import re

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from subcritical.cli.main import main
from subcritical.detectors._acts import Act, acts_of
from subcritical.detectors._operators import asks
from subcritical.detectors._rule_based import packaged_rules
from subcritical.detectors._shell import COMMANDS_MAX, commands
from subcritical.detectors._sigma import compile_rule
from subcritical.detectors.persistence import Persistence
from subcritical.detectors.rule_cases import problems_of, rule_files
from subcritical.errors import ConfigError
from subcritical.schema import Event, Message, Severity, ToolCall

RULE = {
    "id": "r", "title": "t", "description": "d", "level": "high", "tags": ["rsi.t0701", "detector.persistence"],
    "detection": {"a": {"text|contains": "cron"}, "b": {"program": "echo"}, "condition": "a and not b"},
}  # fmt: skip


def rule(**changes):
    return compile_rule({**RULE, **changes}, where="x.yml")


def detection(condition, **selections):
    return rule(detection={**selections, "condition": condition}).test


def acts(**arguments):
    call = ToolCall(tool=arguments.pop("tool", "bash"), arguments=json.dumps(arguments))
    return acts_of(Event(seq=1, time_ns=0, run="r", producer="p", generation=0, data=call))


# rules and their cases -------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", rule_files(), ids=lambda file: file.name)
def test_every_rule_keeps_what_its_cases_promise_and_no_clause_is_dead(file):
    assert problems_of(file) == []


def test_every_rule_has_a_name_of_its_own_and_a_detector_that_is_installed():
    rules = packaged_rules()
    assert len({rule.id for rule in rules}) == len(rules) >= 16
    assert all(rule.why.endswith(".") and rule.technique.startswith("RSI-T0") for rule in rules)


@pytest.fixture
def folder(tmp_path):
    def make(source, cases):
        (tmp_path / "own.yml").write_text(yaml.safe_dump(source))
        (tmp_path / "own.cases.yml").write_text(yaml.safe_dump(cases))
        return tmp_path

    return make


GOOD = [
    {"expect": ["r"], "run": "crontab x"}, {"expect": ["r"], "run": "edit cron"}, {"run": "ls"}, {"run": "echo cron"},
]  # fmt: skip


def test_a_users_own_folder(folder):
    answer = CliRunner().invoke(main, ["rules", "test", str(folder(RULE, GOOD))])
    assert (answer.exit_code, "own.yml: 1 rules, 4 cases, 0 problems" in answer.output) == (0, True)
    answer = CliRunner().invoke(main, ["rules", "list", str(folder(RULE, GOOD)), "--json"])
    assert [rule["id"] for rule in json.loads(answer.stdout)["rules"]] == ["r"]


@pytest.mark.parametrize(
    ("source", "cases", "problem"),
    [
        (RULE, [*GOOD, {"run": "crontab y"}], "matches 'crontab y'"),
        (RULE, [*GOOD, {"expect": ["r"], "run": "at now"}], "misses 'at now'"),
        (RULE, GOOD[:3], "fewer than 2 cases"),
        (RULE, [*GOOD[:3], {"run": "pwd"}], "b could be left out"),
        (RULE, [*GOOD, {"expect": ["r"], "run": "crontab z", "said": "please"}], "is not explained by 'please'"),
        (
            {**RULE, "authorised_by": "nightly"},
            [*GOOD, {"expect": ["r"], "run": "crontab z", "said": "Do not."}],
            "is not",
        ),
    ],
)
def test_planted_faults_of_rules_are_found(folder, source, cases, problem):
    answer = CliRunner().invoke(main, ["rules", "test", str(folder(source, cases))])
    assert answer.exit_code == 1
    assert problem in answer.output


def test_what_is_no_rule_or_no_folder(folder, tmp_path):
    answer = CliRunner().invoke(main, ["rules", "list", str(folder({**RULE, "level": "loud"}, GOOD))])
    assert (answer.exit_code, "own.yml" in answer.stderr) == (2, True)
    answer = CliRunner().invoke(main, ["rules", "list", str(tmp_path / "missing")])
    assert (answer.exit_code, "not a folder" in answer.stderr) == (2, True)
    answer = CliRunner().invoke(main, ["rules", "test", str(folder(RULE, [{"runs": "x"}]))])
    assert (answer.exit_code, "not a file of rules and cases" in answer.stderr) == (2, True)


# the Sigma part --------------------------------------------------------------------------------------------


def test_values_and_modifiers():
    fields = {"text": "Crontab -e", "program": "crontab", "path": ""}
    for selection, holds in [
        ({"program": "CRONTAB"}, True),
        ({"program|cased": "CRONTAB"}, False),
        ({"program": ["at", "crontab"]}, True),
        ({"text": "cron*"}, True),
        ({"text|contains|all": ["tab", "-e"]}, True),
        ({"text|contains|all": ["tab", "-x"]}, False),
        ({"text|startswith": "cron", "text|endswith": "-e"}, True),
        ({"text|re": "^C.*-e$"}, True),
        ({"text|re": "^c"}, False),
        ({"path|exists": False}, True),
        ({"path|exists": True}, False),
        ([{"program": "x"}, {"text|contains": "cron"}], True),
    ]:
        assert detection("s", s=selection)(fields) is holds, selection


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("yes1 and yes2", True), ("yes1 and no", False), ("no or yes1 and yes2", True), ("(no or yes1) and no", False),
        ("not no", True), ("not (yes1 or no)", False), ("1 of yes*", True), ("all of them", False), ("all of yes*", True),
        ("1 of them and not no", True), ("not not yes1", True),
    ],
)  # fmt: skip
def test_conditions(condition, holds):
    selections = {"yes1": {"text": "a"}, "yes2": {"text|contains": "a"}, "no": {"text": "b"}}
    assert detection(condition, **selections)({"text": "a"}) is holds


@pytest.mark.parametrize(
    "changes",
    [
        {"detection": {"a": {"x": 1}, "condition": "b"}},
        {"detection": {"a": {"x": 1}, "condition": "a and"}},
        {"detection": {"a": {"x": 1}, "condition": "(a"}},
        {"detection": {"a": {"x": 1}, "condition": "a a"}},
        {"detection": {"a": {"x": 1}, "condition": "a | count() > 5"}},
        {"detection": {"a": {"x|base64": 1}, "condition": "a"}},
        {"detection": {"a": {"x|re": "("}, "condition": "a"}},
        {"detection": {"a": {"x": 1}}},
        {"tags": ["rsi.t0701"]},
        {"tags": None},
        {"level": "loud"},
    ],
)
def test_what_is_not_understood_is_refused(changes):
    with pytest.raises(ConfigError, match=r"x\.yml"):
        rule(**changes)


# what is read out of a call --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "programs"),
    [
        ("a; b && c || d | e & f", ["a", "b", "c", "d", "e", "f"]),
        ("echo 'rm x; y' # z", ["echo"]),
        ("sudo -u bob env A=1 timeout -s KILL 5 /usr/bin/rm x", ["rm"]),
        ("bash -c 'a; b'", ["bash", "a", "b"]),
        ("x=$(a b) c", ["c", "a"]),
        ('echo "$(rm x)" `ls`', ["echo", "rm", "ls"]),
        ("cat <<'E'\nrm x\nE\nls", ["cat", "ls"]),
        ("bash <<E\nrm x\nE", ["bash", "rm"]),
        ("if a; then b; else c; fi", ["a", "b", "c", "fi"]),
        ("a 2>&1 >/dev/null | b", ["a", "b"]),
        ('eval "rm x"', ["eval", "rm"]),
        ("a \\\n b", ["a"]),
    ],
)
def test_commands_of_a_script(script, programs):
    assert [command.program for command in commands(script)] == programs


def test_redirections_wrappers_and_here_documents():
    (one,) = commands("A=1 sudo tee -a f <<E > out 2>> err\nhello\nE")
    assert one.words == ("tee", "-a", "f")
    assert one.writes == (("out", False), ("err", True))
    assert (one.body, one.via, one.assigned) == ("hello", ("sudo",), ("A=1",))


@given(st.text(alphabet="ab '\"$(){}`\\;|&<>#\n-=", max_size=60))
def test_any_text_is_read_to_its_end(script):
    assert len(commands(script)) <= COMMANDS_MAX


def test_very_long_and_deep_scripts_are_bounded():
    assert len(commands("a;" * 100_000)) == COMMANDS_MAX
    commands("$(" * 50_000)
    commands('"' + "$(" * 20_000)
    commands("bash -c 'bash -c \"bash -c a\"'" * 1000)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"command": "rm -r a b"}, [("delete", "a"), ("delete", "b")]),
        ({"command": ["bash", "-lc", "mv a b"]}, [("move", "a"), ("write", "b")]),
        ({"cmd": "echo x >> a; : > b; cat < c"}, [("write", "a"), ("empty", "b"), ("read", "c")]),
        ({"cmd": "sed -i s/a/b/ f g"}, [("write", "f"), ("write", "g")]),
        ({"path": "f", "content": "x", "tool": "write_file"}, [("write", "f")]),
        ({"file_path": "f", "old_string": "x", "new_string": "", "tool": "Edit"}, [("write", "f")]),
        ({"path": "f", "content": "", "tool": "write"}, [("empty", "f")]),
        ({"path": "f", "tool": "read"}, [("read", "f")]),
        ({"path": "f", "tool": "delete_file"}, [("delete", "f")]),
        ({"path": "f", "edits": [{"old_text": "a", "new_text": "b"}]}, [("write", "f")]),
        ({"input": "*** Begin Patch\n*** Update File: f\n-a\n+b\n*** Delete File: g\n*** End Patch"},
         [("write", "f"), ("delete", "g")]),
        ({"code": "import os\nos.remove('a')\nopen('b', 'w')\nopen('c')", "tool": "python"}, [("delete", "a"), ("write", "b")]),
        ({"code": "!rm a", "tool": "jupyter"}, [("delete", "a")]),
        ({"command": "python -c \"import shutil; shutil.rmtree('a')\""}, [("delete", "a")]),
        ({"command": "python - <<E\nfrom pathlib import Path\nPath('a').unlink()\nE"}, [("delete", "a")]),
    ],
)  # fmt: skip
def test_acts_of_a_call(arguments, expected):
    assert [(act.kind, act.path) for act in acts(**arguments) if act.kind != "run"] == expected


def test_a_program_that_python_starts():
    assert [act.program for act in acts(code="subprocess.run(['rm', 'a'])", tool="python")] == ["rm", ""]
    assert Act("delete", path="a") in acts(code="os.system('rm a')", tool="python")


# what explains ---------------------------------------------------------------------------------------------


def observe(*data):
    events = [Event(seq=n, time_ns=0, run="r", producer="p", generation=0, data=d) for n, d in enumerate(data, start=1)]
    return Persistence().batch({}, events)


CRON = ToolCall(tool="bash", arguments='{"command": "crontab jobs"}')


def test_what_an_operator_asked_for_is_authorised_and_what_it_forbade_is_not():
    for said, change in [
        ("Please schedule the backup with cron.", "authorised"),
        ("Do not use cron.", "neither"),
        ("Never touch cron; schedule nothing.", "neither"),
        ("Tidy the folder.", "neither"),
    ]:
        (finding,) = observe(Message(source="user", text=said), CRON)
        assert finding.change == change, said
        assert (finding.severity is Severity.LOW) is (change == "authorised")
    (finding,) = observe(Message(source="assistant", text="I will schedule it with cron."), CRON)
    assert finding.change == "neither"


def test_without_measured_pairs_it_cannot_pause():
    assert Persistence.maturity == "sandbox"
    (finding,) = observe(CRON)
    assert (finding.severity, finding.facts["level"]) == (Severity.MEDIUM, "high")
    assert not finding.severity.may_pause


def test_planted_without_the_maturity_the_same_finding_could_pause(monkeypatch):
    monkeypatch.setattr(Persistence, "maturity", "trial")
    (finding,) = observe(CRON)
    assert finding.severity.may_pause


def test_a_rule_that_keeps_matching_is_said_ever_more_rarely():
    assert [finding.facts["times"] for finding in observe(*[CRON] * 20)] == [1, 2, 4, 8, 16]


def test_clauses():
    wanted = re.compile("cron", re.IGNORECASE)
    assert asks(["a. Use cron"], wanted)
    assert not asks(["You can't use cron"], wanted)
    assert not asks([], wanted)
