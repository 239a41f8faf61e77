"""Real improvement: held-out score of a version minus that of the seed version."""

from __future__ import annotations

from subcritical.errors import InputError
from subcritical.measures._difference import difference
from subcritical.measures._score import counts
from subcritical.schema import Measurement, Score, Split
from subcritical.stats import fisher_greater


def held_out_gain(seed: Score, version: Score, *, level: float = 0.95) -> Measurement:
    """Held-out gain over the seed version.

    Args:
        seed: Trusted held-out score of the seed version.
        version: Trusted held-out score of a later version.
        level: Two-sided coverage, in (0, 1).

    Returns:
        `held_out_gain`, unit of the score, better upwards. Both scores rest on the same items but
        the items are not paired here, so the interval is wider than it had to be.

    Raises:
        InputError: A score is not held out, or `level` is out of range.
    """
    _check(seed, version)
    return difference("held_out_gain", version, seed, level=level)


def held_out_gain_p(seed: Score, version: Score) -> float | None:
    """Exact one-sided p value that the version is better than the seed; None where items cannot be counted.

    Raises:
        InputError: A score is not held out.
    """
    _check(seed, version)
    before, after = counts(seed), counts(version)
    return None if before is None or after is None else fisher_greater(after, before)


def _check(*scores: Score) -> None:
    if any(score.split is not Split.HELD_OUT for score in scores):
        raise InputError("a held-out gain needs held-out scores: a score that selection saw is no evidence of it")
