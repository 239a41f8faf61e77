"""Loops with a known course towards a threshold, for the forecast detector: when does it speak?

A round is one accepted version, measured on 200 held-out items, with a run-to-run noise of 0.05 logits. The true
level is known, so the crossing is too. A review every 3 rounds; the threshold is one logit.
"""

from typing import NamedTuple

import numpy as np
from detector_events import Stream

from subcritical.detectors.threshold_ahead import ThresholdAhead, ThresholdAheadSettings
from subcritical.schema import Split

THRESHOLD = 1.0
ITEMS, NOISE, REVIEW = 200, 0.05, 3
ROUNDS = 140


def level(kind, rng, rounds=ROUNDS):
    t = np.arange(rounds)
    if kind == "constant":
        return -1.5 + rng.uniform(0.02, 0.06) * t
    if kind == "accelerating":
        return -1.5 + rng.uniform(0.005, 0.01) * t + rng.uniform(0.0004, 0.001) * t**2
    if kind == "flat":
        return np.full(rounds, rng.uniform(-1.0, 0.0))
    if kind == "saturating":
        return 0.5 - rng.uniform(1.5, 2.5) * np.exp(-t / rng.uniform(8, 25))
    if kind in ("sigmoid_far", "sigmoid_near"):
        # Stops 0.75 logit, or 0.3 logit, below the threshold.
        height = 1.75 if kind == "sigmoid_far" else 2.2
        return -1.5 + height / (1 + np.exp(-(t - rng.uniform(20, 40)) / rng.uniform(3, 8)))
    # An abrupt change of slope by 3 to 6, three to ten rounds of the new slope before the crossing.
    slope, factor, at = rng.uniform(0.01, 0.02), rng.uniform(3, 6), int(rng.integers(20, 40))
    lead = int(rng.integers(3, 11))
    jumped = slope * np.minimum(t, at) + factor * slope * np.maximum(0, t - at)
    return jumped - jumped[at + lead] + THRESHOLD + 1e-9


class Seen(NamedTuple):
    """The round of the first forecast finding and of the true crossing; None where there is none."""

    said: int | None
    crossed: int | None


def run(kind, seed, *, plain=False, probability=0.2):
    """One loop under the detector; `plain` hears only the level trip."""
    rng = np.random.default_rng(seed)
    course = level(kind, rng)
    above = np.flatnonzero(course > THRESHOLD)
    crossed = int(above[0]) if above.size else None
    settings = ThresholdAheadSettings(
        threshold=float(1 / (1 + np.exp(-THRESHOLD))), review_rounds=REVIEW, probability=probability
    )
    detector, stream, states = ThresholdAhead(settings), Stream(), {}
    for index, value in enumerate(course):
        rate = 1 / (1 + np.exp(-(value + rng.normal(0, NOISE))))
        event = stream.score(f"p{index}", Split.HELD_OUT, int(rng.binomial(ITEMS, rate)), ITEMS)
        found = [f for f in detector.batch(states, [event]) if not plain or "was crossed" in f.title]
        if found:
            return Seen(index, crossed)
        if crossed is not None and index >= crossed + 10:
            break
    return Seen(None, crossed)


class Cell(NamedTuple):
    """Shares of a cell's seeds: paused in time and not too early, too early, too late, or for nothing."""

    in_time: float
    early: float
    late: float
    false: float
    lead: float


def cell(kind, seeds, **settings):
    seen = [run(kind, seed, **settings) for seed in seeds]
    n = len(seen)
    leads = [one.crossed - one.said for one in seen if one.crossed is not None and one.said is not None]
    return Cell(
        in_time=sum(0 < lead <= 3 * REVIEW for lead in leads) / n,
        early=sum(lead > 3 * REVIEW for lead in leads) / n,
        late=sum(one.crossed is not None and (one.said is None or one.said >= one.crossed) for one in seen) / n,
        false=sum(one.crossed is None and one.said is not None for one in seen) / n,
        lead=float(np.median(leads)) if leads else float("nan"),
    )
