"""What a run measures while it goes, and what it can say about its own growth at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from subcritical.measures import gain_ratio, held_out_gain, holdout_gap, no_k
from subcritical.schema import Measurement, Score

NO_IMPROVER_VERSIONS = (
    "the guest's improver has no versions: the program that proposes changes is not among the artifacts it changes"
)


def after_version(public: Score, held_out: Score, seed: Score) -> Iterator[Measurement]:
    """Measurements of an accepted version: gap between splits, gain over the seed. All on held-out data."""
    yield holdout_gap(public, held_out)
    yield held_out_gain(seed, held_out)


def at_the_end(held_out: Sequence[Score], measure_k: Callable[[], Measurement] | None) -> Iterator[Measurement]:
    """Measurements of the whole lineage: the plain ratio of gains, and k where it can be had.

    Args:
        held_out: Held-out scores of the seed and of the accepted versions, in order.
        measure_k: Runs versions of the improver afresh; None where the improver has no versions.
    """
    yield gain_ratio(held_out)
    yield measure_k() if measure_k else no_k(NO_IMPROVER_VERSIONS)
