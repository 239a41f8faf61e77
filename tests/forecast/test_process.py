"""Loops with known returns: recovered, carried on, and refused where work does not grow."""

import numpy as np
import pytest
from click.testing import CliRunner

from subcritical.cli import main
from subcritical.errors import InputError
from subcritical.forecast import forecast_process, simulate_process


def loop(r, seed, n=40, noise=0.15):
    generator = np.random.default_rng(seed)
    work = 1 + np.cumsum(generator.exponential(1, n + 5))
    return work, simulate_process(r, noise, work, generator)


@pytest.mark.parametrize("r", [0.5, 1.1, 2.5])
def test_known_returns_are_recovered_and_the_next_steps_lie_in_the_fan(r):
    held = ahead = 0
    for seed in range(200):
        work, y = loop(r, seed)
        # The last five steps are kept; the work of the forecast is made the same as theirs would have been.
        found = forecast_process(work[:40], y[:40], ahead=1, seed=seed)
        held += found.r_low <= r <= found.r_high
        step = np.log2(found.work[0] / work[39])
        truth = y[39] + r * step + 0.15 * np.sqrt(step) * np.random.default_rng(seed + 10_000).normal()
        ahead += found.doublings[0][0] <= truth <= found.doublings[4][0]
    print(f"r {r}: 95 % interval held {held}/200, 90 % fan one step ahead {ahead}/200")
    assert held >= 178
    assert ahead >= 165


def test_whether_r_is_above_one_is_a_probability():
    low, high = (forecast_process(*loop(r, 3)).r_above_one for r in (0.4, 2.5))
    assert low < 0.05
    assert high > 0.95


def test_work_must_grow():
    with pytest.raises(InputError, match="grow"):
        forecast_process(np.array([1.0, 2.0, 2.0, 3.0]), np.arange(4.0))
    with pytest.raises(InputError, match="positive"):
        forecast_process(np.array([0.0, 1.0, 2.0, 3.0]), np.arange(4.0))
    with pytest.raises(InputError, match="ahead"):
        forecast_process(np.arange(1.0, 9.0), np.arange(8.0), ahead=0)
    with pytest.raises(InputError, match="grow"):
        simulate_process(1.0, 0.1, np.array([2.0, 1.0]), np.random.default_rng(1))


def test_the_command_reads_a_table_of_work_or_of_counts(tmp_path):
    work, y = loop(1.2, 1)
    table = tmp_path / "scores.csv"
    table.write_text(
        "round,score,work\n" + "".join(f"{i},{2**v},{w}\n" for i, (v, w) in enumerate(zip(y, work, strict=True)))
    )
    said = CliRunner().invoke(main, ["forecast", str(table)])
    assert said.exit_code == 0, said.output
    assert "r is above 1 in" in said.output
    table.write_text("round,n,successes\n" + "".join(f"{i},400,{100 + 5 * i}\n" for i in range(30)))
    said = CliRunner().invoke(main, ["forecast", str(table), "--threshold", "0.8"])
    assert "probability" in said.output
    table.write_text("round,score\n1,2\n2,3\n")
    said = CliRunner().invoke(main, ["forecast", str(table)])
    assert said.exit_code == 2
    assert "cumulative `work`" in said.output
    table.write_text("round,score,system\n1,2,a\n2,3,b\n")
    assert "one system" in CliRunner().invoke(main, ["forecast", str(table)]).output
