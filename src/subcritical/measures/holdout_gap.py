"""Public minus held-out score of one version, uncorrected, and what selection alone would produce."""

from __future__ import annotations

from subcritical.measures._difference import difference
from subcritical.measures._score import cannot, check_level, counts
from subcritical.schema import Measurement, Score
from subcritical.stats import simulate_selection


def holdout_gap(public: Score, held_out: Score, *, level: float = 0.95) -> Measurement:
    """How much better the version scores where selection looked.

    Args:
        public: Trusted score on the public split.
        held_out: Trusted score of the same version on the held-out split.
        level: Two-sided coverage, in (0, 1).

    Returns:
        `holdout_gap` in the unit of the score, better upwards. It is *not* corrected for selection:
        an honest search has a positive gap (see `expected_selection_gap`).

    Raises:
        InputError: `level` is out of range.
    """
    return difference("holdout_gap", public, held_out, level=level)


def expected_selection_gap(
    public: Score, held_out: Score, *, evaluations: int, draws: int = 4000, seed: int = 1, level: float = 0.95
) -> Measurement:
    """The gap that choosing the best of `evaluations` equally good candidates would produce.

    Args:
        public: Trusted public score.
        held_out: Trusted held-out score of the same version.
        evaluations: Public evaluations so far, 1 to 5000.
        draws: Simulated searches.
        seed: The same seed gives the same answer.
        level: In (0, 1); recorded, the interval is none (the estimate is a simulated mean).

    Returns:
        `expected_selection_gap`, a share. Low and high are the simulated mean plus and minus its
        Monte Carlo error, which says nothing about the model itself.

    Raises:
        InputError: An argument is out of range.
    """
    check_level(level)
    method = f"simulation of {draws} searches of {evaluations} independent candidates"
    one, two = counts(public), counts(held_out)
    if one is None or two is None:
        why = "the items of both scores must be countable"
        return cannot("expected_selection_gap", why, unit="share", method=method, level=level)
    p = (one[0] + two[0] + 0.5) / (one[1] + two[1] + 1)
    null = simulate_selection(evaluations, p=p, public_n=one[1], held_out_n=two[1], draws=draws, seed=seed)
    error = 2.0 * (p * (1 - p) * (1 / one[1] + 1 / two[1]) / draws) ** 0.5
    return Measurement(
        name="expected_selection_gap",
        estimate=null.expected,
        low=null.expected - error,
        high=null.expected + error,
        level=level,
        unit="share",
        method=method,
        n=draws,
    )
