"""How many numbers a threshold puts on the right side of 100. The data is made here: the split gives the dice."""

import numpy as np


def evaluate(candidate, data):
    threshold = int(candidate.read("threshold.txt"))
    values = data["values"]
    right = int(np.sum((values >= threshold) == (values >= 100)))
    n = len(values)
    return {"metrics": {"accuracy": {"value": right / n, "n": n, "successes": right}}, "primary": "accuracy"}
