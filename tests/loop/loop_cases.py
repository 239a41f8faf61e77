"""Small loops on disk, with guests that do one thing."""

import json
from pathlib import Path

import numpy as np
import yaml

from subcritical.clock import SystemClock
from subcritical.ledger import read_journal
from subcritical.loop.assembly import run_loop
from subcritical.loop.loopfile import load_loop
from subcritical.loop.options import RunOptions
from subcritical.loop.run_directory import RunDirectory
from subcritical.schema import Approval, Event, Finding, Receipt, Score

EVALUATOR = """\
import numpy as np

def evaluate(candidate, data):
    answers = candidate.call("classify", data["x"])
    right = int(np.sum(np.asarray(answers) == data["y"]))
    n = len(data["y"])
    return {"metrics": {"accuracy": {"value": right / n, "n": n, "successes": right}}, "primary": "accuracy"}
"""
SEED = "def classify(x):\n    return x * 0 + 1\n"
BETTER = "def classify(x):\n    return (x >= 50).astype(int)\n"
CLIENT = """\
import functools, json, os
print = functools.partial(print, flush=True)
requests = os.fdopen(int(os.environ["SUBCRITICAL_REQUEST_FD"]), "w")
answers = os.fdopen(int(os.environ["SUBCRITICAL_ANSWER_FD"]))
def ask(**message):
    requests.write(json.dumps(message) + "\\n")
    requests.flush()
    line = answers.readline()
    return json.loads(line) if line else None
def write(path, text):
    with open(path, "w") as file:
        file.write(text)
def threshold(number):
    write("solution.py", f"def classify(x):\\n    return (x >= {number}).astype(int)\\n")
"""


def walker(*, dice: str, tries: int, most: int) -> str:
    """A guest that walks by throws of `dice`, and stays where it was accepted."""
    return f"""\
import random
dice = {dice}
place = 0
for number in range({tries}):
    step = dice.randint(-5, {most})
    threshold(place + step)
    answer = ask(op="propose", claim=str(step))
    if answer is None:
        break
    if answer["verdict"] == "accepted":
        place += step
ask(op="done")
"""


def make_loop(directory: Path, guest: str, *, mode="session", run=None, **changes) -> Path:
    """A loop whose guest is a Python program given as text; `changes` replace sections of the loop file."""
    (directory / "seed").mkdir(parents=True)
    (directory / "seed" / "solution.py").write_text(SEED)
    (directory / "seed" / "evaluate.py").write_text(EVALUATOR)
    (directory / "guest.py").write_text((CLIENT if mode == "session" else "") + guest)
    rng = np.random.default_rng(1)
    for name, n in (("public", 200), ("held_out", 300)):
        x = rng.integers(0, 100, n).astype(float)
        np.savez(directory / f"{name}.npz", x=x, y=(x >= 50).astype(int))
    settings = {
        "system": "test",
        "guest": {"kind": "command", "run": run or ["python", "guest.py"], "mode": mode},
        "workspace": "seed",
        "artifacts": [{"path": "solution.py", "is": "code"}, {"path": "evaluate.py", "is": "evaluator"}],
        "evaluate": {
            "run": "evaluate.py",
            "public": "public.npz",
            "held_out": "held_out.npz",
            "timeout": "10s",
            "bounds": {"accuracy": [0, 1]},
        },
        "limits": {"generations": 20, "wall": "60s", "memory": "512MiB", "processes": 32, "proposal_timeout": "20s"},
        "oversight": {"review": "assumed"},
        "tripwires": [],
    }
    for name, value in changes.items():
        merged = (
            {**settings[name], **value} if isinstance(value, dict) and isinstance(settings.get(name), dict) else value
        )
        settings[name] = merged
    path = directory / "loop.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


class Ran:
    """A finished run and its records by kind."""

    def __init__(self, result, directory):
        self.result = result
        self.directory = directory
        self.records = list(read_journal(directory.journal))
        self.events = [r for r in self.records if isinstance(r, Event)]
        self.findings = [r for r in self.records if isinstance(r, Finding)]
        self.receipts = [r for r in self.records if isinstance(r, Receipt)]

    def data(self, kind):
        return [event.data for event in self.events if isinstance(event.data, kind)]

    @property
    def verdicts(self):
        return [approval.verdict for approval in self.data(Approval)]

    def scores(self, split):
        return [score for score in self.data(Score) if score.split == split]

    def said(self):
        """Everything the guest printed, as recorded."""
        return "".join(e.data.text for e in self.events if getattr(e.data, "source", "") == "guest")


def run_case(loop_file: Path, runs: Path, rung, *, name="run", resume=False, progress=lambda _: None, **options) -> Ran:
    directory = RunDirectory(runs / name) if resume else RunDirectory.create(runs, name)
    if not resume:
        directory.remember(loop_file)
    chosen = RunOptions(rung=rung, resume=resume, seed=1, **options)
    result = run_loop(load_loop(loop_file), directory, options=chosen, clock=SystemClock(), progress=progress)
    return Ran(result, directory)


def answer_of(text: str) -> dict:
    return json.loads(text)
