"""An evaluator and a candidate that are fine."""

EVALUATOR = b"""\
import numpy as np

def evaluate(candidate, data):
    answers = candidate.call("classify", data["x"])
    right = int(np.sum(np.asarray(answers) == data["y"]))
    n = len(data["y"])
    return {"metrics": {"accuracy": {"value": right / n, "n": n, "successes": right}}, "primary": "accuracy"}
"""
GOOD = b"def classify(x):\n    return (x % 2).astype(int)\n"
