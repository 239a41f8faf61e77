"""Every run keeps a signed log; a run whose log is no longer signed stands still; one rolled back is not gone on with."""

import contextlib
import json
import os
import re
import shutil
import signal

import pytest
from loop_cases import make_loop

from subcritical.app import running
from subcritical.app.running import run_system
from subcritical.errors import InputError, LedgerError
from subcritical.ledger import read_journal
from subcritical.ledger.notary import Notary
from subcritical.ledger.run_log import RunLog
from subcritical.ledger.signer import SignerProcess
from subcritical.ledger.tlog import leaf_hash, open_note, parse_checkpoint, parse_tlog_proof, verify_inclusion
from subcritical.loop.run_directory import RunDirectory
from subcritical.sandbox import Containment
from subcritical.schema import Finding, Severity

TAMPERS = """\
write("evaluate.py", "def evaluate(c, d):\\n    return 1\\n")
ask(op="propose")
threshold(50)
ask(op="propose")
ask(op="done")
"""
SLOW = """\
import time
for number in range(40):
    threshold(number)
    ask(op="propose")
    time.sleep(0.05)
"""


def test_a_runs_log_is_signed_to_its_end_and_the_report_links_each_findings_proof(tmp_path, rung):
    loop_file = make_loop(tmp_path / "loop", TAMPERS)
    ran = run_system(loop_file, runs=tmp_path / "runs", rung=rung, allow_rung=rung, fail_on=Severity.CRITICAL)
    directory = RunDirectory.find("latest", tmp_path / "runs")
    log = RunLog(directory.journal)
    log.follow()
    assert ran.summary["log"] == {
        "origin": log.origin, "size": log.tree.size, "root": log.tree.root().hex(), "not_signed": None,
    }  # fmt: skip
    assert log.types.count("event.end") == 1
    with SignerProcess() as signer:
        key = signer.key(log.origin)
    findings = [record for record in read_journal(directory.journal) if isinstance(record, Finding)]
    page = ran.report.read_text()
    links = re.findall(r'href="(ledger/proofs/[^"]+)"', page)
    assert len(links) == len(findings) > 0
    for link in links:
        proof = parse_tlog_proof((directory.path / link).read_bytes())
        entry = (directory.path / link).with_suffix(".entry").read_bytes()
        checkpoint = parse_checkpoint(open_note(proof.checkpoint, [key]).text)
        verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, list(proof.hashes), checkpoint.root)
        assert json.loads(entry)["type"] == "finding"
    assert f"{log.tree.size:,} entries, signed to its end" in ran.text


class _Killed(Notary):
    """A notary that dies while the run is under way."""

    def die_in_time(self, progress):
        if progress.generation == 2:
            os.kill(self.pid, signal.SIGKILL)


def _run_with_a_dying_notary(tmp_path, rung, monkeypatch):
    notaries = []

    def start(*places):
        notaries.append(_Killed(*places))
        return notaries[0]

    monkeypatch.setattr(running, "Notary", start)
    return run_system(
        make_loop(tmp_path / "loop", SLOW, limits={"generations": 40}),
        runs=tmp_path / "runs",
        rung=rung,
        allow_rung=rung,
        progress=lambda progress: notaries[0].die_in_time(progress),  # noqa: PLW0108 - it is started later
    )


def test_a_run_whose_notary_dies_stands_still_and_ends_with_7(tmp_path, rung, monkeypatch):
    ran = _run_with_a_dying_notary(tmp_path, rung, monkeypatch)
    assert ran.exit_code == 7
    assert ran.summary["status"] == "tripped"
    assert ran.summary["generations"] < 40
    assert "nothing after that is signed" in ran.summary["log"]["not_signed"]
    assert "The end of the record is not signed." in ran.report.read_text()


def test_a_key_that_cannot_be_read_ends_the_run_before_its_first_generation(tmp_path, rung, monkeypatch):
    home = tmp_path / "state" / "subcritical"
    home.mkdir(parents=True, mode=0o700)
    (home / "log-key.json").write_text("{")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    ran = run_system(make_loop(tmp_path / "loop", SLOW), runs=tmp_path / "runs", rung=rung, allow_rung=rung)
    assert ran.exit_code == 7
    assert ran.summary["status"] == "tripped"
    assert ran.summary["generations"] < 5
    assert "log-key.json" in ran.summary["log"]["not_signed"]


def test_a_run_that_must_stand_still_while_its_guest_starts_ends_all_the_same(tmp_path, rung, monkeypatch):
    ways_to_say = []
    launch = Containment.launch

    def watched(self, say):
        ways_to_say.append(say)
        return contextlib.nullcontext()

    def launch_when_told(self, spec, **more):
        if spec.name.startswith("guest"):
            ways_to_say[0]("said while the guest starts")
        return launch(self, spec, **more)

    monkeypatch.setattr(Notary, "watched", watched)
    monkeypatch.setattr(Containment, "launch", launch_when_told)
    ran = run_system(make_loop(tmp_path / "loop", SLOW), runs=tmp_path / "runs", rung=rung, allow_rung=rung)
    assert ran.summary["status"] == "tripped"
    assert "said while the guest starts" in ran.summary["why"]
    assert ran.summary["generations"] == 0


def test_planted_without_the_watch_the_run_goes_on_unsigned(tmp_path, rung, monkeypatch):
    monkeypatch.setattr(Notary, "watched", lambda *_: contextlib.nullcontext())
    ran = _run_with_a_dying_notary(tmp_path, rung, monkeypatch)
    assert ran.summary["generations"] == 40
    assert ran.exit_code == 7


def test_a_run_that_was_rolled_back_is_not_gone_on_with(tmp_path, rung):
    loop_file = make_loop(tmp_path / "loop", TAMPERS)
    run_system(loop_file, runs=tmp_path / "runs", rung=rung, allow_rung=rung)
    directory = RunDirectory.find("latest", tmp_path / "runs")
    kept = tmp_path / "kept"
    shutil.copytree(directory.journal, kept)
    run_system(None, resume="latest", runs=tmp_path / "runs", rung=rung, allow_rung=rung)
    shutil.rmtree(directory.journal)
    shutil.copytree(kept, directory.journal)
    before = {path.name: path.read_bytes() for path in directory.journal.iterdir()}
    with pytest.raises(LedgerError, match="rolled back"):
        run_system(None, resume="latest", runs=tmp_path / "runs", rung=rung, allow_rung=rung)
    assert {path.name: path.read_bytes() for path in directory.journal.iterdir()} == before


def test_without_a_folder_for_the_key_nothing_is_started(tmp_path, rung, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="XDG_STATE_HOME"):
        run_system(make_loop(tmp_path / "loop", TAMPERS), runs=tmp_path / "runs", rung=rung, allow_rung=rung)
    assert not (tmp_path / "runs").exists()
