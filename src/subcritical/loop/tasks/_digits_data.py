"""Handwritten digits: 1,797 real images of 8 x 8 pixels, shipped inside scikit-learn.

Source: Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, UCI repository.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError


def load_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Items of shape (1797, 64), pixels 0 to 16, and their labels 0 to 9.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        # An extra, and half a second of every command: only building a task needs it, never a run.
        from sklearn.datasets import load_digits as shipped  # noqa: PLC0415
    except ImportError as error:
        why = "this task is made from data that scikit-learn ships: pip install 'subcritical[demo]'"
        raise InputError(why) from error
    bunch: Any = shipped()
    return bunch.data.astype(np.uint8), bunch.target.astype(np.int64)
