from __future__ import annotations

import json

import pytest
from sample_run import records_of, tree

from subcritical.report import RunFacts, render_text, summary, tell
from subcritical.report._plot import scale, ticks, whole_ticks
from subcritical.report.story import bounded, latencies_ms, pauses
from subcritical.schema import Approval, Control, Event, Order, Proposal, Receipt, RunState, Score, Split
from subcritical.stats import clopper_pearson


def event(data, seq, generation=0):
    return Event(seq=seq, time_ns=1_000 * seq, run="r", producer="p", generation=generation, data=data)


def score(name, split, value, **more):
    return Score(proposal=f"p-{name}", tree=tree(name), split=split, metric="accuracy", value=value, **more)


def lineage():
    """Seed a; b accepted; c refused; d accepted; back to b; e accepted."""
    records, seq = [], 0

    def add(data, generation):
        nonlocal seq
        seq += 1
        records.append(event(data, seq, generation))

    add(score("a", Split.PUBLIC, 0.5), 0)
    add(score("a", Split.HELD_OUT, 0.45, n=20, successes=9), 0)
    for generation, (base, name, verdict) in enumerate(
        [("a", "b", "accepted"), ("b", "c", "refused"), ("b", "d", "accepted"), ("b", "e", "accepted")], start=1
    ):
        if name == "e":
            add(Control(order="rolled_back", by="gateway", reason=f"version 3: {tree('b')}"), generation)
        add(Proposal(proposal=f"p-{name}", base=tree(base), tree=tree(name), requester="g", reported=0.9), generation)
        if verdict == "accepted":
            add(score(name, Split.PUBLIC, 0.5 + generation / 10), generation)
        add(Approval(proposal=f"p-{name}", tree=tree(name), verdict=verdict, by="x"), generation)
        if verdict == "accepted":
            add(score(name, Split.HELD_OUT, 0.5, se=0.1), generation)
    return records


def test_the_accepted_chain_with_its_scores():
    story = tell(lineage())
    assert [(v.number, v.tree, v.public_value, v.rolled_back) for v in story.versions] == [
        (0, tree("a"), 0.5, False),
        (1, tree("b"), 0.6, False),
        (2, tree("d"), 0.8, True),
        (3, tree("e"), 0.9, False),
    ]
    assert all(version.held_out is not None for version in story.versions)
    assert story.in_force.tree == tree("e")
    assert story.accepted == 3
    before = tell(lineage()[:-4])
    assert before.versions[-1].rolled_back
    assert before.in_force.tree == tree("b")


def test_intervals_follow_what_is_known_about_the_noise():
    exact = bounded(score("a", Split.HELD_OUT, 0.45, n=20, successes=9))
    expected = clopper_pearson(9, 20)
    assert (exact.low, exact.high) == (expected.low, expected.high)
    normal = bounded(score("a", Split.HELD_OUT, 0.5, se=0.1))
    assert normal.low == pytest.approx(0.5 - 0.1959964, abs=1e-6)
    nothing = bounded(score("a", Split.HELD_OUT, 0.5))
    assert (nothing.low, nothing.high) == (None, None)
    assert "none" in nothing.method
    assert bounded(score("a", Split.HELD_OUT, None, status="timeout")) is None


def test_the_summary_is_json_and_counts(tmp_path):
    records = records_of(tmp_path / "journal")
    found = json.loads(json.dumps(summary(records), allow_nan=False))
    assert found["run"] == "20261124-154348-3fa9c1"
    assert found["counts"]["proposals"] == 60
    assert found["counts"]["accepted"] == len(found["versions"]) - 1 == 18
    assert found["protected"] == {"attempts": 7, "accepted": 0}
    assert found["best"]["public"] == found["in_force"]["public"]["value"]
    assert found["best"]["held_out_low"] < found["best"]["held_out"] < found["best"]["held_out_high"]
    assert "low" not in found["in_force"]["public"], "selection chose it, so an interval would promise too much"
    assert found["receipts"][0]["confirmed_ms"] == pytest.approx(4.87)
    assert found["findings"][0]["evidence"] == [{"first_seq": 16, "last_seq": 17, "note": "proposal and refusal"}]
    assert {measurement["name"] for measurement in found["measurements"]} == {"holdout_gap", "k"}
    assert found["reviews"][0]["by"] == "anna"


def test_an_empty_run_has_a_summary_too():
    found = json.loads(json.dumps(summary([])))
    assert (found["accepted"], found["seed"], found["best"]["public"]) == (0, None, None)


def test_plain_lines(tmp_path):
    text = render_text(records_of(tmp_path / "journal"), title="digits", facts=RunFacts(status="tripped", rung="R2"))
    lines = text.splitlines()
    assert lines[0] == "digits, run 20261124-154348-3fa9c1: tripped"
    assert "7 attempts to change protected files, 0 accepted" in lines
    assert any(line.startswith("7 findings in 204 events: 6 high, 1 medium") for line in lines)
    assert "1 review: anna" in lines
    assert "nobody reviewed this run" in render_text([], title="x")
    assert "0 findings in 0 events" in render_text([], title="x")


def receipt(order, state, time_ns, outcome="confirmed"):
    return Receipt(
        action="a",
        order=order,
        outcome=outcome,
        state=state,
        ordered_ns=1_000_000,
        quiesced_ns=2_500_000,
        confirmed_ns=0,
        processes=1,
        survivors=0,
        rung="R1",
        time_ns=time_ns,
    )


def test_latencies_and_pauses():
    assert latencies_ms(receipt(Order.PAUSE, RunState.PAUSED, 0)) == (1.5, None)
    told = [
        receipt(Order.PAUSE, RunState.PAUSED, 10),
        receipt(Order.NOTIFY, RunState.PAUSED, 12),
        receipt(Order.RESUME, RunState.PAUSED, 15, "refused"),
        receipt(Order.RESUME, RunState.RUNNING, 20),
        receipt(Order.STOP, RunState.KILLED, 30),
    ]
    assert pauses(told, 50) == [(10, 20), (30, 50)]


@pytest.mark.parametrize("values", [[], [1.0], [0.0], [1e308, -1e308], [5e-324, 0.0], [1e-300, 2e-300], [3, 3.0000001]])
def test_scales_survive_any_numbers(values):
    made = scale(values, 100.0, 0.0)
    assert made.low < made.high
    for value in [*values, 1e308, -1e308, 0.0]:
        assert 0.0 <= made.at(value) <= 100.0
    assert len(ticks(made.low, made.high, 6)) <= 8


def test_ticks_are_round():
    assert ticks(0.83, 1.01, 6) == pytest.approx([0.85, 0.9, 0.95, 1.0])
    assert whole_ticks(60, 10) == [0, 10, 20, 30, 40, 50, 60]
    assert whole_ticks(1, 10) == [0, 1]
    assert len(whole_ticks(10**9, 10)) <= 11
