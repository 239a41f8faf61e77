"""C1 to C9: what a sandbox may use is bounded, the machine stays usable, and the end names the limit."""

import importlib

import msgspec
import pytest

from conftest import SMALL, host_latency_s, promised
from subcritical.sandbox import collect

COLLECTOR = importlib.import_module("subcritical.sandbox.collect")  # the package has a function of that name
USABLE_S = 5.0
"""A process starts within this on a busy machine; it takes milliseconds on an idle one."""


def test_c1_a_fork_bomb_meets_the_process_limit(rung, attack):
    begun = attack(rung, "fill.py", ("forks",), settings={"attempts": 3000, "seconds": 1})
    begun.until_said("bombing")
    latency = host_latency_s()
    begun.finish()
    print(f"born {begun.said['born']}, refused {begun.said['refused']}, a process starts in {latency * 1000:.0f} ms")
    assert 5 <= begun.said["born"] <= SMALL.processes
    assert begun.said["refused"] == 3000 - begun.said["born"]
    assert "processes" in begun.exit.limits_hit
    assert latency < USABLE_S
    assert begun.all_gone()


def test_c1_control_without_the_limit_they_are_all_born(rung, attack):
    limits = msgspec.structs.replace(SMALL, memory_bytes=1 << 30)
    settings = {"attempts": 150, "seconds": 0}
    begun = attack(rung, "fill.py", ("forks",), limits=limits, without=("process_limit",), settings=settings).finish()
    assert begun.said["born"] == 150


def test_c3_memory_split_over_processes_ends_at_the_limit(rung, attack):
    """On R2 the kernel bounds each process; the sum is sampled, and what is above it is killed."""
    limits = msgspec.structs.replace(SMALL, memory_bytes=200 << 20)
    settings = {"processes": 2, "mib": 150, "seconds": 3}
    begun = attack(rung, "fill.py", ("memory",), limits=limits, settings=settings)
    latency = host_latency_s()
    begun.finish()
    print(begun.said, f"a process starts in {latency * 1000:.0f} ms")
    assert begun.exit is not None
    assert "memory" in begun.exit.limits_hit
    assert begun.said.get("survived", 0) < 2
    assert latency < USABLE_S
    assert begun.all_gone()


def test_c3_memory_of_one_process_ends_at_the_limit(rung, attack):
    limits = msgspec.structs.replace(SMALL, memory_bytes=100 << 20)
    begun = attack(
        rung, "fill.py", ("memory",), limits=limits, settings={"processes": 1, "mib": 150, "seconds": 3}
    ).finish()
    assert "memory" in begun.exit.limits_hit
    assert begun.said.get("survived", 0) == 0


def test_c3_control_above_the_need_both_processes_live(rung, attack):
    limits = msgspec.structs.replace(SMALL, memory_bytes=1 << 30)
    settings = {"processes": 2, "mib": 150, "seconds": 1}
    begun = attack(rung, "fill.py", ("memory",), limits=limits, without=("memory_limit",), settings=settings).finish()
    assert (begun.said["survived"], begun.exit.limits_hit) == (2, ())


WAYS = {"memfd": "descriptors", "shared": "shared memory", "sockets": "sockets", "segments": "System V"}
"""What a rung's printed table must name where it cannot bound it."""


@pytest.mark.parametrize("way", WAYS)
def test_c4_memory_that_belongs_to_no_process_ends_at_the_limit(rung, attack, way):
    """Refused, or killed at the limit and said so. Held only where the printed table names it; then the clock ends it."""
    limits = msgspec.structs.replace(SMALL, memory_bytes=100 << 20, disk_bytes=64 << 20)
    begun = attack(rung, "fill.py", (way,), limits=limits, settings={"mib": 240, "seconds": 2.5})
    ended = begun.sandbox.wait(20)
    latency = host_latency_s()
    begun.finish(0)
    print(begun.said, f"a process starts in {latency * 1000:.0f} ms")
    # Which of its processes the kernel ends at the limit is the kernel's choice: the one that reports may live on.
    stopped = ended is not None and "memory" in ended.limits_hit
    held = begun.said.get("survived", 0) == 1 and not stopped
    refused = ended is not None and ended.code == 1 and "OSError" in begun.stderr or "PermissionError" in begun.stderr
    assert not held or not promised(rung, rf"memory.*{WAYS[way]}"), f"{rung} held 240 MiB by {way} below a limit of 100"
    assert held or refused or "memory" in ended.limits_hit
    assert latency < USABLE_S
    assert begun.all_gone()


