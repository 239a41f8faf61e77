"""Acts are read fast and come out as they would slowly."""

import random

import msgspec
import pytest
from detector_events import RULE_BASED, case_trace
from slow_shell import SlowReader

from subcritical.detectors import _acts, _shell

PIECES = [
    "a", "b", "$", "(", ")", "'", '"', "`", "\\", "\n", " ", "\t", "<<", "<<X", "X", "X\n", "\nX", ";", "|", "&", ">",
    "<", ">>", "&>", "&>>", "2", "\u00b2", "-c", "bash", "eval", "ssh", "{", "}", "#", "=", "sudo", "timeout", "<<<",
    "<<-", "''", "\\\n", "\x85", "\x1c", "cat <<E\n", "E\n", " E", "/", "$(", "kill 7", "<<''\n", "\n\n",
]  # fmt: skip
CODE = [
    "os.remove('a')",
    "open('b', 'w')",
    "Path('c').unlink()",
    "subprocess.run(['rm', 'x'])",
    "os.system('ls')",
    "x = 1\n",
]


def commands(script, reader, monkeypatch):
    monkeypatch.setattr(_shell, "_Reader", reader)
    return [msgspec.to_builtins(command) for command in _shell.commands(script)]


@pytest.mark.parametrize("seed", range(4))
def test_commands_are_split_as_they_are_character_by_character(seed, monkeypatch):
    chance = random.Random(seed)
    fast, count = _shell._Reader, 0
    for _ in range(3000):
        script = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 25)))
        slowly = commands(script, SlowReader, monkeypatch)
        assert commands(script, fast, monkeypatch) == slowly, script
        count += len(slowly)
    assert count > 1000


@pytest.mark.parametrize("name", RULE_BASED)
def test_acts_of_the_cases_are_those_of_the_slow_reader(name, monkeypatch):
    for kind in ("firing", "quiet"):
        events = case_trace(name, kind)
        fast = [list(_acts._acts(event)) for event in events]
        with monkeypatch.context() as patch:
            patch.setattr(_shell, "_Reader", SlowReader)
            assert [list(_acts._acts(event)) for event in events] == fast


def test_a_here_document_of_many_lines_that_nearly_end_it_takes_linear_time():
    body = "cat <<X\n" + "X" * 50_000 + "\n" + "XX\n" * 10_000 + "X\nls"
    first, second = _shell.commands(body)
    assert first.body.startswith("XXXX")
    assert second.words == ("ls",)


@pytest.mark.parametrize("code", CODE)
def test_python_is_looked_through_only_where_a_name_of_what_acts_is_in_it(code):
    assert bool(_acts._PYTHON.search(code)) is any(name in code for name in _acts._NAMED_IN_PYTHON)
    assert bool(list(_acts.python_acts(code))) is (code != "x = 1\n")
