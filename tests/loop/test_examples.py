"""The shipped example guests speak the documented protocol."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from plain_harness import ENVIRONMENT, run_guest

from subcritical.loop.loopfile import load_loop
from subcritical.loop.tasks import Task

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def built(tmp_path):
    """A copy of one example with its data."""

    def build(name):
        home = tmp_path / name
        ignore = shutil.ignore_patterns("built", "*.npz", "__pycache__")
        shutil.copytree(EXAMPLES / name, home, ignore=ignore)
        subprocess.run([sys.executable, "-B", home / "build.py"], check=True, timeout=60, capture_output=True)
        return home

    return build


@pytest.mark.parametrize("name", ["demo", "command_shell", "command_python"])
def test_the_loop_file_is_valid_once_the_data_is_built(built, name):
    loop = load_loop(built(name) / "loop.yaml")
    assert loop.settings.evaluate.held_out is not None
    assert loop.settings.limits.network == "none"


def as_task(home):
    """An example whose evaluator lies beside the loop file, in the shape that the plain harness drives."""
    settings = yaml.safe_load((home / "loop.yaml").read_text())
    data = home / "data"
    data.mkdir()
    for split in ("public", "held_out"):
        shutil.copy(home / f"{split}.npz", data)
    shutil.copy(home / "evaluate.py", home / "seed" / "evaluate.py")
    return Task(
        directory=home,
        loop_file=home / "loop.yaml",
        workspace=home / "seed",
        protected=("evaluate.py",),
        proposals=settings["limits"]["generations"],
    )


def test_the_shell_guest_improves_restores_and_says_done(built, tmp_path):
    home = built("command_shell")
    ran = run_guest(as_task(home), ["sh", str(home / "guest.sh")], tmp_path / "run")
    assert ran.returncode == 0, ran.complaint
    assert ran.complaint == ""
    assert {entry.verdict for entry in ran.log} == {"accepted", "not_kept"}
    assert ran.left == ran.best
    assert ran.held_out[1].value > 0.95 > ran.held_out[0].value


def test_the_shell_guest_stops_when_the_harness_goes(built, tmp_path):
    home = built("command_shell")
    ran = run_guest(as_task(home), ["sh", str(home / "guest.sh")], tmp_path / "run", stop_after=2)
    assert ran.returncode == 0, ran.complaint
    assert len(ran.log) == 2


def test_the_python_guest_edits_one_weight_for_each_generation_and_repeats_with_its_seed(built, tmp_path):
    home = built("command_python")
    left = []
    for number, generation in enumerate((0, 0, 1)):
        workspace = tmp_path / f"generation-{number}"
        shutil.copytree(home / "seed", workspace)
        feedback = {"generation": generation, "score": 0.5, "seed": 1, "generations_left": 9, "last": None}
        (workspace / "feedback.json").write_text(json.dumps(feedback))
        subprocess.run(
            [sys.executable, "-B", home / "guest.py"], cwd=workspace, check=True, timeout=30, env=ENVIRONMENT
        )
        weights = json.loads((workspace / "weights.json").read_text())
        assert sum(weight != 0 for weight in weights) == 1
        assert "weight" in json.loads((workspace / "claim.json").read_text())["claim"]
        left.append(weights)
    assert left[0] == left[1] != left[2]
