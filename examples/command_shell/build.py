"""Writes the two splits of this example: numbers from 0 to 255."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    for name, n in (("public", 300), ("held_out", 600)):
        np.savez(HERE / f"{name}.npz", values=np.random.default_rng(n).integers(0, 256, n))
