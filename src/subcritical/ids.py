"""The only source of identity: run names, record ids and nonces, seedable for tests."""

from __future__ import annotations

import random
import secrets
from datetime import UTC, datetime

from subcritical.clock import Clock


class Ids:
    """Makes identifiers. With a seed they repeat; without one they cannot be guessed."""

    def __init__(self, seed: int | None = None) -> None:
        """Use the operating system's randomness unless `seed` is given (tests only)."""
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311 - tests only

    def run(self, clock: Clock) -> str:
        """A run name that sorts by start time: `20261124-152348-3fa9c1`."""
        started = datetime.fromtimestamp(clock.wall_ns() / 1e9, tz=UTC)
        return f"{started:%Y%m%d-%H%M%S}-{self._hex(24)}"

    def record(self, prefix: str) -> str:
        """A short id such as `f-9d02ab41c7`: unique within a run."""
        return f"{prefix}-{self._hex(40)}"

    def _hex(self, bits: int) -> str:
        return f"{self._random.getrandbits(bits):0{bits // 4}x}"


def nonce() -> str:
    """128 unguessable bits in hex. Never seeded: a verdict is bound to it."""
    return secrets.token_hex(16)
