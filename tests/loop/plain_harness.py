"""The session protocol without a sandbox, to test what guests do: quick, and with the guard as a switch."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import yaml

from subcritical.loop.guests import GUESTS

HERE = Path(__file__).parent
# A shell can redirect single-digit descriptors alone, and the product promises 3 and 4.
RENUMBER = """\
import os, sys
high = [os.dup(int(os.environ[name])) for name in ("SUBCRITICAL_REQUEST_FD", "SUBCRITICAL_ANSWER_FD")]
for number, descriptor in zip((3, 4), high):
    os.dup2(os.dup(descriptor), number, inheritable=True)
os.environ.update(SUBCRITICAL_REQUEST_FD="3", SUBCRITICAL_ANSWER_FD="4")
os.closerange(5, 64)
os.execvp(sys.argv[1], sys.argv[1:])
"""
ENVIRONMENT = {"PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def read_tree(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def write_tree(directory, files):
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    return directory


class Judge:
    """Scores trees with the plain judge process."""

    def __init__(self, directory, task):
        settings = yaml.safe_load(task.loop_file.read_text())["evaluate"]
        self.run, self.module = settings["run"], settings.get("module", "solution")
        self.task, self.directory, self.count = task, directory, 0
        self.process = subprocess.Popen(
            [sys.executable, "-B", HERE / "plain_judge.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
        )  # fmt: skip

    def verdict(self, candidate, evaluator, split):
        self.count += 1
        places = {
            what: str(write_tree(self.directory / f"{what}-{self.count}", files))
            for what, files in (("candidate", candidate), ("evaluator", evaluator))
        }
        data = str(self.task.directory / "data" / f"{split}.npz")
        order = {**places, "data": data, "run": self.run, "module": self.module, "seed": self.count}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def score(self, candidate, evaluator, split="public"):
        """The primary metric, or None; taken at its word, as an unguarded loop does."""
        verdict = self.verdict(candidate, evaluator, split)
        try:
            metric = verdict["metrics"][verdict["primary"]]
            value = float(metric["value"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return (
            SimpleNamespace(value=value, **{k: metric.get(k) for k in ("n", "successes", "se")})
            if math.isfinite(value)
            else None
        )

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=10)


def run_guest(task, command, directory, *, guarded=True, generations=None, stop_after=None):
    """Drive a guest over the protocol.

    guarded: refuse changes of protected files and judge with the pristine evaluator; otherwise the
    candidate's own evaluator judges. stop_after: close the answers after so many proposals.
    """
    seed_files = read_tree(task.workspace)
    workspace = write_tree(directory / "workspace", seed_files)
    judge = Judge(directory, task)
    try:
        return _drive(task, command, workspace, seed_files, judge, guarded, generations or task.proposals, stop_after)
    finally:
        judge.close()


def _drive(task, command, workspace, seed_files, judge, guarded, left, stop_after):
    pristine = {name: seed_files[name] for name in task.protected}
    best, best_score = seed_files, judge.score(seed_files, pristine).value
    hello = {"op": "hello", "system": "t", "generation": 0, "score": best_score, "generations_left": left, "seed": 0}
    versions, log = [], []
    requests, requests_in = os.pipe()
    answers_in, answers = os.pipe()
    names = {"SUBCRITICAL_REQUEST_FD": str(requests_in), "SUBCRITICAL_ANSWER_FD": str(answers_in)}
    process = subprocess.Popen(
        [sys.executable, "-ISc", RENUMBER, *command],
        cwd=workspace,
        env={**ENVIRONMENT, **names},
        pass_fds=(requests_in, answers_in),
        stderr=subprocess.PIPE,
    )
    os.close(requests_in)
    os.close(answers_in)
    # Left in reverse: the pipes close first, so that the guest ends and can be waited for.
    with process, process.stderr, os.fdopen(requests, "rb") as lines, os.fdopen(answers, "wb", buffering=0) as out:
        for line in lines:
            message = json.loads(line)
            if message["op"] == "hello":
                out.write(json.dumps(hello).encode() + b"\n")
                continue
            if message["op"] == "done" or len(log) == stop_after:
                break
            files = read_tree(workspace)
            changed = sorted(p for p in {*files, *best} if files.get(p) != best.get(p))
            score = None
            if guarded and any(name in task.protected for name in changed):
                verdict = "refused"
            else:
                score = judge.score(files, pristine if guarded else {name: files.get(name, b"") for name in pristine})
                verdict = "accepted" if score and score.value > best_score else "not_kept"
            if verdict == "accepted":
                best, best_score = files, score.value
                versions.append(SimpleNamespace(files=files, score=score, number=len(log)))
            log.append(
                SimpleNamespace(verdict=verdict, changed=changed, claim=message["claim"], reported=message["reported"])
            )
            answer = {
                "op": "answer",
                "verdict": verdict,
                "score": score.value if score else None,
                "n": None,
                "reason": "",
            }
            out.write(json.dumps({**answer, "generation": len(log)}).encode() + b"\n")
        out.close()
        process.wait(timeout=20)
        complaint = process.stderr.read().decode()
    held_out = [judge.score(files, pristine, "held_out") for files in (seed_files, best)]
    return SimpleNamespace(
        log=log, versions=versions, best=best, best_score=best_score, seed=seed_files, held_out=held_out,
        left=read_tree(workspace), returncode=process.returncode, complaint=complaint,
    )  # fmt: skip


def guest_command(kind, *arguments):
    return [sys.executable, "-B", str(GUESTS[kind]), *map(str, arguments)]
