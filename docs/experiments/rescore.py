"""Score every accepted version of an `evolve` study again, from its stored bytes.

Imports nothing of the product: the evaluator below is this script's own copy, written from the task's
description (share of items named correctly). It runs the versions' code in its own process, so run it
contained:

    subcritical sandbox run --read-only WORK --read-only "$PWD/docs/experiments" --timeout 10m -- \
        python "$PWD/docs/experiments/rescore.py" WORK

(paths inside are those outside, and the working directory is another). WORK is the folder that
`subcritical experiment evolve --work WORK` filled, or a copy of it. Runs are owner-only and a sandbox
of root's has another user, so root first makes a copy that can be read:
`cp -r WORK COPY && chmod -R a+rX COPY`. Exit code 1: a score differs.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np


def stored(store, name):
    """Bytes of an object, refused unless they are what their digest says."""
    digest = name.removeprefix("sha256:")
    data = (store / "objects" / digest[:2] / digest[2:]).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise SystemExit(f"object {name} is not what its digest says")
    return data


def right(source, data):
    """How many items of a split the program names correctly."""
    program = {"__name__": "candidate"}
    exec(compile(source, "candidate", "exec"), program)
    answers = program["classify"](data["train_items"], data["train_labels"], data["items"])
    return int((np.asarray(answers) == data["labels"]).sum()), len(data["labels"])


def rescore(run, task):
    """(scores compared, scores that differ) of one run."""
    splits = {name: dict(np.load(task / "data" / f"{name}.npz", allow_pickle=False)) for name in ("public", "held_out")}
    records = []
    for segment in sorted((run / "journal").glob("segment-*.jsonl")):
        records += [json.loads(line).get("record") for line in segment.read_text().splitlines()]
    events = [record["data"] for record in records if record and record["record"] == "event"]
    accepted = {"seed"} | {e["proposal"] for e in events if e["kind"] == "approval" and e["verdict"] == "accepted"}
    compared = differing = 0
    for score in events:
        if score["kind"] != "score" or score["proposal"] not in accepted or score["status"] != "ok":
            continue
        files = json.loads(stored(run / "store", score["tree"]))
        found = right(stored(run / "store", files["solution.py"]), splits[score["split"]])
        compared += 1
        differing += found != (score["successes"], score["n"])
    return compared, differing


def main(work):
    runs = sorted(work.glob("runs/guarded-*"))
    totals = [rescore(run, work / "tasks" / run.name) for run in runs]
    compared, differing = (sum(column) for column in zip(*totals, strict=True)) if totals else (0, 0)
    print(f"{len(runs)} guarded runs, {compared} scores of accepted versions scored again, {differing} differ")
    return 1 if differing or not compared else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
