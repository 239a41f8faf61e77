"""The command as people type it."""

import json

import pytest
from click.testing import CliRunner

from subcritical.cli import main


def run(*arguments):
    return CliRunner().invoke(main, ["forecast", *arguments])


def test_a_preset_prints_its_shares_and_what_decides_them():
    result = run("--preset", "davidson-houlden-2025", "--sims", "2000")
    assert result.exit_code == 0, result.output
    assert "at least 3 years in 12 months (24 doublings)" in result.output
    assert "returns:" in result.output


def test_json_is_one_object_with_the_fan():
    result = run("--preset", "davidson-houlden-2025-gradual", "--sims", "500", "--json")
    data = json.loads(result.stdout)
    assert data["sims"] == 500
    assert len(data["fan"]["doublings"]) == len(data["fan"]["levels"])


def test_a_file_of_parameters_with_a_wrong_key_names_its_line(tmp_path):
    file = tmp_path / "model.yaml"
    file.write_text("speed_up: {low: 2, high: 8}\nretruning: {low: 1, high: 2}\n")
    result = run(str(file))
    assert result.exit_code == 2
    assert "model.yaml:2" in result.output
    file.write_text("speed_up: {low: 2, high: 8}\nretraining: paper\n")
    assert run(str(file), "--sims", "100").exit_code == 0


@pytest.mark.parametrize("arguments", [(), ("a.yaml", "--preset", "davidson-houlden-2025"), ("no-such-run",)])
def test_one_thing_is_forecast(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("suffix", [".png", ".svg", ".html"])
def test_a_fan_chart_is_written(tmp_path, suffix):
    pytest.importorskip("matplotlib")
    target = tmp_path / f"fan{suffix}"
    result = run("--preset", "davidson-houlden-2025", "--sims", "500", "--plot", str(target))
    assert result.exit_code == 0, result.output
    assert target.stat().st_size > 3000


def test_a_chart_of_another_kind_is_refused(tmp_path):
    result = run("--preset", "davidson-houlden-2025", "--sims", "100", "--plot", str(tmp_path / "fan.bmp"))
    assert result.exit_code == 2
    assert ".svg" in result.output
