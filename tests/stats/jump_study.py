"""Simulated benchmark histories with and without a jump: who alarms, how late, at one threshold for all.

One evaluation of n items enters the detectors; two further repeats of it serve only to estimate the overdispersion,
so that delays compare with detectors that see no repeats. 200 rounds, the jump at round 100, delays censored at 60.
"""

import numpy as np

from subcritical.stats import glr_last, pooled_dispersion

ROUNDS, JUMP_AT, CENSOR = 200, 100, 60
REPEATS = 3
DESIGN = ("constant", "drift", "plateau", "unequal_n", "overdispersed")
OTHERS = ("slope_break", "periodic", "heavy_tailed")


def course(kind, rng, runs):
    """True level (runs, rounds), items (runs, rounds), and the run-to-run noise of each repeat."""
    t = np.arange(ROUNDS, dtype=float)
    items = np.full((runs, ROUNDS), 100.0)
    noise = 0.0
    level = -1 + 0.01 * t
    if kind == "constant":
        level = 0.0 * t
    elif kind == "plateau":
        level = -1.5 + 2.5 * (1 - np.exp(-t / 60))
    elif kind == "unequal_n":
        items = rng.choice([50.0, 100.0, 200.0, 500.0, 1000.0], (runs, ROUNDS))
    elif kind == "overdispersed":
        items, noise = np.full((runs, ROUNDS), 200.0), 0.15
    elif kind == "slope_break":
        level = -1 + 0.005 * t + 0.015 * np.maximum(0, t - 70)
    elif kind == "periodic":
        level = -0.5 + 0.005 * t + 0.25 * np.sin(2 * np.pi * t / 40)
    elif kind == "heavy_tailed":
        items, noise = np.full((runs, ROUNDS), 200.0), -0.08
    return np.broadcast_to(level, (runs, ROUNDS)), items, noise


def simulate(kind, runs, seed, jump=0.0):
    """Successes of every repeat (repeats, runs, rounds), items, and phi known."""
    rng = np.random.default_rng(seed)
    level, items, noise = course(kind, rng, runs)
    level = level + jump * (np.arange(ROUNDS) >= JUMP_AT)
    successes = np.empty((REPEATS, runs, ROUNDS))
    for repeat in range(REPEATS):
        # A negative noise stands for Student's t with 3 degrees of freedom of that scale.
        wobble = rng.standard_t(3, level.shape) * -noise if noise < 0 else rng.normal(0, noise, level.shape)
        rate = 1 / (1 + np.exp(-(level + wobble)))
        successes[repeat] = rng.binomial(items.astype(int), rate)
    rate = 1 / (1 + np.exp(-level))
    variance = 3 * noise**2 if noise < 0 else noise**2
    known = 1 + (items - 1) * rate * (1 - rate) * variance
    return successes, items, known.mean(axis=1)


def phi_of_repeats(successes, items):
    """What the product makes of the repeats within rounds so far, shape (runs, rounds)."""
    pooled = successes.mean(axis=0) / items
    spread = np.maximum(items * pooled * (1 - pooled), 1e-9)
    chi = ((successes - items * pooled) ** 2 / spread).sum(axis=0)
    rounds = np.arange(1, ROUNDS + 1)
    freedom = REPEATS - 1
    return np.vectorize(pooled_dispersion)(np.cumsum(chi, axis=1), freedom * rounds)


def phi_of_series(successes, items):
    """From how far single rounds stray from the line through their last 40: no repeats needed, biased by bends."""
    k = successes[0]
    y = np.log((k + 0.5) / (items - k + 0.5))
    rate = (k + 0.5) / (items + 1)
    weight = items * rate * (1 - rate)
    found = np.ones_like(y)
    for now in range(10, ROUNDS):
        rows = slice(max(0, now - 40), now - 4)
        x = np.arange(rows.stop - rows.start, dtype=float)
        w = weight[:, rows]
        s0, s1, s2 = w.sum(1), w @ x, w @ (x * x)
        t0, t1 = (w * y[:, rows]).sum(1), (w * y[:, rows]) @ x
        determinant = s0 * s2 - s1 * s1
        a, b = (s2 * t0 - s1 * t1) / determinant, (s0 * t1 - s1 * t0) / determinant
        rest = y[:, rows] - a[:, None] - b[:, None] * x
        found[:, now] = np.maximum(1.0, (w * rest**2).sum(1) / max(1, x.size - 2))
    return found


def phi(mode, successes, items, known):
    if mode == "known":
        return np.broadcast_to(known[:, None], items.shape)
    return phi_of_repeats(successes, items) if mode == "repeats" else phi_of_series(successes, items)


def glr_pair(successes, items, dispersion, first=10, last=ROUNDS):
    """Statistic of the pair for each run and round, (runs, rounds); both baselines, the larger decides."""
    k = successes[0]
    found = np.zeros(k.shape)
    for now in range(first, last):
        for baseline in (60, None):
            seen, _ = glr_last(k[:, : now + 1], items[:, : now + 1], baseline=baseline, dispersion=dispersion[:, now])
            found[:, now] = np.maximum(found[:, now], seen)
    return found


def glr_null(kind, runs, seed, mode):
    """Largest statistic of each history without a jump."""
    successes, items, known = simulate(kind, runs, seed)
    return glr_pair(successes, items, phi(mode, successes, items, known)).max(axis=1)


def glr_delay(kind, runs, seed, mode, jump, threshold):
    """Rounds from the jump to the first alarm after it, censored, one for each history."""
    successes, items, known = simulate(kind, runs, seed, jump)
    found = glr_pair(successes, items, phi(mode, successes, items, known), JUMP_AT, JUMP_AT + CENSOR)
    return delays(found > threshold)


def delays(alarms):
    """(runs, rounds) of alarms to delays after the jump, censored."""
    late = alarms[:, JUMP_AT : JUMP_AT + CENSOR]
    return np.where(late.any(axis=1), late.argmax(axis=1) + 1, CENSOR)
