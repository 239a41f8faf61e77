"""Measures of growth on histories that none of us wrote. Figures are printed; what is known of them is asserted."""

import csv
import os
import re
from datetime import datetime
from pathlib import Path

import pytest

from subcritical.app.histories import read_table
from subcritical.app.jumps import jumps
from subcritical.measures import average_doubling_time, average_velocity, remeasured, returns, velocity

SHARED = Path(os.environ.get("SUBCRITICAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not (SHARED / "MANIFEST.md").exists(),
    reason=f"NOT MEASURED: real data is missing, set SUBCRITICAL_DATA (looked in {SHARED})",
)


def rows(name):
    return list(csv.DictReader((SHARED / name).read_text(encoding="utf-8-sig").splitlines()))


def histories(tmp_path, header, lines, scale=None):
    file = tmp_path / "table.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(lines)
    return read_table(file, scale=scale)


def horizons():
    """Release day and 50 % time horizon (minutes) of each model that set a new best."""
    days = {row["id"]: row["Version release date"] for row in rows("epoch_eci/model_versions.csv")}
    found = [
        (days[row["Model version"]], float(row["Time horizon"]), row["Model version"])
        for row in rows("epoch_eci/external_benchmark_metr.csv")
        if days.get(row["Model version"]) and row["Time horizon"]
    ]
    best, frontier = 0.0, []
    for one in sorted(found):
        if one[1] > best:
            best = one[1]
            frontier.append(one)
    return frontier


@pytest.mark.parametrize(("since", "published"), [("2019", 196.5), ("2023", 130.8)])
def test_time_horizons_double_about_as_published(tmp_path, since, published):
    """The table ends in September 2025 and holds fewer models than the publication, which goes to January 2026."""
    lines = [one for one in horizons() if one[0] >= since]
    (history,) = histories(tmp_path, ("time", "score", "version"), lines, scale="log2")
    found = average_doubling_time(history)
    days = [365.25 * value for value in (found.estimate, found.low, found.high)]
    print(
        f"since {since}: {len(lines)} models, doubling {days[0]:.0f} d [{days[1]:.0f}, {days[2]:.0f}]; published {published} d"
    )
    assert days[1] < published * 1.15
    assert days[2] > published * 0.85


def test_katago_learning_rate_drops_are_found_at_the_first_network_after_them(tmp_path):
    lines = [
        (row["days_selfplay"], row["elo"], f"{row['blocks']}x{row['channels']}", row["note"])
        for row in rows("katago/training_history.csv")
        if row["days_selfplay"] != "-" and row["net"].startswith("g170")
    ]
    found = {
        history.system: [(jump.time, jump.version) for jump in jumps(history, log_time=True)]
        for history in histories(tmp_path, ("time", "score", "system", "version"), lines)
    }
    print(found)
    for size in ("30x320", "40x256"):
        assert found[size][0][0] == 150.0
        assert "learning rate" in found[size][0][1]
    others = [one for size in found.values() for one in size if "learning rate" not in one[1]]
    assert others == []


def test_the_stockfish_jump_is_the_largest_of_all_that_are_said(tmp_path):
    lines = [
        (row["date"], row["chain"], float(row["err95"]) / 1.96, row["date"])
        for row in rows("stockfish/chained_elo_1T.csv")
    ]
    (history,) = histories(tmp_path, ("time", "score", "se", "version"), lines)
    found = jumps(history)
    largest = max(found, key=lambda jump: jump.statistic)
    print(f"{len(found)} of {len(lines)} tests say a jump; the largest: {largest}")
    for jump in found:
        if jump is not largest:
            print(f"  counted as false, nobody labelled it: {jump.version}, {jump.size:.1f} Elo, {jump.statistic:.1f}")
    assert largest.version == "2020-08-06"
    assert largest.statistic > 3 * sorted(jump.statistic for jump in found)[-2]


def test_a_leaderboard_of_a_few_runs_gives_no_rate(tmp_path):
    text = (SHARED / "nanochat" / "LEADERBOARD.md").read_text()
    lines = []
    for run in re.split(r"\n## Run ", text)[1:]:
        day = re.search(r"Achieved (\w+ \d+ \d{4})", run)
        seconds = re.search(r"total_training_time\s+([\d.]+)", run)
        if day and seconds:
            lines.append((datetime.strptime(day[1], "%b %d %Y").date().isoformat(), float(seconds[1]) / 3600, "down"))  # noqa: DTZ007
    assert len(lines) >= 3
    (history,) = histories(tmp_path, ("time", "score", "direction"), lines, scale="log2")
    found = velocity(history)
    print(f"{len(lines)} records: {found}")
    assert found.estimate is None or found.low < 0.5 * found.estimate


def test_the_speed_race_has_a_velocity_and_returns_with_intervals(tmp_path):
    records = [row for row in rows("modded_nanogpt/records.csv") if row["track"] == "1"]
    lines = [(row["date"], row["minutes"], "down", index + 1) for index, row in enumerate(records)]
    (history,) = histories(tmp_path, ("time", "score", "direction", "work"), lines, scale="log2")
    speed, r = average_velocity(history), returns(history)
    print(f"halvings a year {speed.estimate:.2f} [{speed.low:.2f}, {speed.high:.2f}]; published 1.84 [1.50, 2.14]")
    print(f"r by number of records {r.estimate:.2f} [{r.low:.2f}, {r.high:.2f}]; published .81")
    assert speed.low < 1.84 < speed.high
    assert r.low < 0.81 < r.high


def test_re_timings_of_the_speed_race_are_changes_of_measurement(tmp_path):
    records = [row for row in rows("modded_nanogpt/records.csv") if row["track"] == "1"]
    lines = [(row["date"], row["minutes"], "down", row["record"], row["description"]) for row in records]
    (history,) = histories(tmp_path, ("time", "score", "direction", "version", "cause"), lines, scale="log2")
    changes = remeasured(history)
    assert [(c.version, c.before, c.after) for c in changes] == [("21", 2.933, 2.997), ("21", 2.997, 3.014)]
    found = jumps(history)
    print(
        f"{len(found)} jumps in {len(records)} rows, at one false alarm in 40: {[(j.version, j.cause) for j in found]}"
    )
    assert not {j.time for j in found} & {c.time for c in changes}
    assert all(j.cause for j in found)
