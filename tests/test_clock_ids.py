from __future__ import annotations

import re
import time

from subcritical.clock import FakeClock, SystemClock
from subcritical.ids import Ids, nonce


def test_a_fake_clock_moves_only_when_told():
    clock = FakeClock(10)
    assert (clock.wall_ns(), clock.boot_ns()) == (10, 10)
    clock.advance(5)
    assert (clock.wall_ns(), clock.boot_ns()) == (15, 15)


def test_the_system_clock_reads_calendar_and_time_since_boot():
    clock = SystemClock()
    before, boot, after = time.time_ns(), clock.boot_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert abs(clock.wall_ns() - before) < 3_600 * 10**9
    assert boot <= after
    assert clock.boot_ns() >= boot


def test_run_names_sort_by_start_time():
    clock, ids = FakeClock(1_795_535_028 * 10**9), Ids()
    names = []
    for _ in range(5):
        names.append(ids.run(clock))
        clock.advance(10**9)
    assert names == sorted(names)
    assert re.fullmatch(r"20261124-154348-[0-9a-f]{6}", names[0])


def test_seeded_ids_repeat_and_others_do_not():
    assert Ids(1).record("f") == Ids(1).record("f")
    assert Ids(1).record("f") != Ids(2).record("f")
    assert len({Ids().record("f") for _ in range(200)}) == 200
    assert re.fullmatch(r"f-[0-9a-f]{10}", Ids().record("f"))


def test_nonces_cannot_be_seeded_or_repeat():
    assert len({nonce() for _ in range(200)}) == 200
    assert re.fullmatch(r"[0-9a-f]{32}", nonce())
