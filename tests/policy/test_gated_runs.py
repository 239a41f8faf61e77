"""A run under a scaling gate: throttled by the level, tightened when the gate allows less, never started when it halts."""

from datetime import UTC, datetime, timedelta

import pytest
from gate_facts import DIGEST
from gate_files import configure, pieces, write
from loop_cases import make_loop

from subcritical.app.running import run_system
from subcritical.errors import InputError
from subcritical.ledger import read_journal
from subcritical.policy import profile
from subcritical.schema import Approval, Event, Message, Order, Receipt

CLIMBS = """\
ask(op="hello")
for number in range(1, 14):
    threshold(number * 2)
    print(ask(op="propose"))
ask(op="done")
"""


def day(offset):
    return (datetime.now(tz=UTC).date() + timedelta(days=offset)).isoformat()


def gated_loop(tmp_path, *, guest=CLIMBS, changes=None, level=3, **evidence):
    loop = make_loop(
        tmp_path / "loop",
        guest,
        autonomy={
            "gate": "gate.yaml",
            "evidence": "evidence",
            "signers": "signers.txt",
            "log": "log.tlog",
            "subject": "model-7",
            "digest": DIGEST,
            "effective_compute": 2e26,
            "level": level,
            "changes": changes or [2, 4, 8],
        },
    )
    gate = profile("progress-rate").replace("2026-11-01", day(-10)).replace("2027-04-30", day(100))
    (loop.parent / "gate.yaml").write_text(gate)
    configure(loop.parent)
    write(loop.parent / "evidence", pieces(measured=day(-5), expires=day(30), **evidence))
    return loop


def run(loop, tmp_path, **more):
    ran = run_system(loop, runs=tmp_path / "runs", **more)
    records = list(read_journal(tmp_path / "runs" / ran.summary["run"] / "journal"))
    events = [record for record in records if isinstance(record, Event)]
    accepted = sum(isinstance(e.data, Approval) and e.data.verdict == "accepted" for e in events)
    said = [e.data.text for e in events if isinstance(e.data, Message) and e.data.source == "scaling gate"]
    return ran, accepted, said, [record for record in records if isinstance(record, Receipt)]


def test_the_level_is_worth_so_many_changes_between_reviews(tmp_path):
    _, accepted, said, receipts = run(gated_loop(tmp_path), tmp_path)
    assert accepted == 8
    assert said[0].startswith("autonomy 3 by gate progress-rate")
    assert [receipt.outcome for receipt in receipts if receipt.order is Order.THROTTLE] == ["confirmed"]


def test_weaker_evidence_is_a_lower_level_and_fewer_changes(tmp_path):
    _, accepted, said, _ = run(gated_loop(tmp_path, slope=(1.2, 1.82)), tmp_path)
    assert accepted == 4
    assert said[0].startswith("autonomy 2")


def test_asking_for_less_is_possible(tmp_path):
    _, accepted, _, _ = run(gated_loop(tmp_path, level=1), tmp_path)
    assert accepted == 2


@pytest.mark.parametrize("slope", [(0.9, 2.3), (2.5, 3.0)])
def test_a_gate_that_denies_every_level_lets_nothing_start(tmp_path, slope):
    with pytest.raises(InputError, match="says DENY"):
        run(gated_loop(tmp_path, slope=slope), tmp_path)
    assert not (tmp_path / "runs").exists()


def test_without_evidence_of_the_critical_line_it_halts(tmp_path):
    loop = gated_loop(tmp_path)
    (loop.parent / "evidence" / "generation_wallclock_ratio.dsse.json").unlink()
    with pytest.raises(InputError, match="says HALT"):
        run(loop, tmp_path)


def test_evidence_of_danger_that_arrives_during_the_run_holds_it(tmp_path):
    """The loop's own folder gets a new statement after some generations; nothing else is told to it."""
    loop = gated_loop(tmp_path, changes=[50, 50, 50])
    folder = loop.parent / "evidence"
    seen = []

    def arrives(progress):
        seen.append(progress.accepted)
        if progress.generation == 4:
            bad = pieces(measured=day(-5), expires=day(30), slope=(2.5, 3.0))
            (folder / "new.dsse.json").write_bytes(bad["capability_slope_ratio"])

    ran, accepted, said, _ = run(loop, tmp_path, progress=arrives)
    assert accepted <= 6
    assert "allows no level any more" in said[-1]
    assert ran.summary["status"] in ("tripped", "stopped")


def test_a_gate_that_can_no_longer_be_decided_holds_the_run(tmp_path):
    loop = gated_loop(tmp_path, changes=[50, 50, 50])

    def garbles(progress):
        if progress.generation == 3:
            (loop.parent / "evidence" / "x.dsse.json").write_text("{")

    ran, accepted, said, _ = run(loop, tmp_path, progress=garbles)
    assert accepted <= 5
    assert "can no longer be decided" in said[-1]
    assert ran.summary["status"] in ("tripped", "stopped")
