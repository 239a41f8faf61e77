"""Other people's detectors on the same histories. Each sees success rates; those that can take one see the noise."""

import numpy as np
from jump_study import ROUNDS, delays

from subcritical.stats import BettingSR, TrendSettings, TrendSR, trend_predict, trend_start, trend_step

_INNOVATIONS = TrendSettings(slope_sd=0.02, level_drift=2e-4, slope_drift=1e-7)


def _online(make, k, n):
    """Statistic by round of a detector object with `after`."""
    found = np.full(k.shape, -np.inf)
    for run in range(k.shape[0]):
        detector = make()
        for now in range(k.shape[1]):
            found[run, now] = detector.after(float(k[run, now]), float(n[run, now])).statistic
    return found


def trend_sr(k, n):
    return _online(TrendSR, k, n)


def betting(k, n):
    return _online(lambda: BettingSR(0.01), k, n)


def cusum_innovations(k, n):
    """CUSUM on standardised one-step errors of the same trend filter: the fair peer."""
    found = np.zeros(k.shape)
    for run in range(k.shape[0]):
        state, total = trend_start(k[run, 0], n[run, 0], _INNOVATIONS), 0.0
        for now in range(1, k.shape[1]):
            trend_predict(state, _INNOVATIONS)
            step = trend_step(state, k[run, now], n[run, now], _INNOVATIONS)
            state = step.state
            if now >= 8:
                total = max(0.0, total + step.innovation - 0.5)
            found[run, now] = total
    return found


def bocpd(k, n, hazard=1 / 100):
    """Beta-binomial run lengths (Adams & MacKay 2007; Fearnhead & Liu 2007): P(run length below 5), no trend."""
    from scipy.special import betaln  # noqa: PLC0415

    found = np.zeros(k.shape)
    for run in range(k.shape[0]):
        weight, a, b = np.array([1.0]), np.array([1.0]), np.array([1.0])
        for now in range(k.shape[1]):
            hits, misses = k[run, now], n[run, now] - k[run, now]
            likelihood = np.exp(betaln(a + hits, b + misses) - betaln(a, b) + 0.0)
            joint = weight * likelihood
            scale = joint.sum()
            if scale <= 0:
                joint, scale = np.ones_like(joint), float(joint.size)
            joint = joint / scale
            weight = np.concatenate([[hazard * joint.sum()], (1 - hazard) * joint])
            a, b = np.concatenate([[1.0], a + hits]), np.concatenate([[1.0], b + misses])
            if now >= 10:
                found[run, now] = weight[:5].sum()
    return found


def page_hinkley(k, n):
    """Raw Page-Hinkley on rates, allowance .005, upward."""
    x = k / n
    found = np.zeros(k.shape)
    mean = np.zeros(k.shape[0])
    total, least = np.zeros(k.shape[0]), np.zeros(k.shape[0])
    for now in range(k.shape[1]):
        mean += (x[:, now] - mean) / (now + 1)
        total += x[:, now] - mean - 0.005
        least = np.minimum(least, total)
        found[:, now] = total - least
    return found


CALIBRATED = {
    "trend e-SR": trend_sr,
    "betting e-detector": betting,
    "CUSUM on innovations": cusum_innovations,
    "BOCPD beta-binomial": bocpd,
    "Page-Hinkley, raw": page_hinkley,
}


def as_shipped(name, k, n):
    """Alarms (runs, rounds) of a peer with its own defaults."""
    from river import drift  # noqa: PLC0415

    make = {"river ADWIN": drift.ADWIN, "river KSWIN": drift.KSWIN, "river PageHinkley": drift.PageHinkley}[name]
    found = np.zeros(k.shape, dtype=bool)
    for run in range(k.shape[0]):
        detector = make(seed=1) if name == "river KSWIN" else make()
        for now in range(k.shape[1]):
            detector.update(float(k[run, now] / n[run, now]))
            found[run, now] = detector.drift_detected
    return found


def pelt_refit(k, n, every=1):
    """ruptures PELT (mean shifts, penalty ln n times variance) refitted each round on the last 60: a late change alarms."""
    import ruptures  # noqa: PLC0415

    found = np.zeros(k.shape, dtype=bool)
    for run in range(k.shape[0]):
        x = k[run] / n[run]
        for now in range(20, ROUNDS, every):
            window = x[max(0, now - 59) : now + 1]
            penalty = 3 * np.log(window.size) * max(1e-6, np.var(np.diff(window)) / 2)
            ends = ruptures.Pelt(model="l2", min_size=2, jump=1).fit(window[:, None]).predict(pen=penalty)
            found[run, now] = len(ends) > 1 and ends[-2] >= window.size - 20
    return found


def mean_delay(alarms):
    return float(delays(alarms).mean())
