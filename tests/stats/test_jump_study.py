"""One threshold, set on constant histories at 5 % per 200 rounds, used everywhere."""

import numpy as np
import pytest
from jump_peers import CALIBRATED, as_shipped, mean_delay, pelt_refit
from jump_study import DESIGN, OTHERS, glr_delay, glr_null, simulate

from subcritical.errors import InputError
from subcritical.stats import BettingSR, GaussianTrendSR, TrendSR, clopper_pearson, segments

MODES = ("repeats", "known", "series")


def threshold(runs, seed=1):
    return float(np.quantile(glr_null("constant", runs, seed, "repeats"), 0.95))


def test_the_pair_keeps_its_rate_where_it_was_not_calibrated():
    limit = threshold(600)
    for kind in ("drift", "overdispersed"):
        assert (glr_null(kind, 300, 2, "repeats") > limit).mean() < 0.12
    assert glr_delay("drift", 200, 3, "repeats", 0.6, limit).mean() < 3.5


def test_without_the_overdispersion_the_same_threshold_fails():
    """The guard taken away: phi held at 1 on overdispersed histories."""
    limit = threshold(300)
    from jump_study import glr_pair  # noqa: PLC0415

    successes, items, _ = simulate("overdispersed", 200, 2)
    assert (glr_pair(successes, items, np.ones(items.shape)).max(axis=1) > limit).mean() > 0.4


def test_e_detectors_wait_and_then_speak():
    rng = np.random.default_rng(1)
    rates = 1 / (1 + np.exp(-(-1 + 0.01 * np.arange(60) + 1.5 * (np.arange(60) >= 40))))
    counts = rng.binomial(200, rates)
    for detector in (TrendSR(), BettingSR(0.01)):
        fired = [detector.after(float(k), 200.0).fires for k in counts]
        assert not any(fired[:40])
        assert any(fired[40:52])
    for wrong in ({"run_length": 1.0}, {"ring": 0}, {"dispersion": 0.5}):
        with pytest.raises(InputError):
            TrendSR(**wrong)
    with pytest.raises(InputError):
        BettingSR(-0.1)


def test_the_gaussian_form_does_what_the_binomial_one_does_and_has_no_unit():
    rng = np.random.default_rng(3)
    false = 0
    late = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = 0.05 * np.arange(120) + rng.normal(0, 0.2, 120)
        plain, lifted = GaussianTrendSR(), GaussianTrendSR()
        false += any(plain.after(float(v), 0.2).fires for v in values)
        jumped = values + 0.8 * (np.arange(120) >= 80)
        fired = [lifted.after(float(v) * 50 + 7, 10.0).fires for v in jumped]
        late.append(next((i - 79 for i, f in enumerate(fired) if f and i >= 80), 40))
    print(f"Gaussian e-SR: {false}/40 false in 120 rounds, mean delay at 4 standard errors {np.mean(late):.1f}")
    assert false <= 4
    assert np.mean(late) < 4
    with pytest.raises(InputError):
        GaussianTrendSR().after(1.0, 0.0)


def test_segments_find_changes_and_no_drift():
    rng = np.random.default_rng(2)
    t = np.arange(120.0)
    drift = 0.05 * t + rng.normal(0, 0.3, 120)
    assert segments(t, drift, np.full(120, 0.3)) == []
    broken = drift + 2.0 * (t >= 50) + 0.1 * np.maximum(0, t - 90)
    found = segments(t, broken, np.full(120, 0.3))
    assert len(found) == 2
    assert abs(found[0] - 50) <= 1
    assert abs(found[1] - 90) <= 6
    with pytest.raises(InputError):
        segments(t[:4], t[:4], np.ones(4))


@pytest.mark.quality
def test_the_whole_study():
    runs = 2000
    limit = threshold(4000)
    print(f"threshold {limit:.2f}, calibrated on 4000 constant histories with phi from three repeats")
    for kind in (*DESIGN, *OTHERS):
        rates = {mode: (glr_null(kind, runs, 2, mode) > limit).mean() for mode in MODES}
        interval = clopper_pearson(round(rates["repeats"] * runs), runs)
        late = {jump: glr_delay(kind, 1000, 3, "repeats", jump, limit) for jump in (0.3, 0.6, 1.2)}
        shown = {jump: f"{d.mean():.2f} (se {d.std() / len(d) ** 0.5:.2f})" for jump, d in late.items()}
        print(
            kind, {m: round(float(r), 4) for m, r in rates.items()}, f"[{interval.low:.3f}, {interval.high:.3f}]", shown
        )
        if kind in DESIGN:
            assert rates["repeats"] <= 0.07
            assert interval.high <= 0.085
        if kind in ("constant", "drift"):
            assert late[0.6].mean() <= 2.6


@pytest.mark.quality
def test_peers_on_the_same_histories():
    pytest.importorskip("river")
    pytest.importorskip("ruptures")
    runs = 200
    sets = {kind: [simulate(kind, runs, 5, jump)[:2] for jump in (0.0, 0.6)] for kind in DESIGN}
    for name, statistic in CALIBRATED.items():
        k, n = sets["constant"][0]
        limit = np.quantile(statistic(k[0], n).max(axis=1), 0.95)
        row = {}
        for kind, ((k0, n0), (k1, n1)) in sets.items():
            false = (statistic(k0[0], n0).max(axis=1) > limit).mean()
            row[kind] = (round(float(false), 3), round(mean_delay(statistic(k1[0], n1) > limit), 1))
        print(name, row)
    for name in ("river ADWIN", "river KSWIN", "river PageHinkley", "ruptures PELT refit"):
        row = {}
        for kind in ("constant", "drift"):
            (k0, n0), (k1, n1) = sets[kind]
            alarms = [
                pelt_refit(k[0][:40], n[:40]) if name.startswith("ruptures") else as_shipped(name, k[0], n)
                for k, n in ((k0, n0), (k1, n1))
            ]
            row[kind] = (round(float(alarms[0].any(axis=1).mean()), 3), round(mean_delay(alarms[1]), 1))
        print(name, "as shipped", row)
