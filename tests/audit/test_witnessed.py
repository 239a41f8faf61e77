"""A run cosigned by two of three witness processes: what an operator who holds the real key can still not do."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import click.testing
import pytest
from audit_cases import without

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "loop"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ledger"))

from loop_cases import make_loop
from test_audit_commands import GUEST
from witness_world import WitnessProcess, policy_of, witnesses

from subcritical.cli import main
from subcritical.ledger import read_journal
from subcritical.ledger.tlog import (
    LogSigner,
    Policy,
    PolicyLog,
    format_policy,
    format_verifier_key,
    open_note,
    parse_verifier_key,
)
from subcritical.schema import Control, Event, Finding


def call(*arguments, expect=0):
    ran = click.testing.CliRunner().invoke(main, [str(a) for a in arguments])
    assert ran.exit_code == expect, (ran.output, ran.exception)
    return ran.stdout + ran.stderr


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A finished run whose log key is its own: the run, and what commands need to find it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    loop = make_loop(tmp_path / "loop", GUEST, tripwires=[])
    ran = click.testing.CliRunner().invoke(
        main, ["run", str(loop), "--runs", str(tmp_path / "runs"), "--fail-on", "critical", "--allow-rung", "R3"]
    )
    assert ran.exit_code in (0, 1), ran.output
    run = next((tmp_path / "runs").iterdir())
    return tmp_path, run, (run.name, "--runs", run.parent)


def key_of(run):
    return parse_verifier_key(call("ledger", "key", *run).strip().encode())


def policy_file(place, processes, key):
    policy = policy_of(processes)
    named = Policy((PolicyLog(key),), policy.witnesses, policy.groups, policy.quorum)
    (place / "policy").write_bytes(format_policy(named))
    return place / "policy"


def three(place, key):
    log = SimpleNamespace(verifier_key=key)
    return [WitnessProcess(place / f"witness-{number}", logs=(log,)) for number in range(3)]


def test_a_quorum_cosigns_and_an_auditor_who_pins_it_is_content(world):
    place, _, run = world
    with witnesses(*three(place, key_of(run))) as processes:
        policy = policy_file(place, processes, key_of(run))
        call("audit", "bundle", *run, "-o", place / "early", "--policy", policy, expect=7)
        assert "the quorum of" in call("ledger", "seal", *run, "--policy", policy)
        processes[0].kill()
        out = json.loads(call("ledger", "seal", *run, "--policy", policy, "--json"))
        assert len(out["cosigned"]) == 2
        assert len(out["unanswered"]) == 1
        processes[1].kill()
        assert "published with the cosignatures there are" in call("ledger", "seal", *run, "--policy", policy, expect=2)
        call("audit", "bundle", *run, "-o", place / "too-few", "--policy", policy, expect=7)
    with witnesses(*three(place, key_of(run))) as processes:  # the same homes, other ports
        policy = policy_file(place, processes, key_of(run))
        call("ledger", "seal", *run, "--policy", policy)
    call("audit", "bundle", *run, "-o", place / "bundle.zip", "--policy", policy)
    out = call("audit", "verify", place / "bundle.zip", "--policy", policy)
    assert "All checks passed." in out
    assert "not pinned" not in out
    assert "witnesses: w0, w1, w2" in out


def test_a_finding_removed_with_the_real_key_is_caught_by_the_witnesses(world):
    place, run_path, run = world
    with witnesses(*three(place, key_of(run))) as processes:
        policy = policy_file(place, processes, key_of(run))
        call("ledger", "seal", *run, "--policy", policy)
        shutil.move(run_path / "journal", place / "journal")
        dropped = next(record.seq for record in read_journal(place / "journal") if isinstance(record, Finding))
        without(place / "journal", run_path / "journal", lambda record: record.seq == dropped, run=run_path.name)
        shutil.rmtree(run_path / "ledger")
        shutil.rmtree(place / "state/subcritical/signed")  # what the signer remembers; the key stays
        call("ledger", "seal", *run)  # self-consistent again
        assert "second history" in call("ledger", "seal", *run, "--policy", policy, expect=7)
        call("audit", "bundle", *run, "-o", place / "forged.zip")
        assert "keys not pinned" in call("audit", "verify", place / "forged.zip")
        assert "is not met" in call("audit", "verify", place / "forged.zip", "--policy", policy, expect=7)
        assert "MISSING" in call("audit", "replay", place / "forged.zip", expect=7)


def test_a_policy_for_another_key_is_refused_before_anybody_is_asked(world):
    place, _, run = world
    with witnesses(*three(place, key_of(run))) as processes:
        policy = policy_file(place, processes, LogSigner("another.example/log", bytes(32)).verifier_key)
        assert "ledger key" in call("ledger", "seal", *run, "--policy", policy, expect=2)
        assert all(process.log() == "" for process in processes)


def test_a_rotation_is_recorded_with_a_statement_of_the_old_key_and_both_keys_stay_good(world):
    place, run_path, run = world
    old = key_of(run)
    before = (run_path / "ledger/checkpoint").read_bytes()
    assert "the log key is now" in call("ledger", "rotate", *run, "--by", "ann", "--reason", "yearly")
    new = key_of(run)
    assert new != old
    orders = [
        record.data
        for record in read_journal(run_path / "journal")
        if isinstance(record, Event) and isinstance(record.data, Control) and record.data.order == "rotate_log_key"
    ]
    statement = orders[0].reason.partition("\n")[2].encode()
    assert format_verifier_key(new) in open_note(statement, [old]).text
    assert json.loads(call("ledger", "verify", *run, "--json"))["broken"] == []
    call("audit", "bundle", *run, "-o", place / "bundle.zip")
    for keys, good in (((old, new), 0), ((new,), 0), ((old,), 7)):
        policy = Policy(tuple(PolicyLog(key) for key in keys), (), (), None)
        (place / "policy").write_bytes(format_policy(policy))
        (place / "seen").write_bytes(before)
        pinned = ("--policy", place / "policy", "--seen", place / "seen")
        assert "no END" not in call("audit", "verify", place / "bundle.zip", *pinned, expect=good)
    call("ledger", "rotate", *run, "--by", " ", "--reason", "x", expect=2)
