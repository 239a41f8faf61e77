"""Share of the training weight on near-duplicates of evaluation items."""

from __future__ import annotations

import math

from subcritical.measures._score import cannot
from subcritical.schema import ArtifactChange, Measurement


def data_overlap(change: ArtifactChange) -> Measurement:
    """Weighted near-duplicate overlap of a data selection.

    Args:
        change: A change whose `subsets` say how the pool is weighed now.

    Returns:
        `data_overlap`, a share in [0, 1]. It is counted, not sampled, so low and high equal the
        estimate; whether the similarity measure sees every duplicate is another question.
    """
    method = "sum over subsets of weight times share of near-duplicates"
    shares = [s for s in change.subsets if math.isfinite(s.weight) and math.isfinite(s.overlap)]
    if not shares:
        return cannot("data_overlap", "the change names no subsets", unit="share", method=method, level=0.95)
    value = math.fsum(s.weight * s.overlap for s in shares)
    return Measurement(
        name="data_overlap",
        estimate=value,
        low=value,
        high=value,
        level=0.95,
        unit="share",
        method=method,
        n=len(shares),
    )
