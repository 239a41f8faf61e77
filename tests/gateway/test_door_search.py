"""Every interleaving of the protocol of a change, within bounds: none breaks it, and each guard left out is found."""

import pytest
from door_model import DEFECTS, Model, explore

BOUNDS = {
    "two changes": {"proposals": ("p", "q")},
    "two changes, both accepted": {"proposals": ("p", "q"), "budget": 2},
    "the same change again": {"proposals": ("p", "p again"), "keys": ("a1", "b1")},
}


@pytest.mark.parametrize("bounds", BOUNDS)
def test_no_interleaving_breaks_the_protocol(bounds):
    found = explore(Model(**BOUNDS[bounds]))
    print(f"{bounds}: {found.states} states, {found.steps} steps, at most {found.deepest} deep")
    assert (found.violation, found.way) == ("", ())
    assert found.states > 10_000


@pytest.mark.sim
@pytest.mark.timeout(1800)
def test_no_interleaving_of_three_changes_and_two_crashes_breaks_it():
    found = explore(Model(proposals=("p", "p again", "q"), budget=2, crashes=2, most_votes=2), most_states=4_000_000)
    print(f"{found.states} states, {found.steps} steps, at most {found.deepest} deep")
    assert (found.violation, found.way) == ("", ())


@pytest.mark.parametrize("defect", DEFECTS)
def test_planted_each_guard_left_out_is_found(defect):
    ways = [found for bounds in BOUNDS.values() if (found := explore(Model([defect], **bounds))).violation]
    assert ways, f"not found: {DEFECTS[defect]}"
    shortest = min(ways, key=lambda found: len(found.way))
    print(f"{DEFECTS[defect]}: {shortest.violation}, by: {', '.join(shortest.way)}")
