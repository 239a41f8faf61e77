"""The first look at an event loses nothing of what four detectors find whose rules are matched on acts."""

import random
import re
from pathlib import Path

import hyperscan
import msgspec
import pytest
from detector_events import RULE_BASED, case_trace
from needs import differences

from subcritical.bench.pairs import events_of, read_pairs
from subcritical.detectors import (
    _rule_based,
    _sifted,
    _widened,
    oversight_reduction,
    persistence,
    resource_acquisition,
)
from subcritical.detectors._acts import Act
from subcritical.detectors._glance import Looker, Need
from subcritical.detectors._statements import sentences
from subcritical.detectors.oversight_reduction import OversightReduction
from subcritical.detectors.persistence import Persistence
from subcritical.detectors.resource_acquisition import ResourceAcquisition
from subcritical.detectors.rule_cases import rule_files
from subcritical.detectors.shutdown_resistance import ShutdownResistance
from subcritical.schema import Event, Heartbeat, Message, ModelCall, ToolCall, ToolResult

pytestmark = [pytest.mark.usefixtures("_looks"), pytest.mark.quality]

PAIRS = Path(__file__).parents[1] / "quality" / "pairs"
DETECTORS = [OversightReduction, Persistence, ResourceAcquisition, ShutdownResistance]
SPLIT = ["''", '""', "\\", "\\\n", "`", " ", "\n", "\u212a", "\u017f", "\u0131", "$(x)", " >/dev/null ", "\u00e9"]
SWAPS = [("k", "\u212a"), ("s", "\u017f"), ("i", "\u0131"), (" ", "  "), (" ", "\t"), (" ", "\u00a0"), ("a", "'a'")]


def told(only):
    """Runs of the pairs that were written for a detector, one after another."""
    return [
        (f"{pair.id}{number}", events_of(side, f"{pair.id}{number}"))
        for file in sorted(PAIRS.glob(f"*.{only}.jsonl"))
        for pair in read_pairs(file)
        for number, side in enumerate((pair.positive, pair.near_miss))
    ]


def numbered(events, run="r"):
    end = Event(seq=0, time_ns=0, run=run, producer="p", generation=0, data=Heartbeat(state="running", end=True))
    return [
        msgspec.structs.replace(event, seq=number, time_ns=number, run=run)
        for number, event in enumerate([*events, end], start=1)
    ]


