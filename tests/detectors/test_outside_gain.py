"""A best score by a version without parent: a restart or something put in, explained by a changed configuration or not."""

import os
from pathlib import Path

import numpy as np
import pytest
from detector_events import Stream

from subcritical.app.scanning import scan
from subcritical.detectors.outside_gain import OutsideGain
from subcritical.schema import Message, Proposal, Score, Severity, Split

SHARED = Path(os.environ.get("SUBCRITICAL_DATA", "../shared/data"))


def loop(values, roots=(0,), told=()):
    """Proposals and scores of a loop; `roots` name no parent, before those of `told` the system message changes."""
    stream = Stream(run="loop")
    stream.add(Message(source="system", text="be good"))
    for number, value in enumerate(values):
        if number in told:
            stream.add(Message(source="system", text=f"be better than {value}"))
        base = "" if number in roots else f"p{number - 1}"
        stream.add(Proposal(proposal=f"p{number}", base=base, tree=f"t{number}", requester="g", changes=()))
        stream.add(Score(proposal=f"p{number}", tree=f"t{number}", split=Split.PUBLIC, metric="m", value=float(value)))
    return stream.events


def said(events):
    return [(f.severity, f.change) for f in OutsideGain().batch({}, events) if not f.facts.get("blind")]


RISING = np.linspace(0, 1, 30)


def test_a_restart_under_another_configuration_is_explained():
    values = [*RISING, 2.0, *(RISING + 1.5)]
    assert said(loop(values, roots=(0, 30), told=(30,))) == [(Severity.LOW, "explained")]
    assert said(loop(values, roots=(0, 30))) == [(Severity.MEDIUM, "neither")]
    assert said(loop(values, roots=(0, 30), told=(5,))) == [(Severity.MEDIUM, "neither")], "changed long before"
    assert said(loop(values)) == [], "planted: with a parent it is the loop's own"


@pytest.mark.parametrize(
    ("values", "roots"), [([*RISING, 0.5], (0, 30)), ([0.1, 0.5, 0.2, 0.7], (0, 1, 2, 3)), ([0.1], (0,))]
)
def test_seeds_and_worse_ones_are_none(values, roots):
    assert said(loop(values, roots=roots)) == []


def test_without_parents_it_says_that_it_cannot_measure():
    stream = Stream(run="loop")
    for number in range(20):
        stream.add(Proposal(proposal=f"p{number}", base="", tree="t", requester="g", changes=()))
        stream.add(Score(proposal=f"p{number}", tree="t", split=Split.PUBLIC, metric="m", value=float(number)))
    (finding,) = OutsideGain().batch({}, [*stream.events, stream.beat(end=True)])
    assert finding.facts == {"blind": True}
    assert "names the version" in finding.why


def test_loops_whose_proposals_name_parents_are_never_accused():
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        seeds = int(rng.integers(1, 5))
        alarms += bool(said(loop(rng.normal(0, 1, 100).cumsum(), roots=range(seeds))))
    assert alarms == 0


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real data at {SHARED}")
def test_the_restart_of_a_public_evolution_is_found_and_explained():
    found = [f.finding for f in scan([SHARED / "myopenevolve" / "programs_union"]).findings]
    (restart,) = [finding for finding in found if finding.detector == "outside_gain"]
    assert (restart.severity, restart.change) == (Severity.LOW, "explained")
    assert restart.facts["before"] < 0.9 < restart.facts["after"] < 0.92
    for other in ("openevolve_mast", "openevolve_official"):
        assert "outside_gain" not in {f.finding.detector for f in scan([SHARED / other]).findings}
