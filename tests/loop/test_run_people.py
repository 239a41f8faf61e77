"""Whole runs whose guest asks for what people must approve: real sandboxes, real keys, the real control socket."""

import contextlib
import threading
import time

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from loop_cases import make_loop, run_case

from subcritical.app.principals import add
from subcritical.app.proposals import proposal, proposals
from subcritical.cli.main import main
from subcritical.errors import InputError
from subcritical.gateway import Store
from subcritical.loop.lineage import Lineage
from subcritical.pipeline.control import send_order, send_status
from subcritical.report import render_html
from subcritical.schema import Approval, Ballot, Control, Order, RunState

ASKS = """\
print(ask(op="hello"))
threshold(40)
write("goal.json", '{"aim": "\\u202e\\x1b[2J"}')
answer = ask(op="propose", claim="a goal \\u202eof its own")
if answer["verdict"] == "refused":
    os.remove("goal.json")
threshold(50)
print(ask(op="propose", claim="ordinary"))
ask(op="done")
"""
RULES = [
    {"path": "solution.py", "is": "code"},
    {"path": "goal.json", "is": "objective"},
    {"path": "evaluate.py", "is": "evaluator"},
]


@pytest.fixture
def keys(tmp_path):
    """Private key files of three people; `principals.txt` beside the loop names them."""
    (tmp_path / "loop").mkdir()
    made = {}
    for name in ("ana", "bo", "dot"):
        key = Ed25519PrivateKey.generate()
        made[name] = tmp_path / f"{name}.key"
        made[name].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        public = tmp_path / f"{name}.pub"
        public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
        add(name, key=public, owner=None, path=tmp_path / "loop" / "principals.txt")
    return made


