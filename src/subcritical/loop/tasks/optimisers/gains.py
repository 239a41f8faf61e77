"""Causal effect of a better improver: two improvers at work from the same states with the same budget.

The ratio of their mean gains is the multiplication factor k of that step. Successive gains of one run
mix the quality of the improver with the room that is left, so they are no estimate of it.

Only numbers of a guest come in here (six parameters, checked and bounded); no code of it runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from subcritical.errors import InputError, SourceError
from subcritical.loop.guests.strategy import LIMIT, NAMES, search
from subcritical.loop.tasks.optimisers.suite import log_gains

Parameters = tuple[float, ...]

SPREAD = 0.25
"""Standard deviation of the starting states around the version in force, in units of the parameters."""

HELD_OUT_REPEATS = 2
IMPROVER_BYTES_MAX = 1 << 14


class PairedGains(msgspec.Struct, frozen=True, kw_only=True):
    """Gains on unseen problems, one pair for each starting state, in nats of gap closed.

    `new[i]` and `old[i]` are what the later and the earlier improver gained from the same state with
    the same dice. `k` is the ratio of their means; None where the earlier one gained nothing.
    """

    new: tuple[float, ...]
    old: tuple[float, ...]
    budget: int

    @property
    def k(self) -> float | None:
        """Ratio of mean gains, without its interval: never print it alone."""
        below = math.fsum(self.old)
        return math.fsum(self.new) / below if below > 0 else None


def read_improver(content: bytes) -> tuple[int, Parameters]:
    """Generation and parameters of a stored `improver.json`, which is hostile input.

    Raises:
        SourceError: It is not one, or its numbers are not finite.
    """
    try:
        record = json.loads(content[:IMPROVER_BYTES_MAX])
        generation, numbers = record["generation"], record["parameters"]
        values = tuple(float(number) for number in numbers)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError(f"not an improver: {error}") from error
    whole = isinstance(generation, int) and not isinstance(generation, bool)
    if not whole or len(values) != len(NAMES) or not all(map(math.isfinite, values)):
        raise SourceError(f"an improver has a whole `generation` and {len(NAMES)} finite `parameters`")
    return generation, tuple(min(max(value, -LIMIT), LIMIT) for value in values)


def improver_versions(accepted: Sequence[bytes]) -> tuple[Parameters, ...]:
    """The improver of each generation: the last accepted `improver.json` that names it.

    Args:
        accepted: Contents of `improver.json` in the accepted versions, seed version first, in order.

    Returns:
        Parameters by rising generation. A generation that got nothing accepted has no version.

    Raises:
        SourceError: One of them is not an improver.
    """
    last: dict[int, Parameters] = {}
    for content in accepted:
        generation, parameters = read_improver(content)
        last[generation] = parameters
    return tuple(parameters for _, parameters in sorted(last.items()))


def starting_states(around: Parameters, count: int, *, seed: int) -> tuple[Parameters, ...]:
    """`count` states near a version, from which both improvers start."""
    rng = np.random.default_rng([seed, count])
    noise = rng.normal(0.0, SPREAD, (count, len(around)))
    return tuple(tuple(float(v) for v in np.clip(np.asarray(around) + row, -LIMIT, LIMIT)) for row in noise)


def paired_gains(
    new: Parameters,
    old: Parameters,
    *,
    states: Sequence[Parameters],
    public: Mapping[str, NDArray[Any]],
    held_out: Mapping[str, NDArray[Any]],
    budget: int,
    seed: int,
) -> PairedGains:
    """Let both improvers search from each state and score what they find on unseen problems.

    Args:
        new: Parameters of the improver of generation g.
        old: Those of generation g - 1.
        states: At least 6 starting states (one replicate's spread is about the gain itself).
        public: Suite that the searches see.
        held_out: Suite of unseen problems.
        budget: Evaluations for each search, >= 1; the same for both.
        seed: The dice; each state has the same ones for both improvers.

    Raises:
        InputError: No state, or no budget.

    Cost: about 2 x states x (budget + 4) x 10 ms.
    """
    if not states or budget < 1:
        raise InputError(f"paired gains need starting states and a budget, got {len(states)} and {budget}")
    gains: list[tuple[float, float]] = []
    for number, state in enumerate(states):
        before = _worth(state, held_out, seed, number)
        found = (_improved(state, improver, public, budget, seed, number) for improver in (new, old))
        gained_new, gained_old = (_worth(point, held_out, seed, number) - before for point in found)
        gains.append((gained_new, gained_old))
    return PairedGains(new=tuple(g for g, _ in gains), old=tuple(g for _, g in gains), budget=budget)


def _improved(
    state: Parameters, improver: Parameters, public: Mapping[str, NDArray[Any]], budget: int, seed: int, number: int
) -> Parameters:
    dice = np.random.default_rng([seed, number, 1])
    judged = np.random.default_rng([seed, number, 2])

    def objective(points: Any) -> list[float]:
        return [-float(log_gains(point, public, seed=int(judged.integers(1 << 31))).mean()) for point in points]

    found, _ = search(objective, np.asarray(state), improver, budget=budget, rng=dice)
    return tuple(float(value) for value in found)


def _worth(parameters: Parameters, suite: Mapping[str, NDArray[Any]], seed: int, number: int) -> float:
    dice = np.random.default_rng([seed, number, 3])
    scores = [log_gains(parameters, suite, seed=int(dice.integers(1 << 31))).mean() for _ in range(HELD_OUT_REPEATS)]
    return float(np.mean(scores))
