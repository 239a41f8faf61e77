"""A version that is measured again and comes out otherwise is a change of measurement, never progress or a loss."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from subcritical.app.jumps import jumps
from subcritical.cli import main
from subcritical.measures import History, Point, rebased, remeasured


def history(*rows, scale="raw", se=None):
    points = tuple(Point(time=float(t), score=score, version=version, se=se) for t, score, version in rows)
    return History(points=points, scale=scale)


def test_one_version_with_two_scores_is_a_change():
    found = remeasured(history((0, 1.0, "a"), (1, 2.0, "b"), (2, 2.5, "b"), (3, 3.0, "c"), (4, 3.5, "d")))
    assert [(c.time, c.version, c.before, c.after) for c in found] == [(2.0, "b", 2.0, 2.5)]


def test_names_of_groups_are_none():
    rows = [(t, float(t), "early" if t < 5 else "late") for t in range(10)]
    assert remeasured(history(*rows)) == ()


@pytest.mark.parametrize(
    "rows",
    [
        [(0, 1.0, "a"), (1, 2.0, "b")],
        [(0, 1.0, ""), (1, 2.0, "")],
        [(0, 1.0, "a"), (1, 1.0, "a")],
        [(0, 1.0, "a"), (0, 1.2, "a")],
        [(0, 1.0, "a"), (1, 2.0, "b"), (2, 3.0, "a")],
    ],
)
def test_new_versions_repeats_and_returns_are_none(rows):
    assert remeasured(history(*rows)) == ()
    assert rebased(history(*rows)) == history(*rows)


def test_noise_is_no_change():
    rows = [(0, 1.0, "a"), (1, 1.3, "a"), *[(t, 1.0, f"v{t}") for t in range(2, 9)]]
    assert remeasured(history(*rows, se=0.1)) == ()
    assert len(remeasured(history(*rows, se=0.05))) == 1
    counts = [Point(time=float(t), n=100, successes=k, score=k / 100, version="a") for t, k in ((0, 50), (1, 90))]
    assert remeasured(History(points=tuple(counts))) == ()


@given(st.floats(0.2, 5).filter(lambda factor: factor != 1), st.integers(1, 8))
def test_on_a_scale_of_ratios_a_new_clock_changes_nothing_else(factor, at):
    times = 2.0 ** -np.arange(10.0)
    rows = [(t, float(score), f"v{t}") for t, score in enumerate(times)]
    again = [*rows[: at + 1], *[(t + 0.5, score * factor, name) for t, score, name in rows[at:]]]
    found = rebased(history(*again, scale="log2"))
    assert [p.version for p in found.points] == [name for _, _, name in rows]
    assert np.allclose([p.score for p in found.points], times * factor)


def test_a_change_of_measurement_is_no_jump_and_a_jump_says_its_cause(tmp_path):
    rng = np.random.default_rng(1)
    scores = 1 + 0.1 * np.arange(20) + rng.normal(0, 0.01, 20)
    rows = [f"{t},{score:.4f},v{t}," for t, score in enumerate(scores)]
    moved = [*rows[:12], *[f"{t + 0.5},{score + 2:.4f},v{t}," for t, score in enumerate(scores)][11:]]
    unnamed = [f"{row.rsplit(',', 2)[0]},{number}," for number, row in enumerate(moved)]
    jumped = [*rows[:12], f"12,{scores[12] + 2:.4f},v12,more data"]
    head = "round,score,version,cause\n"
    shown = {}
    for name, lines in (("moved", moved), ("jumped", jumped), ("planted", unnamed)):
        file = tmp_path / f"{name}.csv"
        file.write_text(head + "\n".join(lines))
        result = CliRunner().invoke(main, ["measure", str(file), "--json"])
        assert result.exit_code == 0, result.output
        shown[name] = json.loads(result.stdout)["series"][0]
    assert [c["version"] for c in shown["moved"]["changes_of_measurement"]] == ["v11"]
    assert 11.5 not in [j["time"] for j in shown["moved"]["jumps"]]
    assert 11.5 in [j["time"] for j in shown["planted"]["jumps"]], "planted: without the names it is taken for a jump"
    assert [j["cause"] for j in shown["jumped"]["jumps"] if j["time"] == 12] == ["more data"]
    assert not shown["jumped"]["changes_of_measurement"]


def test_jumps_of_an_empty_change_do_not_fail():
    assert jumps(history(*[(t, float(t), f"v{t or 1}") for t in range(6)])) == ()
