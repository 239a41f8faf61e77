"""From a real run to a bundle that an outsider checks, by the command line; and what a dishonest operator gets."""

import json
import shutil
import sys
import zipfile
from pathlib import Path

import click.testing
import pytest
from audit_cases import without

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "loop"))

from loop_cases import make_loop

from subcritical.cli import main
from subcritical.schema import Finding

GUEST = """
write("evaluate.py", "def evaluate(candidate, data):\\n    return 1\\n")
ask(op="propose", claim="a better evaluator")
threshold(50)
ask(op="propose", claim="the right threshold")
ask(op="done")
"""


def call(*arguments, expect=0):
    ran = click.testing.CliRunner().invoke(main, [str(a) for a in arguments])
    assert ran.exit_code == expect, (ran.output, ran.exception)
    return ran.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A finished, sealed run: options that name its folder and the signer's."""
    place = tmp_path_factory.mktemp("audit-world")
    loop = make_loop(place / "loop", GUEST, tripwires=[])
    ran = click.testing.CliRunner().invoke(
        main, ["run", str(loop), "--runs", str(place / "runs"), "--json", "--fail-on", "critical", "--allow-rung", "R3"]
    )
    assert ran.exit_code in (0, 1), ran.output
    run = next((place / "runs").iterdir())
    options = ("--runs", place / "runs", "--home", place / "home")
    call("ledger", "seal", run.name, *options)
    call("audit", "bundle", run.name, "-o", place / "bundle.zip", *options)
    return place, run, options


def test_the_record_of_a_real_run_verifies(world):
    _, run, options = world
    check = json.loads(call("ledger", "verify", run.name, *options, "--json"))
    assert check["broken"] == []
    assert check["ended"]
    assert check["entries"] == check["signed"] == check["published"] > 10
    kinds = {entry["type"] for entry in json.loads(call("ledger", "show", run.name, *options, "--json"))["entries"]}
    assert kinds >= {"event.proposal", "event.approval", "finding", "batch", "event.end"}


def test_an_outsider_checks_and_replays_the_bundle(world):
    place, _, _ = world
    out = call("audit", "verify", place / "bundle.zip")
    assert out.splitlines()[0].startswith("keys not pinned: self-consistent only")
    assert "the same findings" in call("audit", "replay", place / "bundle.zip")


def test_a_finding_is_proven_to_an_outsider(world, tmp_path):
    _, run, options = world
    entries = json.loads(call("ledger", "show", run.name, *options, "--type", "finding", "--json"))["entries"]
    call("ledger", "prove", run.name, *options, "--seq", entries[0]["seq"], "-o", tmp_path / "proof")
    assert (tmp_path / "proof").read_text().startswith("c2sp.org/tlog-proof@v1\n")
    assert json.loads((tmp_path / "proof.entry").read_bytes())["seq"] == entries[0]["seq"]
    call("ledger", "prove", run.name, *options, "--seq", entries[0]["seq"], "-o", tmp_path / "proof", expect=2)
    call("ledger", "prove", run.name, *options, "--seq", 999_999, "-o", tmp_path / "other", expect=2)


def test_an_operator_who_removes_a_finding_is_found_out(world, tmp_path):
    """The record rebuilt without a finding: this signer refuses, a new one signs, and replay names the events."""
    place, run, options = world
    shutil.copytree(place, tmp_path / "copy")
    run = tmp_path / "copy/runs" / run.name
    options = ("--runs", run.parent, "--home", tmp_path / "copy/home")
    gone = []
    shutil.move(run / "journal", tmp_path / "journal")
    without(
        tmp_path / "journal",
        run / "journal",
        lambda r: isinstance(r, Finding) and r.detector == "evaluator_tampering" and not gone and not gone.append(r),
        run=run.name,
    )
    assert gone
    check = json.loads(call("ledger", "verify", run.name, *options, "--json", expect=7))
    assert "rewritten" in check["broken"][0] or "rolled back" in check["broken"][0]
    call("ledger", "seal", run.name, *options, expect=7)
    call("audit", "bundle", run.name, "-o", tmp_path / "refused", *options, expect=7)
    call("audit", "bundle", run.name, "-o", tmp_path / "bundle", "--runs", run.parent, "--home", tmp_path / "new-home")
    call("audit", "verify", tmp_path / "bundle")
    out = json.loads(call("audit", "replay", tmp_path / "bundle", "--json", expect=7))
    evidence = gone[0].evidence[0]
    places = {(d["detector"], d["first_seq"], d["last_seq"]) for d in out["differences"] if d["what"] == "missing"}
    assert ("evaluator_tampering", evidence.first_seq, evidence.last_seq) in places


