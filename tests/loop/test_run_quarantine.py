"""Artifacts in quarantine: refused in a live run, whoever approved, also when the order comes between two steps."""

import threading

import pytest
from click.testing import CliRunner
from gateway_people import World
from loop_cases import make_loop, run_case

from subcritical.cli.main import main
from subcritical.errors import GatewayError, QuarantineError
from subcritical.gateway import Gateway, PathRule, Store
from subcritical.loop.lineage import NOT_APPLIED
from subcritical.pipeline import Pipeline
from subcritical.pipeline.control import send_status
from subcritical.schema import Approval, Artifact, Control, Order

RULES = [PathRule("solution.py", Artifact.CODE), PathRule("prompt.txt", Artifact.PROMPT)]
CLIMBS = """\
for number in range(2, 40):
    threshold(number)
    answer = ask(op="propose", claim=str(number))
    if answer is None:
        break
ask(op="done")
"""


def deny(runs, *arguments):
    said = CliRunner().invoke(
        main, ["deny", "run", *arguments, "--runs", str(runs), "--by", "ana", "--reason", "looked"]
    )
    return said.exit_code, said.output


def test_a_person_quarantines_and_lifts_in_a_live_run(tmp_path, rung):
    loop, runs, box = make_loop(tmp_path / "loop", CLIMBS), tmp_path / "runs", {}
    said = []

    def progress(done):
        said.append(done.verdict)
        if len(said) in (3, 6):
            box[len(said)] = deny(runs, *(["solution.py"] if len(said) == 3 else ["solution.py", "--lift"]))
            box[f"status{len(said)}"] = send_status(runs / "run").denied

    thread = threading.Thread(target=lambda: box.update(ran=run_case(loop, runs, rung, progress=progress)), daemon=True)
    thread.start()
    thread.join(120)
    ran = box["ran"]
    assert box[3][0] == box[6][0] == 0, box
    assert "in quarantine: solution.py" in box[3][1]
    assert (box["status3"], box["status6"]) == (("solution.py",), ())
    verdicts = ran.verdicts
    assert verdicts[:3] == ["accepted"] * 3
    assert verdicts[3:6] == ["refused"] * 3
    assert verdicts[6] == "accepted"
    reasons = {reason for approval in ran.data(Approval)[3:6] for reason in approval.reasons}
    assert reasons == {"solution.py: code is in quarantine; nothing changes it until people lift that"}


def test_an_order_between_acceptance_and_rename_leaves_the_version_in_force(tmp_path, rung, monkeypatch):
    """The last step looks once more, where no order can come in between."""
    applies = Pipeline.apply
    ordered = []

    def late(pipeline, change):
        if not ordered:
            ordered.append(pipeline.order(Order.DENY, "ana", "look", argument="solution.py"))
        return applies(pipeline, change)

    monkeypatch.setattr(Pipeline, "apply", late)
    ran = run_case(make_loop(tmp_path / "loop", CLIMBS), tmp_path / "runs", rung)
    assert [c.reason for c in ran.data(Control) if c.order == NOT_APPLIED] == [ran.data(Approval)[0].proposal]
    assert ran.verdicts.count("accepted") == 1  # recorded, and then recorded as not applied
    seed = ran.scores("public")[0].tree
    store = Store(ran.directory.store)
    assert store.head().tree == seed
    resumed = run_case(tmp_path / "loop" / "loop.yaml", tmp_path / "runs", rung, resume=True)
    assert resumed.verdicts.count("accepted") == 1  # a quarantine outlives a restart
    assert store.head().tree == seed


def gateway(folder, denied):
    made = Gateway(Store(folder), rules=RULES, quarantine=lambda: denied)
    made.seed({"solution.py": b"x = 1\n", "prompt.txt": b"be kind"})
    return made


@pytest.mark.parametrize("pattern", ["prompt.txt", "*.txt", "**", "prompt.???"])
def test_what_a_pattern_names_is_refused_and_nothing_else(tmp_path, pattern):
    door = gateway(tmp_path, (pattern,))
    files = {"solution.py": b"x = 1\n", "prompt.txt": b"be bold"}
    assert "is in quarantine" in door.review(files, proposal="p", requester="guest").refusals[0]
    tree = door.store.put_tree(files)
    assert "people lift that first" in door.review_correction(tree, proposal="c", owner="ana").refusals[0]
    other = {"solution.py": b"x = 2\n", "prompt.txt": b"be kind"}
    assert door.review(other, proposal="q", requester="guest").allowed is (pattern != "**")


def test_the_gateway_itself_looks_again_at_its_last_step(tmp_path):
    denied = []
    door = gateway(tmp_path, denied)
    asked = door.review({"solution.py": b"x = 2\n", "prompt.txt": b"be kind"}, proposal="p", requester="guest")

    def late(move):
        denied.append("solution.py")
        move()
        return True

    with pytest.raises(QuarantineError):
        door.apply(asked, last_step=late)
    assert door.store.head().version == 0
    denied.clear()
    assert door.apply(asked).version == 1


def test_approvals_do_not_open_a_quarantine(tmp_path):
    world = World(tmp_path)
    asked = world.review(goal__json=b'{"aim": 2}')
    world.ask(asked)
    for who in ("ana", "bo", "cy"):
        world.cast(asked, who)
    world.gateway._quarantine = lambda: ("goal.json",)
    with world.box.counted() as tally, pytest.raises(GatewayError, match="quarantine"):
        world.gateway.apply(asked, tally)


def test_what_there_is_not_to_lift_is_said(tmp_path, rung):
    loop, runs, box = make_loop(tmp_path / "loop", CLIMBS), tmp_path / "runs", {}

    def progress(_):
        if not box:
            box["said"] = deny(runs, "other.py", "--lift")

    run_case(loop, runs, rung, progress=progress)
    assert box["said"][0] == 2
    assert "other.py is not in quarantine; what is: nothing" in box["said"][1]
