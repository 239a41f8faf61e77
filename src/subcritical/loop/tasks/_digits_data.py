"""Handwritten digits: 1,797 real images of 8 x 8 pixels, shipped inside scikit-learn.

Source: Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, UCI repository.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError

try:  # An extra: only building a task needs it, never a run.
    from sklearn.datasets import load_digits as _load_digits
except ImportError:
    _load_digits = None


def load_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Items of shape (1797, 64), pixels 0 to 16, and their labels 0 to 9.

    Raises:
        InputError: scikit-learn is not installed.
    """
    if _load_digits is None:
        raise InputError("this task is made from data that scikit-learn ships: pip install 'subcritical[demo]'")
    bunch: Any = _load_digits()
    return bunch.data.astype(np.uint8), bunch.target.astype(np.int64)