class Live:
    """A run in a thread, and the commands of people beside it."""

    def __init__(self, tmp_path, rung, **changes):
        self.runs = tmp_path / "runs"
        oversight = {"principals": "principals.txt", "owner": "dot", "approvals_within": "30s"}
        loop = changes.pop("make", make_loop)(
            tmp_path / "loop",
            changes.pop("guest", ASKS),
            artifacts=changes.pop("artifacts", RULES),
            **{"oversight": {**oversight, **changes.pop("oversight", {})}, **changes},
        )
        self.ran, self.said = None, []
        self.thread = threading.Thread(target=self._run, args=(loop, rung), daemon=True)
        self.thread.start()

    def _run(self, loop, rung):
        self.ran = run_case(
            loop, self.runs, rung, wait_when_paused=True, progress=lambda done: self.said.append(done.verdict)
        )

    def waiting(self, but=""):
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            with contextlib.suppress(InputError):
                found = send_status(self.runs / "run").waits_for_people
                if found and found[0] != but:
                    return found[0]
            time.sleep(0.05)
        raise AssertionError("nothing waits for people")

    def call(self, *arguments):
        return CliRunner().invoke(main, ["proposals", *map(str, arguments), "--runs", str(self.runs)])

    def vote(self, verdict, name, key, *more):
        return self.call(verdict, "run", name, "--key", key, "--confirm", name, "--reason", "looked", *more)

    def end(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.ran


def test_two_people_approve_a_new_objective_and_it_is_in_force(tmp_path, rung, keys):
    live = Live(tmp_path, rung)
    name = live.waiting()
    shown = live.call("show", "run", name)
    assert shown.exit_code == 0, shown.output
    for part in ("WAITS FOR PEOPLE", "objective: goal.json", "test: accuracy", "the policy asks for more"):
        assert part in shown.output
    assert not set(shown.output) & {"\x1b", "\u202e"}
    assert live.call("list", "run", "--waiting").output.endswith("1 of 1 proposals\n")
    assert live.vote("approve", name, keys["ana"]).exit_code == 0
    assert "owns the system" in live.vote("approve", name, keys["dot"]).output
    assert live.vote("approve", name, keys["bo"]).exit_code == 0
    ran = live.end()
    assert ran.verdicts == ["accepted", "accepted"]
    assert [a.by for a in ran.data(Approval)] == ["people", "selection"]
    steps = [(b.step, b.by) for b in ran.data(Ballot)]
    assert steps == [("open", "gateway"), ("approve", "ana"), ("approve", "bo")]
    kinds = [type(e.data) for e in ran.events if isinstance(e.data, Ballot | Approval)]
    assert kinds == [Ballot, Ballot, Ballot, Approval, Approval]
    asked = proposal("run", name, runs=live.runs)
    assert (asked.became, len(asked.ballots)) == ("accepted", 3)
    late = live.vote("approve", name, keys["ana"])
    assert (late.exit_code, "does not wait" in late.output) == (2, True)


PADS = ASKS.replace("'{", '"# as it was\\n" * 9000 + \'{')


def test_a_person_is_shown_also_what_stands_behind_much_padding(tmp_path, rung, keys):
    live = Live(tmp_path, rung, guest=PADS)
    name = live.waiting()
    shown = live.call("show", "run", name).output
    assert "aim" in shown
    assert not set(shown) & {"\x1b", "\u202e"}
    change = proposal("run", name, runs=live.runs).proposal.changes[0]
    assert "aim" not in change.diff, "planted: the record's own diff ends before it"
    assert live.vote("reject", name, keys["bo"]).exit_code == 0
    live.end()
    store = Store(live.runs / "run" / "store")
    (store.path(change.after)).write_bytes(b"{}")
    other = live.call("show", "run", name)
    assert (other.exit_code, "has been changed in the store" in other.output) == (7, True)


def test_one_person_rejects_and_the_guest_goes_on(tmp_path, rung, keys):
    live = Live(tmp_path, rung)
    name = live.waiting()
    assert live.vote("reject", name, keys["bo"]).exit_code == 0
    ran = live.end()
    assert ran.verdicts == ["refused", "accepted"]
    assert "rejected by bo: looked" in ran.data(Approval)[0].reasons[0]


def test_nobody_answers_and_the_change_is_refused(tmp_path, rung, keys):
    assert keys
    ran = Live(tmp_path, rung, oversight={"approvals_within": "1s"}).end()
    assert "no quorum within 1 s" in ran.data(Approval)[0].reasons[0]


def test_stop_works_while_people_are_asked_and_nothing_is_applied(tmp_path, rung, keys):
    live = Live(tmp_path, rung)
    name = live.waiting()
    assert live.vote("approve", name, keys["ana"]).exit_code == 0
    assert send_order(live.runs / "run", Order.STOP, by="ana", reason="enough").state is RunState.KILLED
    live.vote("approve", name, keys["bo"])  # recorded, if the box was still open; it opens nothing
    ran = live.end()
    assert ran.result.status == "stopped"
    assert ran.verdicts == []


def test_a_quorum_that_is_met_while_paused_applies_only_after_a_resume(tmp_path, rung, keys):
    live = Live(tmp_path, rung)
    name = live.waiting()
    send_order(live.runs / "run", Order.PAUSE, by="ana", reason="let me look")
    for who in ("ana", "bo"):
        assert live.vote("approve", name, keys[who]).exit_code == 0
    time.sleep(0.5)
    assert proposals("run", runs=live.runs)[0].became == "waits"
    send_order(live.runs / "run", Order.RESUME, by="bo", reason="looked")
    ran = live.end()
    assert ran.verdicts == ["accepted", "accepted"]


def test_a_vote_needs_the_id_typed_a_key_and_a_run(tmp_path, rung, keys):
    live = Live(tmp_path, rung)
    name = live.waiting()
    for arguments, says in (
        (("approve", "run", name, "--key", keys["ana"]), "--confirm"),
        (("approve", "run", name, "--key", keys["ana"], "--confirm", "p"), "nothing was signed"),
        (("approve", "run", "p-none", "--key", keys["ana"], "--confirm", "p-none"), "has no proposal"),
        (("approve", "run", name, "--key", tmp_path / "none", "--confirm", name), "No such file"),
        (("approve", "run", name, "--key", tmp_path / "ana.pub", "--confirm", name), "cannot be read"),
        (("approve", "run", name, "--key", keys["ana"], "--confirm", name, "--for", "30d"), "lives 1 to"),
        (("approve", "other", name, "--key", keys["ana"], "--confirm", name), "no run"),
    ):
        found = live.call(*arguments)
        assert (found.exit_code, says in found.output) == (2, True), found.output
    live.vote("reject", name, keys["ana"])
    live.end()
    assert "Traceback" not in live.call("show", "run", "p-none").output


def test_one_person_pauses_and_two_resume(tmp_path, rung, keys):
    live = Live(tmp_path, rung, oversight={"resume_by": 2})
    name = live.waiting()

    def order(what, *more):
        return CliRunner().invoke(main, [what, "run", "--runs", str(live.runs), "--reason", "looked", *map(str, more)])

    assert order("pause").exit_code == 0
    unsigned = order("resume")
    assert (unsigned.exit_code, "give --key" in unsigned.output) == (2, True), unsigned.output
    first = order("resume", "--key", keys["ana"])
    assert (first.exit_code, "1 of 2 people" in first.output) == (0, True), first.output
    assert send_status(live.runs / "run").state is RunState.PAUSED
    assert order("resume", "--key", keys["bo"], "--json").exit_code == 0
    assert send_status(live.runs / "run").state is RunState.RUNNING
    assert order("review", "--by", "ana", "--key", keys["ana"]).exit_code == 0
    live.vote("reject", name, keys["bo"])
    ran = live.end()
    assert [c.by for c in ran.records if getattr(c, "order", None) is Order.RESUME and hasattr(c, "by")] == [
        "ana and bo"
    ]


def test_a_run_that_nobody_could_resume_does_not_start(tmp_path, rung, keys):
    assert keys
    oversight = {"principals": "principals.txt", "owner": "dot", "resume_by": 3}
    loop = make_loop(tmp_path / "loop", ASKS, artifacts=RULES, oversight=oversight)
    with pytest.raises(InputError, match="3 people must resume a run and 2 could"):
        run_case(loop, tmp_path / "runs", rung)


def test_a_person_corrects_a_paused_run_and_the_guest_begins_anew_from_it(tmp_path, rung, keys):
    live = Live(tmp_path, rung)
    name = live.waiting()
    mine = tmp_path / "mine.py"
    mine.write_text("def classify(x):\n    return (x >= 45).astype(int)\n")

    def correct(*more, key="bo", reason="too eager"):
        arguments = ["correct", "run", "--runs", live.runs, "--reason", reason, "--key", keys.get(key, key), *more]
        return CliRunner().invoke(main, [str(one) for one in arguments])

    early = correct("--put", f"solution.py={mine}")
    assert (early.exit_code, "paused" in early.output) == (2, True), early.output
    send_order(live.runs / "run", Order.PAUSE, by="bo", reason="look")
    before = Store(live.runs / "run" / "store").head()
    for arguments, says in (
        (("--put", f"evaluate.py={mine}"), "evaluator is not corrected in a run"),
        (("--put", f"goal.json={mine}"), "objective needs approvals"),
        (("--put", f"sitecustomize.py={mine}"), "unlisted is not corrected"),
        (("--put", f"../solution.py={mine}"), "no path inside a workspace"),
        (("--put", f"/etc/x={mine}"), "no path inside a workspace"),
        (("--put", f"solution.py={tmp_path / 'none'}"), "No such file"),
        (("--put", "solution.py"), "write PATH=FILE"),
        (("--remove", "none.py"), "is not in the version in force"),
        ((), "say what is corrected"),
    ):
        found = correct(*arguments)
        assert (found.exit_code, says in found.output) == (2, True), found.output
        assert "Traceback" not in found.output
    assert "needs a reason" in correct("--put", f"solution.py={mine}", reason=" ").output
    assert Store(live.runs / "run" / "store").head() == before
    done = correct("--put", f"solution.py={mine}")
    assert (done.exit_code, "corrected by bo: solution.py" in done.output) == (0, True), done.output
    again = correct("--put", f"solution.py={mine}")
    assert again.exit_code == 2
    send_order(live.runs / "run", Order.RESUME, by="bo", reason="corrected")
    second = live.waiting(but=name)
    store = Store(live.runs / "run" / "store")
    assert store.tree(store.head().tree)["solution.py"] == mine.read_bytes()
    assert next(asked.became for asked in proposals("run", runs=live.runs)) == "ended"
    live.vote("reject", second, keys["ana"])
    ran = live.end()
    orders = [c.order for c in ran.data(Control) if c.by == "gateway"]
    assert orders == ["corrected", "rolling_back", "rolled_back"]
    assert Lineage().restore(ran.events, store.head().tree) == ""


def test_planted_failure_without_enforcement_nobody_is_asked(tmp_path, rung, keys):
    assert keys
    live = Live(tmp_path, rung, policy={"mode": "warn"})
    ran = live.end()
    assert ran.verdicts == ["accepted", "accepted"]
    assert "objective needs approvals" in ran.data(Approval)[0].reasons[0]
    assert ran.data(Ballot) == []
    assert [said for said in live.said if "the policy would refuse goal.json" in said]


BREATHES = """\
import threading, time
beats = []
def beat():
    while True:
        beats.append(time.monotonic())
        time.sleep(0.01)
threading.Thread(target=beat, daemon=True).start()
threshold(50)
write("goal.json", "{}")
ask(op="propose")
print("longest gap", max(b - a for a, b in zip(beats, beats[1:])))
ask(op="done")
"""


@pytest.mark.parametrize("held", [True, False])
def test_a_guest_is_frozen_while_it_waits_for_people(tmp_path, rung, keys, monkeypatch, held):
    """Planted: a guest that is not held goes on breathing."""
    assert keys
    if not held:
        monkeypatch.setattr("subcritical.loop.guest.SessionGuest.hold", lambda _guest: None)
    ran = Live(tmp_path, rung, guest=BREATHES, oversight={"approvals_within": "3s"}).end()
    gap = float(ran.said().split("longest gap")[1].split()[0])
    print(f"held {held}: longest gap {gap:.2f} s of 3")
    assert (gap > 2.5) is held


def test_the_report_says_who_voted(tmp_path, rung, keys):
    live = Live(tmp_path, rung)
    name = live.waiting()
    for who in ("ana", "bo"):
        live.vote("approve", name, keys[who])
    ran = live.end()
    page = render_html(ran.records, title="people")
    assert "approve by ana: looked; approve by bo: looked" in page
    (tmp_path / "report.html").write_text(page)
