"""A judge without containment, for tests of guests: forks once per evaluation, under time and memory limits.

Run as a script: JSON lines on standard input ({"evaluator": DIR, "candidate": DIR, "data": NPZ}) and
output (the verdict, or {"error": ...}). Never a model for the product: the candidate shares the interpreter.
"""

import importlib
import inspect
import json
import os
import resource
import signal
import sys
from pathlib import Path

import numpy as np

SECONDS = 3.0
MEMORY_BYTES = 2 << 30


class Candidate:
    def __init__(self, directory, module):
        self.directory, self.module = directory, module

    def call(self, name, *arguments):
        sys.path.insert(0, self.directory)
        return getattr(importlib.import_module(self.module), name)(*arguments)

    def read(self, name):
        return (Path(self.directory) / name).read_bytes()


def judge(order):
    sys.path.insert(0, order["evaluator"])
    program = Path(order["evaluator"]) / order["run"]
    space = {"__name__": "judge", "__file__": str(program)}
    exec(compile(program.read_text(), str(program), "exec"), space)
    evaluate = space["evaluate"]
    seeded = {"seed": order["seed"]} if "seed" in inspect.signature(evaluate).parameters else {}
    with np.load(order["data"], allow_pickle=False) as archive:
        data = {name: archive[name] for name in archive.files}
    return evaluate(Candidate(order["candidate"], order["module"]), data, **seeded)


def child(order, answer):
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    try:
        text = json.dumps(judge(order), default=float)
    except BaseException as error:  # noqa: BLE001 - whatever a mutant raises is its result
        text = json.dumps({"error": f"{type(error).__name__}: {error}"[:500]})
    os.write(answer, text.encode()[:60_000])
    os._exit(0)


def main():
    sys.dont_write_bytecode = True
    for line in sys.stdin:
        inside, outside = os.pipe()
        process = os.fork()
        if process == 0:
            child(json.loads(line), outside)
        os.close(outside)
        with os.fdopen(inside, "rb") as pipe:
            text = pipe.read()
        os.waitpid(process, 0)
        print(text.decode() or '{"error": "killed"}', flush=True)


if __name__ == "__main__":
    main()
