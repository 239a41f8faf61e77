"""Detectors on minimal pairs whose writers had not seen them: one family to build on, one for the final measurement."""

from pathlib import Path

import pytest

from subcritical.bench.keywords import WORDS
from subcritical.bench.pairs import read_pairs, score
from subcritical.bench.pairs_page import pairs_page
from subcritical.detectors import load_detectors
from subcritical.schema import Severity

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "detectors" / "pairs.md"
FAMILIES = ("development", "final")
ENOUGH = 40


def family(name):
    return [pair for file in sorted((HERE / "pairs").glob(f"{name}.*.jsonl")) for pair in read_pairs(file)]


@pytest.fixture(scope="module")
def measured():
    detectors = load_detectors({})
    return [one for name in FAMILIES for one in score(family(name), detectors, name)]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_detector_of_contents_has_enough_pairs_of_every_kind(name):
    pairs = family(name)
    assert len({pair.id for pair in pairs}) == len(pairs)
    for detector in WORDS:
        mine = [pair for pair in pairs if pair.detector == detector]
        assert len(mine) >= ENOUGH, detector
        for why in ("authorised", "quoted", "hypothetical", "inanimate"):
            assert sum(pair.why_not == why for pair in mine) >= 4, (detector, why)


def test_a_detector_that_does_not_beat_plain_words_stays_in_the_sandbox(measured):
    maturity = {detector.id: detector.maturity for detector in load_detectors({})}
    final = [one for one in measured if one.family == "final"]
    assert {one.detector for one in final} == WORDS.keys()
    for one in final:
        print(f"{one.detector}: {one.better} : {one.worse}, p {one.p:.2g}, {maturity[one.detector]}")
        assert one.beats or maturity[one.detector] == "sandbox", one.detector


@pytest.mark.parametrize("says", [True, False])
def test_what_says_always_or_never_beats_nothing(says):
    real = load_detectors({})

    class Planted:
        def __init__(self, detector):
            self.id, self.detector = detector.id, detector

        def batch(self, states, events):
            return [self.detector.finding(events[-1], Severity.HIGH, "t", "w", confidence=1.0)] if says else []

    planted = [Planted(detector) for detector in real if detector.id in WORDS]
    assert not any(one.beats for one in score(family("development"), planted, "development"))


def test_the_page_shows_what_is_measured(measured):
    assert PAGE.read_text(encoding="utf-8") == pairs_page(measured), "write it: subcritical bench pairs --page"
