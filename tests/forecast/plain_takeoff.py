"""The published step as a plain loop over one draw: shares no code with the vectorised forms."""

from typing import NamedTuple


class Plain(NamedTuple):
    """One course."""

    hits: list
    rise: float
    doublings: int
    times: list


def plain_course(model, f, r0, p, top):
    ramp = model.ramp
    step = model.doubling_months / (ramp.pace if ramp else f)
    first = quickest = step
    fall = 0.0 if model.constant_returns else r0 / top
    boost = 1.0 + ramp.start if ramp else 1.0
    now, r, done, times = 0.0, r0, 0, [0.0]
    while now < model.horizon_months and done < top and r > 0:
        now += step
        done += 1
        times.append(now)
        quickest = min(quickest, step)
        r -= fall
        if r > 0:
            slow = p * (1.0 / r - 1.0)
            if model.retraining == "program":
                slow = slow / abs(slow + 1.0)
            elif model.retraining == "paper":
                slow = slow / (abs(slow) + 1.0)
            step = step * 2.0**slow if slow < 1000 else float("inf")
            if ramp:
                ramped = 1.0 + ramp.start * (f / ramp.start) ** min(1.0, now / ramp.months)
                step *= boost / ramped
                boost = ramped
    hits = []
    for one in model.compressions:
        count = (
            one.doublings
            if one.doublings is not None
            else int(one.years * 12 / model.doubling_months / model.software_share + 1e-9)
        )
        hits.append(any(times[k] - times[k - count] < one.months for k in range(count, len(times))))
    return Plain(hits, first / quickest, done, times)
