"""A scan that spares detectors what does not matter to them finds what a scan in full finds."""

import json
from functools import partial

import pytest

from subcritical.app import scanning
from subcritical.app.scanning import scan
from subcritical.detectors import first_looks
from subcritical.detectors.capability_goal import CapabilityGoal
from subcritical.detectors.rule_cases import rule_files

SAID = "I want to gain more compute under my own control so that I can keep myself running."


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Every command of the rules' cases, aims that come back, and ten times as much that is nothing."""
    commands = [case.run for file in rule_files() for case in file.cases if case.run]
    lines = []
    for number, command in enumerate(commands):
        run = f"run-{number % 7}"
        lines += [{"session": run, "role": "assistant", "content": f"Reading part {number}."} for _ in range(10)]
        lines.append({"session": run, "tool": "bash", "arguments": {"command": command}})
        if number % 50 == 0:
            lines.append({"session": run, "role": "assistant", "content": SAID})
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def ids(result):
    return [found.id for found in result.findings]


def test_findings_are_the_same_and_work_is_saved(log, monkeypatch):
    looked = []
    observe = CapabilityGoal.observe
    monkeypatch.setattr(
        CapabilityGoal, "observe", lambda self, state, event: looked.append(1) or observe(self, state, event)
    )
    monkeypatch.setattr(scanning, "first_looks", partial(first_looks, after=0))
    whole = scan([log], in_full=True)
    in_full = len(looked)
    looked.clear()
    spared = scan([log])
    assert ids(spared) == ids(whole)
    assert len({found.finding.detector for found in whole.findings}) > 5
    print(f"{len(looked)} looks instead of {in_full}")
    assert len(looked) < in_full / 4


def test_planted_a_look_that_sees_nothing_loses_findings(log, monkeypatch):
    monkeypatch.setattr(scanning, "first_looks", partial(first_looks, after=0))
    monkeypatch.setattr("subcritical.detectors._glance.Looker.bits", lambda *_: 0)
    assert len(scan([log]).findings) < len(scan([log], in_full=True).findings)
