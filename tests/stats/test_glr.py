"""The jump statistic against a slow version written straight from its definition, and its rates."""

import math
import time

import numpy as np
import pytest

from subcritical.errors import InputError
from subcritical.stats import THRESHOLD_PAIR, clopper_pearson, glr_last, glr_last_gaussian, jump_pair, line_dispersion


def slow(k, n, baseline, phi=1.0, age=20):
    """Definition, item by item; no arrays over jump times."""
    t = len(k) - 1
    if t < 10:
        return 0.0
    s = 0 if baseline is None else max(0, t - baseline + 1)
    rounds = range(s, t + 1)

    def fit(y, w):
        s0 = sum(w.values())
        s1 = sum(w[u] * (u - t) for u in rounds)
        s2 = sum(w[u] * (u - t) ** 2 for u in rounds)
        t0 = sum(w[u] * y[u] for u in rounds)
        t1 = sum(w[u] * (u - t) * y[u] for u in rounds)
        d = s0 * s2 - s1 * s1
        return (s2 * t0 - s1 * t1) / d, (s0 * t1 - s1 * t0) / d, s0, s1, s2, d

    smooth = {u: (k[u] + 0.5) / (n[u] + 1) for u in rounds}
    a, b, *_ = fit(
        {u: math.log(p / (1 - p)) for u, p in smooth.items()}, {u: n[u] * p * (1 - p) / phi for u, p in smooth.items()}
    )
    p = {u: 1 / (1 + math.exp(-(a + b * (u - t)))) for u in rounds}
    w = {u: n[u] * p[u] * (1 - p[u]) / phi for u in rounds}
    z = {u: a + b * (u - t) + (k[u] / n[u] - p[u]) / (p[u] * (1 - p[u])) for u in rounds}
    a2, b2, s0, s1, s2, d = fit(z, w)
    best = 0.0
    for v in range(max(s + 4, t - age) + 1, t + 1):
        r = sum(w[u] * (z[u] - a2 - b2 * (u - t)) for u in range(v, t + 1))
        d0 = sum(w[u] for u in range(v, t + 1))
        d1 = sum(w[u] * (u - t) for u in range(v, t + 1))
        variance = d0 - (s2 * d0**2 - 2 * s1 * d0 * d1 + s0 * d1**2) / d
        if r > 0 and variance > 1e-9:
            best = max(best, r * r / (2 * variance))
    return best


@pytest.mark.parametrize("baseline", [60, 15, None])
@pytest.mark.parametrize("rounds", [5, 11, 12, 25, 61, 90])
def test_agrees_with_the_definition(baseline, rounds):
    rng = np.random.default_rng(rounds)
    n = rng.integers(50, 500, rounds).astype(float)
    p = 1 / (1 + np.exp(-(np.linspace(-1, 1, rounds) + 0.4 * (np.arange(rounds) > rounds - 5))))
    k = rng.binomial(n.astype(int), p).astype(float)
    ours, where = glr_last(k[None], n[None], baseline=baseline, dispersion=1.3)
    assert ours[0] == pytest.approx(slow(k, n, baseline, 1.3), rel=1e-9)
    assert 0 <= where[0] < rounds


def series(rng, count, rounds, *, n=100, jump=0.0, at=100, drift=0.01, sd=0.0):
    t = np.arange(rounds)
    theta = -1 + drift * t + jump * (t >= at) + rng.normal(0, sd, (count, rounds))
    return rng.binomial(n, 1 / (1 + np.exp(-theta))).astype(float), np.full((count, rounds), float(n))


def first_alarm(k, n, *, dispersion=1.0, threshold=THRESHOLD_PAIR):
    """Round of the first alarm of the pair in each series, or -1."""
    first = np.full(len(k), -1)
    for t in range(10, k.shape[1]):
        pair = [glr_last(k[:, : t + 1], n[:, : t + 1], baseline=b, dispersion=dispersion)[0] for b in (60, None)]
        alarm = (np.maximum(*pair) > threshold) & (first < 0)
        first[alarm] = t
    return first


def rates(runs):
    rng = np.random.default_rng(9)
    null = first_alarm(*series(rng, runs, 200))
    false = int((null >= 0).sum())
    jumped = first_alarm(*series(rng, runs, 161, jump=0.6))
    found = jumped[jumped >= 100]
    # Delay counts rounds looked at from the jump on, censored at 60, and runs without an earlier false alarm.
    clean = jumped[(jumped < 0) | (jumped >= 100)]
    delay = np.where(clean < 0, 60, clean - 100 + 1)
    interval = clopper_pearson(false, runs)
    print(
        f"GLR pair, drift, n=100, {runs} runs: false alarms {false / runs:.3f} [{interval.low:.3f}, {interval.high:.3f}] "
        f"per 200 rounds; mean delay at 0.6 logits {delay.mean():.2f} rounds, found {len(found)}/{len(clean)}"
    )
    return false / runs, float(delay.mean())


def test_rates_in_short():
    false, delay = rates(100)
    assert false <= 0.14
    assert delay <= 3.6


@pytest.mark.sim
def test_rates_in_full():
    false, delay = rates(400)
    assert false <= 0.08
    assert delay <= 3.0


def test_overdispersion_must_be_told():
    """The planted failure: without phi the statistic alarms on run-to-run noise in most runs."""
    k, n = series(np.random.default_rng(5), 60, 200, n=200, sd=0.15)
    blind, told = ((first_alarm(k, n, dispersion=phi) >= 0).mean() for phi in (1.0, 2.0))
    print(f"false alarms at phi 2: {blind:.2f} untold, {told:.2f} told")
    assert blind >= 0.6
    assert told <= 0.2


def test_gaussian_form_and_its_misfit():
    rng = np.random.default_rng(6)
    t = np.arange(60.0)
    y = 3 * t + rng.normal(0, 2, 60) + 25 * (t >= 57)
    se = np.full(60, 2.0)
    assert glr_last_gaussian(y[None], se[None])[0][0] > 50
    assert jump_pair(y, se, binomial=False).start == 57
    assert line_dispersion(y, se) == pytest.approx(1, abs=0.6)
    bent = 100 * np.log1p(t)
    assert line_dispersion(bent, se) > 20
    assert jump_pair(y[:9], se[:9], binomial=False).statistic == 0.0


def test_bad_input_is_refused():
    with pytest.raises(InputError):
        glr_last(np.ones(5), np.ones(5))
    with pytest.raises(InputError):
        glr_last_gaussian(np.ones((1, 20)), np.zeros((1, 20)))


def test_cost_is_printed():
    k, n = series(np.random.default_rng(8), 2000, 100)
    start = time.perf_counter()
    glr_last(k, n, baseline=60)
    middle = time.perf_counter()
    glr_last(k, n, baseline=None)
    end = time.perf_counter()
    print(
        f"GLR per update: B=60 {(middle - start) / 2000 * 1e6:.2f} us, all of 100 rounds {(end - middle) / 2000 * 1e6:.2f} us"
    )
