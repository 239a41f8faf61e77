"""What the machine can do is found by trying, and one command runs contained."""

import os
import time
from pathlib import Path

import msgspec
import pytest

from subcritical.clock import SystemClock
from subcritical.errors import ContainmentError, InputError
from subcritical.sandbox import Containment, Limits, Rung, probe, run_contained
from subcritical.sandbox._cgroups import discover


def test_rungs_come_strongest_first_and_every_missing_one_has_a_reason():
    found = probe()
    assert list(found.available) == sorted(found.available)
    assert found.strongest == (found.available[0] if found.available else None)
    assert set(found.unavailable) | set(map(str, found.available)) == {"R1", "R2", "R3"}
    assert all(found.unavailable.values())
    msgspec.json.encode(found)


@pytest.mark.parametrize(
    ("hidden", "impossible"),
    [
        ("control_groups", {Rung.R1}),
        ("user_namespaces", {Rung.R1, Rung.R2}),
        ("bubblewrap", {Rung.R1, Rung.R2}),
        ("landlock", set(Rung)),
        ("seccomp", set(Rung)),
    ],
)
def test_a_missing_mechanism_lowers_the_rung(hidden, impossible):
    weaker = probe(_hide=frozenset({hidden}))
    assert not impossible & set(weaker.available)
    assert set(weaker.available) == set(probe().available) - impossible
    assert impossible <= {Rung(name) for name in weaker.unavailable}


def test_weaker_rungs_promise_less():
    found = probe()
    lines = [set(found.not_guaranteed(rung)) for rung in Rung]
    assert lines[0] < lines[1] < lines[2]


def test_a_rung_without_its_mechanism_is_refused(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ContainmentError, match="bubblewrap"):
        Containment(run="none", rung=Rung.R2, clock=SystemClock())


def test_a_broken_bubblewrap_fails_closed(monkeypatch, tmp_path, namespaced, sleeper):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    fake.chmod(0o755)
    for place in (tmp_path, *tmp_path.parents[:-2]):
        place.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with Containment(run="none", rung=namespaced, clock=SystemClock()) as containment:
        with pytest.raises(ContainmentError, match="broken"):
            containment.launch(sleeper())
        assert containment.handle.verify().survivors == 0


def test_control_groups_are_found_without_leaving_anything(rung):
    if rung is not Rung.R1:
        pytest.skip("no control groups here")
    found = discover()
    assert found.unified is not None
    assert not list(found.unified.glob("subcritical-trial*"))


def test_a_command_runs_at_the_places_it_was_given(rung, tmp_path):
    workspace, data = tmp_path / "work", tmp_path / "data"
    workspace.mkdir(mode=0o700)
    data.mkdir()
    for place in (data, tmp_path, *tmp_path.parents[:-2]):
        place.chmod(0o755)
    (workspace / "in.txt").write_text("in")
    (workspace / "in.txt").chmod(0o600)
    (data / "d.txt").write_text("data")
    command = ["sh", "-c", f"pwd; cat in.txt {data}/d.txt; echo out > out.txt; echo $K; echo x > {data}/d.txt"]
    done = run_contained(
        command, rung=rung, workspace=workspace, read_only=[data], env={"K": "v"}, timeout_s=20, clock=SystemClock()
    )
    assert done.stdout.decode().split() == [str(workspace), "indatav"]
    assert done.exit != 0
    assert (data / "d.txt").read_text() == "data"
    assert (workspace / "out.txt").read_text() == "out\n"
    assert (workspace / "out.txt").stat().st_uid == os.getuid()
    assert (done.survivors, done.limits_hit, done.rung) == (0, (), rung)


def test_a_command_that_does_not_end_is_killed(rung):
    begin = time.monotonic()
    done = run_contained(["sleep", "600"], rung=rung, timeout_s=0.2, clock=SystemClock())
    assert (done.exit, done.limits_hit, done.survivors) == (137, ("wall",), 0)
    assert time.monotonic() - begin < 30


def test_places_the_sandbox_needs_cannot_be_covered(namespaced):
    for place in ("/proc", "/usr", "/", "/dev"):
        with pytest.raises(InputError):
            run_contained(["true"], rung=namespaced, read_only=[Path(place)], clock=SystemClock())


@pytest.mark.parametrize(
    "limits", [Limits(processes=0), Limits(disk_bytes=0), Limits(cpu_s=0.0), Limits(output_bytes=-1)]
)
def test_limits_that_mean_nothing_are_refused(limits):
    with pytest.raises(InputError):
        run_contained(["true"], rung=probe().available[0], limits=limits, clock=SystemClock())
