"""Every installed detector keeps the contract, and every check of the contract can fail."""

import msgspec
import pytest
from detector_events import NAMES, RULE_BASED, load_trace

from subcritical.detectors import (
    CheckTraces,
    DetectorSettings,
    check_detector,
    detector_names,
    load_detectors,
    settings_type,
)
from subcritical.errors import ConfigError
from subcritical.schema import Evidence, Finding, Message, Severity

CYCLE = {
    "review_overdue": {"cycle_generations": 3},
    "threshold_ahead": {"threshold": 0.8},
    "improvement_budget": {"changes": 3},
}


def maker(name):
    return lambda: next(d for d in load_detectors(CYCLE) if d.id == name)


def traces(name):
    return CheckTraces(firing=load_trace(name, "firing"), quiet=load_trace(name, "quiet"))


@pytest.mark.parametrize("name", [*NAMES, *RULE_BASED])
def test_detector_keeps_the_contract(name):
    assert check_detector(maker(name), traces(name)) == []


def test_exactly_these_are_installed():
    assert detector_names() == sorted([*NAMES, *RULE_BASED])
    assert [d.id for d in load_detectors({})] == sorted([*NAMES, *RULE_BASED])


def test_settings_are_checked():
    with pytest.raises(ConfigError, match=r"unknown detector 'holdout_gab'; did you mean 'holdout_gap'\?"):
        load_detectors({"holdout_gab": {}})
    with pytest.raises(ConfigError, match="holdout_gap"):
        load_detectors({"holdout_gap": {"alpah": 0.1}})
    with pytest.raises(ConfigError, match="holdout_gap"):
        load_detectors({"holdout_gap": {"alpha": "much"}})
    assert "blind" not in [d.id for d in load_detectors({"blind": {"enabled": False}})]
    assert issubclass(settings_type("blind"), DetectorSettings)


def test_all_switched_off_is_refused():
    from subcritical.errors import BlindError  # noqa: PLC0415

    with pytest.raises(BlindError):
        load_detectors({name: {"enabled": False} for name in detector_names()})


class CountState(msgspec.Struct):
    count: int = 0
    kept: list[str] = []


class Good:
    """The smallest detector that keeps the contract; the broken ones below each break one part."""

    id, version, maturity, techniques, docs = "good", 1, "sandbox", (), "detectors/good.md"

    def key(self, event):
        return event.run.encode("utf-8", "surrogatepass")[:256]

    def new(self):
        return CountState()

    def batch(self, states, events):
        findings = []
        for event in events:
            state = states.setdefault(self.key(event), self.new())
            findings += self.look(state, event)
        return findings

    def look(self, state, event):
        state.count += 1
        if getattr(event.data, "end", False):
            return [self.say(event, Severity.INFO, {"blind": True})]
        if isinstance(event.data, Message) and event.data.source == "alarm":
            return [self.say(event, Severity.LOW, {"count": state.count})]
        return []

    def say(self, event, severity, facts):
        return Finding(
            detector=self.id, version=1, severity=severity, confidence=0.5, title="t", why="w",
            evidence=(Evidence(first_seq=event.seq, last_seq=event.seq),), facts=facts,
        )  # fmt: skip


class DependsOnBatches(Good):
    def batch(self, states, events):
        return super().batch(states, events)[:1]


class Remembers(Good):
    calls = 0

    def look(self, state, event):
        type(self).calls += 1
        return [msgspec.structs.replace(f, why=str(self.calls)) for f in super().look(state, event)]


class StateStaysHome(Good):
    """Keeps what belongs to a stream in the instance."""

    def __init__(self):
        self.mine = 0

    def look(self, state, event):
        self.mine += 1
        return [msgspec.structs.replace(f, why=str(self.mine)) for f in super().look(state, event)]


class Grows(Good):
    def look(self, state, event):
        state.kept.append("x" * 1000)
        return super().look(state, event)


class Repeats(Good):
    def look(self, state, event):
        found = super().look(state, event)
        text = getattr(event.data, "text", "")
        return found or (
            [msgspec.structs.replace(self.say(event, Severity.LOW, {}), why=text)] if "\x1b" in text else []
        )


class Crashes(Good):
    def look(self, state, event):
        getattr(event.data, "text", "").encode()
        return super().look(state, event)


class SaysNothing(Good):
    def look(self, state, event):
        return [f for f in super().look(state, event) if "blind" not in f.facts]


class Silent(Good):
    def look(self, state, event):
        return [f for f in super().look(state, event) if "blind" in f.facts]


class Loud(Good):
    def look(self, state, event):
        return super().look(state, event) or [self.say(event, Severity.HIGH, {})]


class PausesAtTheEnd(Good):
    def say(self, event, severity, facts):
        return super().say(event, Severity.HIGH if "blind" in facts else severity, facts)


class NoPage(Good):
    docs = ""


class NoKey(Good):
    key = None


BROKEN = (
    (DependsOnBatches, "batches"),
    (Remembers, "differ"),
    (StateStaysHome, "moved by"),
    (Grows, "grew"),
    (Repeats, "control characters"),
    (Crashes, "crash"),
    (SaysNothing, "called blind"),
    (Silent, "firing trace"),
    (Loud, "quiet trace"),
    (PausesAtTheEnd, "must not pause"),
    (NoPage, "docs"),
    (NoKey, "protocol"),
)


def small_traces():
    quiet = load_trace("blind", "quiet")
    alarm = [
        msgspec.structs.replace(e, data=Message(source="alarm", text="x")) if i % 7 == 6 else e
        for i, e in enumerate(quiet)
    ]
    return CheckTraces(firing=tuple(alarm), quiet=quiet)


def test_the_smallest_good_detector_passes():
    assert check_detector(Good, small_traces()) == []


@pytest.mark.parametrize(("broken", "word"), BROKEN, ids=lambda v: getattr(v, "__name__", None))
def test_each_check_can_fail(broken, word):
    problems = check_detector(broken, small_traces())
    assert any(word in problem for problem in problems), problems