@pytest.mark.parametrize("way", WAYS)
def test_c4_control_without_a_limit_it_is_held(rung, attack, way):
    limits = msgspec.structs.replace(SMALL, memory_bytes=1 << 30, disk_bytes=256 << 20)
    without = ("memory_limit", "seccomp")
    begun = attack(
        rung, "fill.py", (way,), limits=limits, without=without, settings={"mib": 240, "seconds": 0.2}
    ).finish()
    assert begun.said.get("survived") == 1, begun.stderr


def test_c5_c6_disk_ends_at_the_limit_of_bytes_and_of_files(rung, attack):
    begun = attack(rung, "fill.py", ("disk",), settings={"mib": 16, "seconds": 1}).finish()
    print(begun.said)
    assert begun.said["written"] <= SMALL.disk_bytes
    assert "disk" in begun.exit.limits_hit
    files = attack(rung, "fill.py", ("inodes",), settings={"attempts": 30_000}).finish()
    print(files.said)
    assert 100 < files.said["made"] <= SMALL.inodes
    assert "inodes" in files.exit.limits_hit


def test_c5_c6_control_without_the_limits_all_of_it_fits(rung, attack):
    without = ("disk_limit", "inode_limit")
    assert (
        attack(rung, "fill.py", ("disk",), without=without, settings={"mib": 16}).finish().said["written"] == 48 << 20
    )
    assert (
        attack(rung, "fill.py", ("inodes",), without=without, settings={"attempts": 3000}).finish().said["made"] == 3000
    )


def test_c7_a_sparse_file_is_neither_made_nor_read(rung, attack):
    """The file size limit refuses a TiB; without that limit the collector still does not read it."""
    begun = attack(rung, "fill.py", ("sparse",), settings={"bytes": 1 << 40}).finish()
    assert begun.exit.signal or begun.said["refused"]
    made = attack(rung, "fill.py", ("sparse",), without=("disk_limit",), settings={"bytes": 1 << 40}).finish()
    assert made.said["size"] == 1 << 40
    found = collect(made.sandbox.workspace_fd)
    print(found.refused)
    assert "sparse.bin" in dict(found.refused)
    assert found.files["honest.py"] == b"x = 1\n"


def test_c7_control_a_collector_that_looks_at_no_blocks_reads_what_is_not_there(rung, attack, monkeypatch):
    made = attack(rung, "fill.py", ("sparse",), without=("disk_limit",), settings={"bytes": 12 << 20}).finish()
    assert dict(collect(made.sandbox.workspace_fd).refused)["sparse.bin"] == "is sparse"
    monkeypatch.setattr(COLLECTOR, "_bad_kind", lambda reading, status: "")
    assert len(collect(made.sandbox.workspace_fd).files["sparse.bin"]) == 12 << 20


def test_c8_both_outputs_flooded_at_once_are_cut_and_block_nobody(rung, attack):
    begun = attack(rung, "fill.py", ("loud",), settings={"mib": 64}).finish(60)
    output = begun.sandbox.output()
    print(len(output.stdout), output.stdout_dropped, len(output.stderr), output.stderr_dropped)
    for kept, dropped in ((output.stdout, output.stdout_dropped), (output.stderr, output.stderr_dropped)):
        assert len(kept) == SMALL.output_bytes
        assert len(kept) + dropped == 64 << 20
    assert begun.exit.code == 0
    assert "output" in begun.exit.limits_hit


def test_c8_control_without_the_cap_the_supervisor_keeps_it_all(rung, attack):
    begun = attack(rung, "fill.py", ("loud",), without=("output_cap",), settings={"mib": 4}).finish()
    assert len(begun.sandbox.output().stdout) == 4 << 20


def test_c9_spinning_stops_at_the_cpu_limit_and_sleeping_at_the_clock(rung, attack):
    limits = msgspec.structs.replace(SMALL, cpu_s=1.0)
    spinning = attack(rung, "fill.py", ("spin",), limits=limits, settings={"seconds": 40}).finish(30)
    print(spinning.exit)
    assert spinning.exit is not None
    assert "cpu" in spinning.exit.limits_hit
    assert spinning.all_gone()
    sleeping = attack(rung, "fill.py", ("sleep",), settings={"seconds": 40})
    assert sleeping.sandbox.wait(0.5) is None
    assert sleeping.sandbox.handle.kill(10).verified
    assert sleeping.all_gone()


def test_c9_control_with_room_both_go_on(rung, attack):
    limits = msgspec.structs.replace(SMALL, cpu_s=60.0)
    begun = attack(rung, "fill.py", ("spin",), limits=limits, settings={"seconds": 1.5})
    assert begun.sandbox.wait(0.7) is None
    begun.finish()
    assert (begun.exit.code, begun.exit.limits_hit) == (0, ())
