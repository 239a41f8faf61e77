"""How long a phase takes while its pace climbs: closed form instead of a simulation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError

Floats = NDArray[np.float64]
_NEAR = 1e-6


def phase_time(gap: Floats, pace_start: Floats, pace_end: Floats) -> Floats:
    """Time for a gap while the pace climbs geometrically with the share of the gap done.

    Args:
        gap: Work at a pace of one, any unit of time, >= 0.
        pace_start: First pace, > 0, same shape.
        pace_end: Last pace, > 0, same shape.

    Returns:
        gap (1 - v0/v1) / (v0 ln(v1/v0)); gap / v0 where the pace does not change.

    Raises:
        InputError: Shapes differ, or a value is out of range.

    Source: the integral of ds / (v0 (v1/v0)^s), the assumption of the AI 2027 takeoff model (2025), which
    steps through it day by day.
    """
    g, v0, v1 = (np.asarray(value, dtype=np.float64) for value in (gap, pace_start, pace_end))
    if not g.shape == v0.shape == v1.shape:
        raise InputError(f"gap {g.shape}, pace_start {v0.shape} and pace_end {v1.shape} must have one shape")
    if not ((g >= 0).all() and (v0 > 0).all() and (v1 > 0).all()):
        raise InputError("gaps must not be negative and paces must be positive")
    log = np.log(v1 / v0)
    near = np.abs(log) < _NEAR
    # (1 - e^-L)/L by its series where L is nearly zero.
    factor = np.where(near, 1.0 - log / 2.0, -np.expm1(-log) / np.where(near, 1.0, log))
    taken: Floats = g / v0 * factor
    return taken
