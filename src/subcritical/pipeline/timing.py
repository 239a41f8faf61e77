"""How long things may take, and how often the pulse beats."""

from __future__ import annotations

import msgspec

from subcritical.tripwires import Tripwires

_BEATS_PER_SILENCE = 4
_TICKS_PER_SILENCE = 8
_SHORTEST_S = 0.005


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, each > 0. Heartbeats and ticks are made shorter where a silence rule needs it."""

    freeze_timeout_s: float = 2.0
    kill_timeout_s: float = 5.0
    record_timeout_s: float = 2.0
    heartbeat_s: float = 1.0
    tick_s: float = 0.2


def fitted(timing: Timing, tripwires: Tripwires) -> Timing:
    """`timing` with a pulse fast enough for the shortest silence that a rule speaks of."""
    silences = [rule.on.silence_s for rule in tripwires.rules if rule.on.silence_s is not None]
    if not silences:
        return timing
    shortest = min(silences)
    return msgspec.structs.replace(
        timing,
        heartbeat_s=max(_SHORTEST_S, min(timing.heartbeat_s, shortest / _BEATS_PER_SILENCE)),
        tick_s=max(_SHORTEST_S, min(timing.tick_s, shortest / _TICKS_PER_SILENCE)),
    )