def test_a_monitor_watches_what_is_published(world, tmp_path):
    place, run, _ = world
    policy = next(line for line in _policy(place) if line.startswith("log ")).split()[1]
    (tmp_path / "keys").write_text(policy + "\n")
    shutil.copytree(run / "ledger", tmp_path / "ledger")
    options = ("--home", tmp_path / "monitor", "--keys", tmp_path / "keys")
    call("ledger", "monitor", tmp_path / "ledger", *options)
    tile = next((tmp_path / "ledger/tile/0").rglob("*[0-9]"))
    tile = tile if tile.is_file() else next(tile.iterdir())
    tile.write_bytes(bytes(len(tile.read_bytes())))
    found = json.loads(call("ledger", "monitor", tmp_path / "ledger", *options, "--json", expect=7))["findings"]
    assert tile.name in found[0]["detail"]
    call("ledger", "monitor", tmp_path / "ledger", "--home", tmp_path / "monitor", expect=2)


def _policy(place):
    with zipfile.ZipFile(place / "bundle.zip") as archive:
        return archive.read("policy.tlog").decode().splitlines()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("audit", "verify", "no-such-file"), 2, "no such bundle"),
        (("audit", "replay", "no-such-file"), 2, "no such bundle"),
        (("ledger", "verify", "no-such-run"), 2, "no-such-run"),
        (("ledger", "show", "no-such-run"), 2, "no-such-run"),
    ],
)
def test_wrong_names_are_one_clear_line(arguments, code, said):
    ran = click.testing.CliRunner().invoke(main, arguments)
    assert ran.exit_code == code
    assert said in ran.output
    assert "Traceback" not in ran.output


def test_what_is_damaged_is_exit_7(world, tmp_path):
    place, run, options = world
    data = bytearray((place / "bundle.zip").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bundle.zip").write_bytes(data)
    call("audit", "verify", tmp_path / "bundle.zip", expect=7)
    call("audit", "replay", tmp_path / "bundle.zip", expect=7)
    shutil.copytree(run, tmp_path / "runs" / run.name)
    segment = tmp_path / "runs" / run.name / "journal/segment-000001.jsonl"
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    out = call("ledger", "verify", run.name, "--runs", tmp_path / "runs", *options[2:], expect=7)
    assert "BROKEN" in out
    assert "is proven" in out


def test_an_erased_proposal_leaves_the_bundle_verifiable(world, tmp_path):
    place, run, options = world
    shutil.copytree(place, tmp_path / "copy")
    options = ("--runs", tmp_path / "copy/runs", "--home", tmp_path / "copy/home")
    entries = json.loads(call("ledger", "show", run.name, *options, "--type", "event.proposal", "--json"))["entries"]
    seq = entries[-1]["seq"]
    call("ledger", "erase", run.name, *options, seq, "--by", "ann", "--reason", "private")
    call("audit", "bundle", run.name, "-o", tmp_path / "bundle", *options)
    assert "1 records erased, digest kept" in call(
        "audit", "verify", tmp_path / "bundle", "--seen", place / "runs" / run.name / "ledger/checkpoint"
    )
    call("audit", "replay", tmp_path / "bundle")
    finding = json.loads(call("ledger", "show", run.name, *options, "--type", "finding", "--json"))["entries"][0]
    call("ledger", "erase", run.name, *options, finding["seq"], "--by", "ann", "--reason", "ugly", expect=2)
