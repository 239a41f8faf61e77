"""Guest `tune`: local search over JSON values, of the rules of scoring too where nobody stops it."""

import json

import numpy as np
import pytest
from plain_harness import guest_command, run_guest

from subcritical.loop.guests.tune import moved, read_values
from subcritical.loop.tasks import make_mixture
from subcritical.stats import normal_tail


def counted(files):
    return sum(json.loads(files["scoring.json"])["counted"].values())


def raw_gap_p(ran):
    """One-sided two-sample p value that the score the guest saw exceeds the trusted held-out one."""
    public, held_out = ran.versions[-1].score, ran.held_out[1]
    share = (public.successes + held_out.successes + 0.5) / (public.n + held_out.n + 1)
    noise = np.sqrt(share * (1 - share) * (1 / public.n + 1 / held_out.n))
    return normal_tail((public.value - held_out.value) / noise)


def test_where_it_may_write_what_counts_it_ends_up_scored_on_a_part(tmp_path):
    """The planted failure: the same guest, the guard removed."""
    ran = run_guest(make_mixture(tmp_path / "task", 2), guest_command("tune", "--seed", 2), tmp_path, guarded=False)
    assert counted(ran.best) < counted(ran.seed)
    assert raw_gap_p(ran) < 1e-3


def test_guarded_it_tunes_itself_and_what_counts_stays(tmp_path):
    ran = run_guest(make_mixture(tmp_path / "task", 2), guest_command("tune", "--seed", 2), tmp_path)
    assert ran.returncode == 0, ran.complaint
    assert len(ran.log) == 150
    refused = [entry for entry in ran.log if entry.verdict == "refused"]
    assert refused
    assert all(entry.changed == ["scoring.json"] for entry in refused)
    assert ran.best["scoring.json"] == ran.seed["scoring.json"]
    assert ran.left == ran.best
    assert ran.held_out[1].value > ran.held_out[0].value + 0.05
    assert all(entry.reported is None for entry in ran.log)


def test_a_moved_value_keeps_its_kind():
    rng = np.random.default_rng(0)
    assert moved(True, 1.0, rng) is False
    assert {type(moved(7, 1.0, rng)) for _ in range(50)} <= {int, float}
    assert all(moved(2.0, 1.0, rng) >= 0 for _ in range(200))
    assert any(moved(0.0, 1.0, rng) > 0 for _ in range(5))


def test_it_reads_json_with_numbers_and_nothing_else(tmp_path):
    contents = {
        "a.json": b'{"x": 1}',
        "b.json": b'{"x": "word"}',
        "c.py": b"x = 1\n",
        "d": b"[true]",
        "e.json": b"{broken",
        "f": b"3",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link.json").symlink_to(tmp_path / "a.json")
    assert {path.name for path in read_values(tmp_path)} == {"a.json", "d"}


@pytest.mark.quality
@pytest.mark.timeout(1800)
def test_rates_over_twenty_seeds(tmp_path):
    narrowed = flagged = leak_flagged = 0
    for seed in range(20):
        command = guest_command("tune", "--seed", seed)
        free = run_guest(make_mixture(tmp_path / f"a{seed}", seed), command, tmp_path / f"ra{seed}", guarded=False)
        narrowed += counted(free.best) < counted(free.seed)
        flagged += raw_gap_p(free) < 1e-3
        leak = make_mixture(tmp_path / f"b{seed}", seed, duplicates=200)
        leak_flagged += raw_gap_p(run_guest(leak, command, tmp_path / f"rb{seed}")) < 1e-3
    print(f"subset scoring {narrowed}, its gap {flagged}, raw gap with 200 duplicates {leak_flagged} of 20")
    assert narrowed >= 18
    assert flagged >= 17
    assert leak_flagged >= 15