def changed(text, chance):
    """A text with some of it quoted, folded, spaced or broken otherwise."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            text = text[:at] + chance.choice(SPLIT) + text[at:]
        elif kind == 1:
            old, new = chance.choice(SWAPS)
            text = text.replace(old, new, chance.randint(1, 9))
        elif kind == 2:
            text = text[:at] + text[at:].swapcase()
        else:
            text = text[: at // 2] + text[at:]
    return text


def mutated(event, chance):
    data = event.data
    if isinstance(data, ToolCall):
        try:
            arguments = msgspec.json.decode(data.arguments, type=dict[str, object])
        except msgspec.MsgspecError:
            return event
        for key, value in arguments.items():
            if isinstance(value, str):
                arguments[key] = changed(value, chance)
                if chance.random() < 0.2:
                    arguments[key] = changed(value, chance).split(" ")
        spaces = chance.choice(["", "", " "])
        data = msgspec.structs.replace(data, arguments=spaces + msgspec.json.encode(arguments).decode())
    elif isinstance(data, ModelCall | Message | ToolResult):
        data = msgspec.structs.replace(data, text=changed(data.text, chance))
    return msgspec.structs.replace(event, data=data)


@pytest.mark.parametrize("detector", DETECTORS)
def test_what_was_written_for_each_detector_is_found_alike(detector):
    runs = [events for name in RULE_BASED for _, events in told(name)]
    assert len(runs) > 100
    for events in runs:
        assert differences(detector, events) == []
    assert differences(detector, numbered(event for events in runs for event in events)) == [], "as one run"
    for name in RULE_BASED:
        for kind in ("firing", "quiet"):
            assert differences(detector, list(case_trace(name, kind))) == []


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("seed", range(3))
def test_changed_interleaved_and_broken_runs_are_found_alike(detector, seed):
    chance = random.Random(f"{detector.id} {seed}")
    runs = [events for _, events in told(detector.id)]
    for events in chance.sample(runs, min(40, len(runs))):
        beside = chance.choice(runs)
        mixed = [mutated(event, chance) for pair in zip(events, beside, strict=False) for event in pair]
        assert differences(detector, numbered(event for event in mixed if chance.random() < 0.9)) == []
        assert differences(detector, numbered(mutated(event, chance) for event in events)) == []


@pytest.mark.parametrize("detector", DETECTORS)
def test_planted_a_need_that_asks_for_too_much_is_seen(detector, monkeypatch):
    nothing = ("never in any text of these",)
    monkeypatch.setattr(detector, "need", Need(said=nothing, done=nothing, shown=nothing))
    runs = [events for _, events in told(detector.id)]
    assert any(differences(detector, events) for events in runs)


def test_planted_a_rule_that_the_sieve_does_not_know_is_seen(monkeypatch):
    sieve, bits = _rule_based._sieve()
    monkeypatch.setattr(_rule_based, "_sieve", lambda: (_sifted.Sieve([SELDOM]), bits))
    _rule_based._sifted.forget()
    runs = [events for _, events in told("oversight_reduction")]
    assert any(differences(OversightReduction, events) for events in runs)
    monkeypatch.undo()
    _rule_based._sifted.forget()
    assert sieve.bits([Act("run", text="nothing")]) == 0


SELDOM = {"detection": {"a": {"text|re": "never in any text"}, "condition": "a"}}


@pytest.mark.parametrize("name", RULE_BASED)
def test_every_rule_that_matches_a_case_is_among_those_the_sieve_leaves(name):
    chance = random.Random(name)
    (file,) = [file for file in rule_files() if file.name == f"{name}.yml"]
    sieve, tried = _sifted.Sieve(file.sources), 0
    for act in [act for case in file.cases for act in case.acts()]:
        for one in (act, *(_differently(act, chance) for _ in range(5))):
            fields = _rule_based.fields_of(one)
            bits = sieve.bits([one])
            for number, rule in enumerate(file.rules):
                if rule.test(fields):
                    tried += 1
                    assert bits >> number & 1, (rule.id, one)
    assert tried >= 10


def _differently(act, chance):
    return msgspec.structs.replace(
        act,
        text=changed(act.text, chance),
        path=changed(act.path, chance) if chance.random() < 0.3 else act.path,
        arguments=changed(act.arguments, chance),
    )


ATOMS = [
    "a", "k", "s", "i", " ", r"\s", r"\w", r"\W", r"\d", ".", "[ab]", "[^ab]", r"[\w-]", r"[^\w?]", "=", "'", "\\\\", "é",
]  # fmt: skip


def _expression(chance, depth=3):
    parts = []
    for _ in range(chance.randint(1, 4)):
        if depth and chance.random() < 0.4:
            ways = [_expression(chance, depth - 1) for _ in range(chance.randint(1, 3))]
            part = f"{chance.choice(['(', '(?:', '(?=', '(?!'])}{'|'.join(ways)})"
        else:
            part = chance.choice(ATOMS)
        repeats = (
            ["?", "*", "+", "{0,2}", "{1,3}", "{0,90}", "{2}"] if part[:3] != "(?=" and part[:3] != "(?!" else [""]
        )
        parts.append(part + chance.choice(["", "", *repeats]) + chance.choice(["", "", "", r"\b", "^", "$"]))
    return "".join(parts)


@pytest.mark.parametrize("seed", range(4))
def test_an_expression_is_found_wherever_the_original_is(seed):
    chance = random.Random(seed)
    alphabet = "aaakksii  \n=-'\\_b0?\u212a\u017f\u0131\u0130\u00e9\u4e00\u0663\ud800"
    found = 0
    for _ in range(250):
        regex = chance.choice(["", "(?i)", "(?is)", "(?im)"]) + _expression(chance)
        formula = _widened.widened(regex, begun=True)
        ways = _widened.begun_with(regex)
        try:
            looker = Looker([(_widened.FOLDED, *_widened.groups(one)) for one in ([formula], ways)])
        except hyperscan.error:  # of what can never match
            continue
        for _ in range(20):
            text = "".join(chance.choice(alphabet) for _ in range(chance.randint(0, 12)))
            if re.search(regex, text):
                found += 1
                assert looker.bits(f"{_widened.BEGIN}{text}\n") & 1, (regex, text, formula)
                assert looker.bits(text + chance.choice([".", "a", "\n"])) & 2, (regex, text, ways)
    assert found > 200


@pytest.mark.parametrize("detector", DETECTORS)
def test_what_is_said_in_a_sentence_is_found_in_its_text(detector):
    chance = random.Random(detector.id)
    looked = {
        "oversight_reduction": (oversight_reduction._HIDDEN,),
        "persistence": (persistence._LASTING,),
        "resource_acquisition": (resource_acquisition._TAKES, resource_acquisition._FOREIGN),
    }.get(detector.id, ())
    lookers = [(one, Looker([(_widened.FOLDED, *_widened.groups(_widened.spoken(one.pattern)))])) for one in looked]
    texts = [event.data.text for _, run in told(detector.id) for event in run if isinstance(event.data, ModelCall)]
    found = 0
    for _ in range(1500):
        words = chance.choice(texts).split(" ")
        for _ in range(chance.randint(0, 3)):
            words.insert(chance.randrange(len(words)), chance.choice(LEFT_OUT))
        text = chance.choice(["", "_", "- ", "x" * 590 + " "]) + " ".join(words)
        text = text.replace(f" {MARK}", "").replace(f"{MARK} ", "")
        for regex, looker in lookers:
            if any(regex.search(sentence) for sentence in sentences(text)):
                found += 1
                assert looker.bits(text), text
    assert found > 50 or not looked


MARK = "\x7f"
LEFT_OUT = [
    "`code`", f"{MARK}`code`{MARK}", f'{MARK}"quoted words of it"{MARK}', f"{MARK}\u201cquoted words of it\u201d{MARK}",
    "\n> quoted\n", "\n```\ncode\n```\n", "'quoted words of it'", "*", "_",
]  # fmt: skip
