"""The command as people type it, on tables good and bad."""

import json

import pytest
from click.testing import CliRunner

from subcritical.cli import main


def run(*arguments):
    return CliRunner().invoke(main, ["measure", *map(str, arguments)])


def table(tmp_path, text):
    file = tmp_path / "scores.csv"
    file.write_text(text)
    return file


GOOD = "time,score,version\n" + "".join(f"2024-{m:02}-01,{2 ** (m / 3)},v{m}\n" for m in range(1, 13))


def test_a_table_of_dates_gives_years(tmp_path):
    result = run(table(tmp_path, GOOD), "--scale", "log2", "--json")
    assert result.exit_code == 0, result.output
    measures = json.loads(result.stdout)["measures"]
    assert measures["average_velocity"]["unit"] == "doublings/year"
    assert measures["average_velocity"]["estimate"] == pytest.approx(4.0, rel=0.02)
    assert measures["r"]["estimate"] is None
    assert set(measures["velocity"]) == {"estimate", "low", "high", "level", "unit", "method", "n", "why"}


def test_several_systems_are_several_series(tmp_path):
    rows = "".join(f"{s},{t},{t * 10 + 1}\n" for s in ("a", "b") for t in range(9))
    data = json.loads(run(table(tmp_path, "system,round,score\n" + rows), "--json").stdout)
    assert [one["system"] for one in data["series"]] == ["a", "b"]
    assert data["measures"] == {}


def test_a_threshold_is_in_the_tables_unit(tmp_path):
    result = run(table(tmp_path, GOOD), "--scale", "log2", "--threshold", "32")
    assert "time_to_threshold" in result.output


def test_a_chart_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    target = tmp_path / "chart.svg"
    assert run(table(tmp_path, GOOD), "--plot", target).exit_code == 0
    assert target.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1:"),
        ("time,score\n", "a header and no rows"),
        ("time,scroe\n1,2\n", "'scroe' is unknown"),
        ("time,time\n1,2\n", "given twice"),
        ("score\n1\n", "`time` or `round`"),
        ("time,score\n1,2,3\n", ":2: not as many fields"),
        ("time,score\nsoon,2\n", ":2: time 'soon'"),
        ("time,score\n1,many\n", ":2: score 'many'"),
        ("time,score\n1,inf\n", ":2: score 'inf' is not finite"),
        ("time,score\n1,\n", ":2: neither score"),
        ("time,score,direction\n1,2,left\n", ":2: direction 'left'"),
        ("time,score,direction\n1,2,up\n2,3,down\n", "changes between rows"),
        ("time,score\n2024-01-01,2\n2,3\n", "partly dates"),
        ("time,n,successes\n1,10,20\n2,10,3\n", "20 successes of 10"),
    ],
)
def test_a_bad_table_names_its_place_and_ends_with_2(tmp_path, text, says):
    result = run(table(tmp_path, text))
    assert result.exit_code == 2, result.output
    assert says in result.output
    assert "Traceback" not in result.output


def test_bytes_that_are_no_table(tmp_path):
    file = tmp_path / "x.csv"
    file.write_bytes(b"time,score\n\xff\xfe,1\n")
    assert run(file).exit_code == 2
    assert run(tmp_path / "nothing.csv").exit_code == 2
