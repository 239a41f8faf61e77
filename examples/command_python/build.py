"""Writes the two splits of this example: noisy signs of a hidden weighted sum."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
HIDDEN = np.array([1.5, -2.0, 0.5, 1.0])

if __name__ == "__main__":
    for name, n in (("public", 300), ("held_out", 600)):
        dice = np.random.default_rng(n)
        inputs = dice.normal(size=(n, len(HIDDEN)))
        positive = inputs @ HIDDEN + dice.normal(0.0, 0.5, n) > 0
        np.savez(HERE / f"{name}.npz", inputs=inputs, positive=positive)
