"""What a run measures while it goes, and what it can say about its own growth at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from subcritical.measures import gain_ratio, held_out_gain, holdout_gap, no_k
from subcritical.schema import Measurement, Score

NO_IMPROVER_VERSIONS = (
    "the guest's improver has no versions: the program that proposes changes is not among the artifacts it changes"
)
NO_COMMON_STARTS = "the improver's versions were not run afresh from common starting states; `experiment k` does that"


def after_version(public: Score, held_out: Score, seed: Score) -> Iterator[Measurement]:
    """Measurements of an accepted version: gap between splits, gain over the seed. All on held-out data."""
    yield holdout_gap(public, held_out)
    yield held_out_gain(seed, held_out)


def at_the_end(held_out: Sequence[Score], *, improver_has_versions: bool) -> Iterator[Measurement]:
    """Measurements of the whole lineage: the plain ratio of gains, and k where it could be had.

    Args:
        held_out: Held-out scores of the seed and of the accepted versions, in order.
        improver_has_versions: Whether what proposes changes is itself changed by them.
    """
    yield gain_ratio(held_out)
    yield no_k(NO_COMMON_STARTS if improver_has_versions else NO_IMPROVER_VERSIONS)
