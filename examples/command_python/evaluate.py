"""How often the sign of a weighted sum is right."""

import json

import numpy as np


def evaluate(candidate, data):
    weights = np.array(json.loads(candidate.read("weights.json")), dtype=float)
    right = int(np.sum((data["inputs"] @ weights > 0) == data["positive"]))
    n = len(data["positive"])
    return {"metrics": {"accuracy": {"value": right / n, "n": n, "successes": right}}, "primary": "accuracy"}
