"""Interruptions leave no trace in what a system becomes; a rollback gives back every byte."""

import random
import threading
import time

import pytest
from gateway_people import RULES as PEOPLE_RULES
from loop_cases import make_loop, run_case, walker

from subcritical.errors import SubcriticalError
from subcritical.gateway import Gateway, PathRule, Store, roll_back
from subcritical.loop.lineage import Lineage
from subcritical.pipeline.control import send_order, send_status
from subcritical.sandbox import Rung
from subcritical.schema import Approval, Artifact, Order, Receipt

MOST_TRIES = 25
"""Orders to pause that are tried, some of them before the run is there; then it goes on undisturbed."""
WALK = walker(dice='random.Random(ask(op="hello")["seed"])', tries=14, most=12)


def lineage(ran):
    accepted = [approval.tree for approval in ran.data(Approval) if approval.verdict == "accepted"]
    return accepted, [score.value for score in ran.scores("public")], [a.verdict for a in ran.data(Approval)]


def begun(run):
    """Whether the first proposal has been made."""
    try:
        return send_status(run).generation >= 1
    except SubcriticalError:
        return False


def interrupted(tmp_path, rung, seed):
    """The same run, paused and resumed at random times by a person beside it."""
    box = {}
    loop = make_loop(tmp_path / f"loop{seed}", WALK)
    runs = tmp_path / f"runs{seed}"
    thread = threading.Thread(
        target=lambda: box.update(ran=run_case(loop, runs, rung, wait_when_paused=True)), daemon=True
    )
    thread.start()
    chance = random.Random(seed)
    while thread.is_alive() and not begun(runs / "run"):
        time.sleep(0.05)
    # Where processes are stopped one by one, sandboxes that are being started suffer from it: fewer, so that all start.
    for _ in range(MOST_TRIES if rung is Rung.R1 else 6):
        if not thread.is_alive():
            break
        time.sleep(chance.uniform(0.0, 0.15))
        try:
            send_order(runs / "run", Order.PAUSE, by="ana", reason="look")
            time.sleep(chance.uniform(0.0, 0.3))
            send_order(runs / "run", Order.RESUME, by="ana", reason="looked")
        except SubcriticalError:
            continue
    thread.join()
    return box["ran"]


def test_a_deterministic_guest_becomes_the_same_with_and_without_interruptions(tmp_path, rung):
    calm = run_case(make_loop(tmp_path / "calm", WALK), tmp_path / "runs", rung)
    assert len(lineage(calm)[0]) >= 3
    for seed in (1, 2):
        ran = interrupted(tmp_path, rung, seed)
        pauses = [
            r for r in ran.records if isinstance(r, Receipt) and r.order is Order.PAUSE and r.outcome == "confirmed"
        ]
        print(f"{len(pauses)} pauses, {len(lineage(ran)[0])} accepted versions, byte for byte the same")
        assert len(pauses) >= 3
        assert lineage(ran) == lineage(calm)
        assert "pause" not in ran.said()


MODES = """\
import stat
print("modes", sorted(oct(stat.S_IMODE(os.stat(p).st_mode)) for p in ("solution.py", "evaluate.py")), os.listdir("."))
os.chmod("solution.py", 0o777)
os.makedirs("__pycache__", exist_ok=True)
write("__pycache__/left.txt", "ignored")
threshold(40)
ask(op="propose", claim="better")
threshold(50)
ask(op="propose", claim="best")
ask(op="done")
"""


def test_a_rollback_leaves_no_mode_and_no_ignored_file_behind(tmp_path, rung):
    """What no version holds is not there after it: modes are the same at every start, ignored files are gone."""
    runs, done = tmp_path / "runs", []

    def progress(at):
        if at.verdict == "accepted" and not done:
            done.append(True)
            threading.Thread(target=back, daemon=True).start()
            time.sleep(1.0)

    def back():
        for order, argument in ((Order.PAUSE, ""), (Order.ROLL_BACK, "previous")):
            send_order(runs / "run", order, by="ana", reason="look", argument=argument)
        while send_status(runs / "run").roll_back is not None:
            time.sleep(0.05)
        send_order(runs / "run", Order.RESUME, by="ana", reason="looked")

    ran = run_case(make_loop(tmp_path / "loop", MODES), runs, rung, wait_when_paused=True, progress=progress)
    modes = [line for line in ran.said().splitlines() if line.startswith("modes")]
    assert len(modes) == 2, ran.said()
    assert modes[0] == modes[1]
    assert "__pycache__" not in modes[1]


def test_forward_is_what_was_gone_back_from():
    lineage = Lineage()
    for tree in ("seed", "one", "two"):
        lineage.accept(tree)
    assert not any(map(lineage.is_forward, ("seed", "one", "two", "unknown")))
    lineage.go_back("seed")
    assert [lineage.is_forward(tree) for tree in ("seed", "one", "two", "unknown")] == [False, True, True, False]
    lineage.go_back("two")
    assert lineage.is_forward("one")
    assert not lineage.is_forward("two")


@pytest.mark.parametrize("batch", range(4))
def test_a_rollback_gives_back_every_byte_in_random_histories(tmp_path, batch):
    """25 histories each: files come, go, change class and content; every version is gone back to from the last."""
    for history in range(25):
        chance = random.Random(1000 * batch + history)
        store = Store(tmp_path / str(history))
        rules = [*PEOPLE_RULES, PathRule("**", Artifact.CODE)]
        gateway = Gateway(store, rules=rules)
        files = {f"dir{n % 3}/file{n}": chance.randbytes(chance.randrange(200)) for n in range(chance.randrange(1, 8))}
        accepted = {gateway.seed(files).tree: dict(files)}
        for number in range(chance.randrange(2, 12)):
            for _ in range(chance.randrange(1, 4)):
                name = f"dir{chance.randrange(3)}/file{chance.randrange(9)}"
                if chance.random() < 0.3:
                    files.pop(name, None)
                else:
                    files[name] = chance.randbytes(chance.randrange(200))
            reviewed = gateway.review(files, proposal=f"p-{number}", requester="guest")
            assert reviewed.allowed
            accepted[gateway.apply(reviewed).tree] = dict(files)
        for tree in chance.sample(sorted(accepted), len(accepted)):
            head = roll_back(store, to_tree=tree, accepted=frozenset(accepted), order=f"a-{tree[-6:]}")
            assert (head.tree, store.head().tree) == (tree, tree)
            assert store.tree(tree) == accepted[tree]
